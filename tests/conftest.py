"""What every test may rely on: real programs by name, and a header that says what was tested with."""

import logging
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
import structlog
from hypothesis import settings
from real import unavailable

# Thousands of simulated polls, each told at debug, are not for the report of a test.
structlog.configure(processors=[], logger_factory=structlog.ReturnLoggerFactory())

HEADER = ("aiohttp", "hypothesis", "prometheus-client", "pydantic", "structlog")
DEBIAN = {
    "amtool": "prometheus-alertmanager",
    "nginx": "nginx-light",
    "promtool": "prometheus",
    "systemd-analyze": "systemd",
}

# No example has a deadline: how fast a machine is proves nothing.
settings.register_profile("full", deadline=None)
settings.register_profile("quick", deadline=None, max_examples=25)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "full"))


def pytest_report_header() -> str:
    """Name the versions of the libraries that a result may depend on."""
    return "libraries: " + ", ".join(f"{name} {version(name)}" for name in HEADER)


@pytest.fixture(scope="session")
def program() -> Callable[..., Path]:
    """Give `find(name, newer=False)`: the path of a program that pip does not install.

    It is looked for on the PATH; with `newer`, for Prometheus and its companions, in the folder that
    PROMETHEUS_NEW_BIN names. A missing one skips the test and says what to install; where CI=true it fails.
    """

    def find(name: str, *, newer: bool = False) -> Path:
        found = shutil.which(name, path=os.environ.get("PROMETHEUS_NEW_BIN", "") if newer else None)
        if found is None:
            install = f"install {DEBIAN.get(name, name)}"
            unavailable(f"no {name}: {'put a newer one where PROMETHEUS_NEW_BIN says' if newer else install}")
        return Path(found)

    return find


@pytest.fixture
def issue(program: Callable[..., Path], tmp_path: Path) -> Callable[[str], None]:
    """Give `issue(name)`: NAME.crt and NAME.key for localhost, of an authority `ca`, in the test's folder."""
    openssl = program("openssl")

    def run(*arguments: str) -> None:
        subprocess.run([openssl, *arguments], cwd=tmp_path, check=True, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    run("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=ca", "-days", "2")

    def issue(name: str) -> None:
        run("req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        (tmp_path / "names").write_text(f"subjectAltName=DNS:localhost,DNS:{name},IP:127.0.0.1\n")
        ca = ("-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial")
        run("x509", "-req", "-in", f"{name}.csr", *ca, "-days", "2", "-extfile", "names", "-out", f"{name}.crt")

    return issue


@pytest.fixture
def logging_as_before() -> Iterator[None]:
    """Let a test configure logging, which is the whole process's."""
    root = logging.getLogger()
    handlers, level, configuration = root.handlers[:], root.level, structlog.get_config()
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**configuration)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Write what the tests that passed have measured: a line for each `record_property`."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            terminalreporter.write_line(f"{value!s:>6} {name} ({report.nodeid.rsplit('::', 1)[-1]})")
