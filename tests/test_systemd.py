"""The systemd unit: understood to the last word, and confined."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from exporter.credentials import NAMES
from exporter.settings.table import CONFIG_FILE, SETTINGS

FOLDER = Path(__file__).parents[1] / "deploy" / "systemd"
UNIT = FOLDER / "planetscale-exporter.service"
ENVIRONMENT = FOLDER / "environment.example"
PROXIES = {"HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"}

Program = Callable[..., Path]


def known_variables() -> set[str]:
    """Every variable that means something to the exporter."""
    credentials = {f"{name}{ending}" for name in NAMES.values() for ending in ("", "_FILE")}
    return {setting.env for setting in (CONFIG_FILE, *SETTINGS.values())} | credentials | PROXIES


def analyzed(program: Program, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run systemd-analyze, however it ends."""
    command = [program("systemd-analyze"), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.real
def test_systemd_understands_every_line(program: Program, tmp_path: Path) -> None:
    """Nothing is misspelt, unknown or missing: systemd says nothing at all of the unit once the command is there."""
    installed = re.sub(r"^ExecStart=\S+", f"ExecStart={sys.executable}", UNIT.read_text(), flags=re.MULTILINE)
    unit = tmp_path / UNIT.name
    unit.write_text(installed)
    done = analyzed(program, "verify", unit)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.real
def test_the_unit_is_confined(program: Program) -> None:
    """The exposure that systemd computes is 2.0 of 10 at most."""
    done = analyzed(program, "security", "--offline=yes", "--threshold=20", "--no-pager", UNIT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_only_known_variables_are_named() -> None:
    """Every variable that the unit or its example of an environment file sets is one the exporter reads."""
    named = re.findall(r"^Environment=(\w+)=", UNIT.read_text(), re.MULTILINE)
    example = re.findall(r"^(?:# )?([A-Z][A-Z_]+)=", ENVIRONMENT.read_text(), re.MULTILINE)
    assert named
    assert example
    assert {*named, *example} <= known_variables()


def test_tokens_come_from_loaded_credentials() -> None:
    """Each credential that systemd loads is the file of one variable, and each such variable has its credential."""
    unit = UNIT.read_text()
    loaded = re.findall(r"^LoadCredential=([\w-]+):", unit, re.MULTILINE)
    read = re.findall(r"^Environment=\w+_FILE=%d/([\w-]+)$", unit, re.MULTILINE)
    assert loaded == read != []


def test_a_bad_configuration_is_not_tried_again() -> None:
    """The unit restarts after a failure, but not after exit code 2, which no restart mends."""
    service = dict(re.findall(r"^(\w+)=(.*)$", UNIT.read_text(), re.MULTILINE))
    assert service["Restart"] == "on-failure"
    assert "2" in service["RestartPreventExitStatus"].split()


def test_memory_and_descriptors_have_limits() -> None:
    """The unit ends at the memory that the chart allows too, and may have more connections than a default of 1024."""
    service = dict(re.findall(r"^(\w+)=(.*)$", UNIT.read_text(), re.MULTILINE))
    chart = yaml.safe_load((FOLDER.parent / "helm" / "planetscale-exporter" / "values.yaml").read_text())
    assert service["MemoryMax"] + "i" == chart["resources"]["limits"]["memory"]
    assert int(service["LimitNOFILE"]) > 1024


def test_a_reload_is_a_hangup() -> None:
    """`systemctl reload` sends SIGHUP to the exporter itself."""
    assert "ExecReload=/bin/sh -c 'kill -HUP $MAINPID'\n" in UNIT.read_text()
