"""What is shipped beside the code: pinned requirements, the wheel, make targets, the Compose file, the scripts."""

import json
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent
PIN = re.compile(r"^([a-z0-9-]+)==(\S+)", re.MULTILINE)


def pins(name: str) -> dict[str, str]:
    """Read the pinned version of every package from a requirements file."""
    return dict(PIN.findall((ROOT / name).read_text()))


def compose() -> dict[str, Any]:
    """Read the Compose file's services."""
    services: dict[str, Any] = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())["services"]
    return services


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-build.txt", "requirements-dev.txt"])
def test_requirements_are_pinned_with_hashes_and_name_no_index(name: str) -> None:
    """Every requirement has a version and a hash, and whoever installs chooses the index."""
    text = (ROOT / name).read_text().replace("\\\n", " ")
    assert text
    assert [line for line in text.splitlines() if not re.match(r"\S+==\S+ .*--hash=sha256:[0-9a-f]{64}", line)] == []


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-build.txt"])
def test_development_uses_the_versions_that_are_shipped(name: str) -> None:
    """What the image installs is what the tests ran with."""
    assert pins(name).items() <= pins("requirements-dev.txt").items()


def test_every_dependency_is_pinned() -> None:
    """A dependency that pyproject.toml names stands in requirements.txt as well."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {re.split(r"[<>=~]", name)[0] for name in project["dependencies"]} <= pins("requirements.txt").keys()


def test_the_wheel_holds_the_package_and_nothing_else(tmp_path: Path) -> None:
    """Templates and other files of the package are in the wheel; tests, tools and deploy files are not."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    [wheel] = tmp_path.glob("*.whl")
    shipped = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    package = (path for path in (ROOT / "exporter").rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    assert shipped == {str(path.relative_to(ROOT)) for path in package}


@pytest.mark.slow
def test_the_sources_can_be_tested(tmp_path: Path) -> None:
    """Whoever unpacks the sdist has what tests and make need, and the tests run there."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    [sdist] = tmp_path.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    [unpacked] = (path for path in tmp_path.iterdir() if path.is_dir())
    folders = ("deploy", "docs", "exporter", "grafana", "tests", "tools")
    files = {path for name in folders for path in (ROOT / name).rglob("*.*") if path.is_file()}
    wanted = {path.relative_to(ROOT) for path in files if not {"__pycache__", ".env"} & set(path.parts)}
    assert [str(path) for path in sorted(wanted) if not (unpacked / path).exists()] == []
    names = [f"tests/test_{name}.py" for name in ("build_docs", "dashboards", "runbooks")]
    run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not real", *names]
    ran = subprocess.run(run, cwd=unpacked, check=False, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout


def test_the_page_of_the_package_index_has_whole_links() -> None:
    """What the README links to in the repository is linked to there, and the project says where it lives."""
    command = [sys.executable, "-m", "hatchling", "metadata"]
    described = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout)
    links = re.findall(r"\]\(([^)]*)\)", described["readme"]["text"])
    assert len(links) > 10
    assert [link for link in links if not link.startswith("https://")] == []
    assert {"Homepage", "Documentation", "Changelog", "Issues"} <= described["urls"].keys()


def test_the_changelog_covers_the_version() -> None:
    """The version that pyproject.toml names has an entry for users."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"\n## [{version}]" in (ROOT / "CHANGELOG.md").read_text()


@pytest.mark.parametrize("service", sorted(compose()))
def test_compose_services_are_pinned_confined_and_on_loopback(service: str) -> None:
    """No service floats, keeps a capability or listens beyond this machine unless asked."""
    settings = compose()[service]
    assert re.fullmatch(r"localhost/.+|.+:v?\d+\.\d+\.\d+", settings["image"])
    assert settings["cap_drop"] == ["ALL"]
    assert settings["security_opt"] == ["no-new-privileges:true"]
    assert all(port.startswith("${LISTEN:-127.0.0.1}:") for port in settings.get("ports", []))
    assert all(volume.endswith(":ro") for volume in settings.get("volumes", []) if volume.startswith("."))


@pytest.mark.parametrize(
    ("credentials", "started"),
    [
        ({}, "demo"),
        ({"PLANETSCALE_SERVICE_TOKEN_ID": "", "PLANETSCALE_SERVICE_TOKEN": "", "PLANETSCALE_ACCESS_TOKEN": ""}, "demo"),
        ({"PLANETSCALE_SERVICE_TOKEN_ID": "id", "PLANETSCALE_SERVICE_TOKEN": "secret"}, ""),
        ({"PLANETSCALE_SERVICE_TOKEN": "secret"}, ""),
        ({"PLANETSCALE_ACCESS_TOKEN": "secret"}, ""),
        ({"PLANETSCALE_SERVICE_TOKEN_FILE": "/run/secrets/token"}, ""),
        ({"PLANETSCALE_ACCESS_TOKEN_FILE": "/run/secrets/token"}, ""),
        ({"PLANETSCALE_ACCESS_TOKEN_FILE": ""}, "demo"),
    ],
)
def test_compose_serves_the_demo_only_without_credentials(
    tmp_path: Path, credentials: dict[str, str], started: str
) -> None:
    """Any credential, even half of one, ends the demo: the exporter then says what is missing."""
    exporter = tmp_path / "planetscale-exporter"
    exporter.write_text('#!/bin/sh\necho "$*"\n')
    exporter.chmod(0o755)
    entrypoint = [word.replace("$$", "$") for word in compose()["exporter"]["entrypoint"]]
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", **credentials}
    ran = subprocess.run(entrypoint, env=environment, check=True, capture_output=True, text=True)
    assert ran.stdout.strip() == started


def test_grafana_is_provisioned_with_the_files_that_compose_mounts() -> None:
    """The dashboard provider reads the folder where Compose mounts the dashboards, and the home page is one of them."""
    grafana = compose()["grafana"]
    providers = yaml.safe_load((ROOT / "deploy/grafana/provisioning/dashboards/planetscale.yaml").read_text())
    folder = providers["providers"][0]["options"]["path"]
    assert f"../grafana/dashboards:{folder}:ro" in grafana["volumes"]
    home = Path(grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert home.is_relative_to(folder)
    assert (ROOT / "grafana/dashboards" / home.name).is_file()


@pytest.mark.parametrize(
    "target",
    [
        "demo",
        "test",
        "check",
        "fmt",
        "bench",
        "dashboards",
        "docs",
        "chart",
        "image",
        "release-dry-run",
        "lock",
        "clean",
    ],
)
@pytest.mark.real
def test_make_knows_its_targets(program: Callable[..., Path], target: str) -> None:
    """Every verb that the project promises is a target, and the help names it."""
    make = program("make")
    subprocess.run([make, "--dry-run", target], cwd=ROOT, check=True, capture_output=True)
    listed = subprocess.run([make, "help"], cwd=ROOT, check=True, capture_output=True, text=True)
    assert f"make {target} " in listed.stdout


@pytest.mark.real
def test_make_says_what_an_old_python_needs(program: Callable[..., Path], tmp_path: Path) -> None:
    """Without a suitable interpreter, setting up ends with one hint at what mends it."""
    for name in ("Makefile", "pyproject.toml", "requirements.txt", "requirements-build.txt"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    command = [str(program("make")), "demo", "PYTHON=/no/such/python3"]
    ran = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True)
    assert ran.returncode != 0
    assert "found no Python 3.11 or later" in ran.stderr
    assert "apt-get install python3-venv" in ran.stderr


@pytest.mark.real
@pytest.mark.parametrize(
    ("linter", "name"),
    [
        ("hadolint", "Dockerfile"),
        ("shellcheck", ".ci/run"),
        ("shellcheck", "tools/release-dry-run"),
        ("shellcheck", "tools/package-chart"),
    ],
)
def test_scripts_pass_their_linter(program: Callable[..., Path], linter: str, name: str) -> None:
    """The linters for images and shell have nothing to say."""
    ran = subprocess.run([program(linter), name], cwd=ROOT, check=False, capture_output=True, text=True)
    assert (ran.stdout + ran.stderr, ran.returncode) == ("", 0)
