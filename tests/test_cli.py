"""The command line as its users meet it: a real process, its exit code and what it prints."""

import os
import platform
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE

import pytest

from exporter.cli import configure, main
from exporter.settings.command_line import COMMANDS
from exporter.settings.table import CONFIG_FILE, SETTINGS

SECRET = "pscale_tkn_s3cr3t"
LOGIN = {"PLANETSCALE_SERVICE_TOKEN_ID": "abc", "PLANETSCALE_SERVICE_TOKEN": SECRET}


def run(*argv: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the exporter as a process of its own, with nothing of this one's settings."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("PLANETSCALE_")}
    command = [sys.executable, "-m", "exporter", *argv]
    return subprocess.run(command, env={**kept, **environ}, capture_output=True, text=True, check=False, timeout=50)


@contextmanager
def started(*argv: str, **environ: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start the exporter on a free port; it is listening there, and ends with the test."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("PLANETSCALE_")}
    command = [sys.executable, "-m", "exporter", *argv, "--web.listen-address=127.0.0.1:0"]
    with subprocess.Popen(command, env={**kept, **environ}, stdout=PIPE, stderr=PIPE, text=True) as process:
        assert process.stderr is not None
        lines = iter(process.stderr.readline, "")
        ports = (re.search(r"event=listening .*port=(\d+)", line) for line in lines)
        try:
            yield process, next(port[1] for port in ports if port)
        finally:
            process.kill()


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the tester's own settings out."""
    for name in os.environ:
        if name.startswith("PLANETSCALE_"):
            monkeypatch.delenv(name)


def test_help_fits_a_terminal_and_names_everything() -> None:
    """Every command, flag and default is in the help, on 80 columns, whatever else is asked."""
    outcome = run("--unknown", "check", "--help")
    assert (outcome.returncode, outcome.stderr) == (0, "")
    assert max(map(len, outcome.stdout.splitlines())) < 80
    text = " ".join(outcome.stdout.split())
    for setting in (*SETTINGS.values(), CONFIG_FILE):
        assert setting.flag in text
        assert "".join(setting.meaning.split()) in "".join(text.split())  # argparse breaks lines at hyphens
        assert not setting.default or f"(default {setting.default})" in text
    assert all(command in text for command in COMMANDS)
    assert "usage:" in run("-h").stdout


def test_version() -> None:
    """The version line says which build of what on which Python."""
    outcome = run("--version", PLANETSCALE_EXPORTER_REVISION="abc123")
    assert outcome.returncode == 0
    assert re.fullmatch(
        rf"planetscale-exporter \S+ \(abc123, Python {re.escape(platform.python_version())}\)\n", outcome.stdout
    )
    assert f" (Python {platform.python_version()})" in run("--version").stdout  # what is not known is not said


def test_the_revision_that_pip_installed(tmp_path: Path) -> None:
    """Installed from a repository, the version line says from which commit."""
    installed = tmp_path / "planetscale_exporter-9.9.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: planetscale-exporter\nVersion: 9.9\n")
    for origin, told in (
        ('{"vcs_info": {"vcs": "git", "commit_id": "abc123"}}', "abc123, "),
        ("{}", ""),
        ("no JSON", ""),
    ):
        (installed / "direct_url.json").write_text(origin)
        said = run("--version", PYTHONPATH=str(tmp_path)).stdout
        assert said == f"planetscale-exporter 9.9 ({told}Python {platform.python_version()})\n"


@pytest.mark.parametrize("command", [[], ["check"]])
def test_a_bad_configuration_is_exit_code_2(command: list[str], tmp_path: Path) -> None:
    """One line per mistake on standard error, no traceback and nothing of the secret, whichever command it is."""
    file = tmp_path / "file.yml"
    file.write_text(f"api: {{access_token: {SECRET}}}\npoll: {{interval: x}}\n")
    argv = [*command, "--target=a/x/y", f"--config-file={file}"]
    outcome = run(*argv, **LOGIN, PLANETSCALE_ACCESS_TOKEN=f"{SECRET}\nx", PLANETSCALE_EXPORTER_LOG_FORMAT="x")
    assert (outcome.returncode, outcome.stdout) == (2, "")
    assert SECRET not in outcome.stderr
    assert [re.sub(r"(: (poll|api)[.\w]+)?: .*", r"\1", line) for line in outcome.stderr.splitlines()] == [
        "--target",
        f"{file}: api.access_token",
        f"{file}: poll.interval",
        "PLANETSCALE_EXPORTER_LOG_FORMAT",
        "PLANETSCALE_ACCESS_TOKEN",
    ]


@pytest.mark.parametrize("command", [[], ["check"]])
def test_an_unknown_flag_is_exit_code_2(command: list[str]) -> None:
    """One line for each on standard error, without the value that follows it."""
    outcome = run(*command, f"--token={SECRET}", "--secret", SECRET, "--target=acme", **LOGIN)
    assert (outcome.returncode, outcome.stdout) == (2, "")
    assert SECRET not in outcome.stderr
    assert [line.partition(":")[0] for line in outcome.stderr.splitlines()] == ["--token", "--secret"]


def test_the_demo_refuses_what_it_brings_itself() -> None:
    """A target is meant for serving."""
    outcome = run("demo", "--target=acme", "--poll.interval=x")
    assert outcome.returncode == 2
    assert [line.split(":")[0] for line in outcome.stderr.splitlines()] == ["--target", "--poll.interval"]


def test_arguments_that_are_no_text_do_not_end_in_a_traceback() -> None:
    """Bytes that are no UTF-8 are a mistake like any other."""
    for argv, lines in (["--\udcff=1", "\udcfe"], 1), (["\udcfe"], 1), (["--target=acme/\udcff"], 2):
        outcome = run(*argv, **LOGIN, PLANETSCALE_ACCESS_TOKEN="\udcff")
        assert outcome.returncode == 2
        assert "Traceback" not in outcome.stderr
        assert len(outcome.stderr.splitlines()) == lines


def test_health_check_needs_neither_targets_nor_credentials() -> None:
    """It asks at the configured address; nobody there is exit code 1."""
    outcome = run("healthcheck", PLANETSCALE_EXPORTER_WEB_LISTEN_ADDRESS="127.0.0.1:1")
    assert (outcome.returncode, outcome.stdout) == (1, "")
    assert outcome.stderr.startswith("unhealthy: http://127.0.0.1:1/-/healthy does not answer")
    assert run("healthcheck", "--web.listen-address=x").returncode == 2


@pytest.mark.parametrize("argv", [["demo"], ["--target=acme", "--api.url=http://127.0.0.1:1"]], ids=["demo", "serve"])
def test_a_running_exporter_is_healthy_and_ends_on_request(argv: list[str]) -> None:
    """Demo and exporter alike serve until SIGTERM, which is no failure."""
    with started(*argv, **({} if "demo" in argv else LOGIN)) as (process, port):
        outcome = run("healthcheck", f"--web.listen-address=127.0.0.1:{port}")
        assert (outcome.returncode, outcome.stdout, outcome.stderr) == (0, "", "")
        process.send_signal(signal.SIGTERM)
        _, rest = process.communicate(timeout=30)
    assert process.returncode == 0
    assert SECRET not in rest
    assert "Traceback" not in rest


def test_check_of_an_api_that_does_not_answer() -> None:
    """What only shows when PlanetScale is asked is exit code 1."""
    outcome = run("check", "--target=acme", "--api.url=http://127.0.0.1:1", **LOGIN)
    assert outcome.returncode == 1
    assert SECRET not in outcome.stdout + outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_main_takes_the_arguments_of_the_process(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Called without arguments, as the installed command is, it reads its own."""
    monkeypatch.setattr(sys, "argv", ["planetscale-exporter", "--version"])
    assert main() == 0
    assert capsys.readouterr().out.startswith("planetscale-exporter ")
    assert main(["--nope"]) == 2
    assert capsys.readouterr().err.startswith("--nope: unknown flag")
    assert main(["--help"]) == 0
    assert capsys.readouterr().out.startswith("usage: planetscale-exporter")


def test_configure_reads_anew(tmp_path: Path) -> None:
    """What a reload gets is what the files say now, credentials included."""
    file, token = tmp_path / "file.yml", tmp_path / "token"
    token.write_text("one")
    file.write_text("targets: [acme]\napi: {access_token_file: token}")
    first, credentials = configure([f"--config-file={file}"], {})
    token.write_text("three")
    file.write_text("targets: [acme, other]\napi: {access_token_file: token}")
    second, renewed = configure([f"--config-file={file}"], {})
    assert (len(first.targets), len(second.targets)) == (1, 2)
    assert credentials.authorization("acme") == "Bearer one"
    assert renewed.authorization("other") == "Bearer three"


def test_a_start_imports_nothing_that_it_does_not_need() -> None:
    """The page's templates, YAML, the simulator and the other commands are loaded when they are used."""
    imported = subprocess.check_output(
        [sys.executable, "-c", "import sys, exporter.cli, exporter.app; print(*sys.modules)"], text=True
    ).split()
    assert "exporter.web.page" in imported
    assert {"jinja2", "yaml", "exporter.simulator", "exporter.check", "exporter.healthcheck"}.isdisjoint(imported)
