"""Generated documents: up to date, complete, and true."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from exporter.credentials import NAMES
from exporter.settings import load
from exporter.settings.table import CONFIG_FILE, SECTIONS, SETTINGS, TARGETS, Setting

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "deploy" / "config.example.yml"
LOGIN = dict.fromkeys(("PLANETSCALE_SERVICE_TOKEN_ID", "PLANETSCALE_SERVICE_TOKEN"), "x")


def test_documents_are_up_to_date() -> None:
    """What is committed is what the generator writes."""
    command = [sys.executable, "tools/build_docs.py", "--check"]
    outcome = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (outcome.stdout, outcome.stderr, outcome.returncode) == ("", "", 0)


@pytest.mark.parametrize("setting", [*SETTINGS.values(), CONFIG_FILE], ids=lambda setting: setting.path)
def test_every_setting_is_documented(setting: Setting) -> None:
    """Flag, environment variable, default and meaning of each setting stand on the page."""
    page = (ROOT / "docs" / "configuration.md").read_text()
    for part in (setting.flag, setting.env, setting.default, setting.meaning[1:]):
        assert part in page


def test_every_credential_is_documented() -> None:
    """So do the names of the credentials."""
    page = (ROOT / "docs" / "configuration.md").read_text()
    assert all(f"`{name}`" in page and f"`api.{half}_file`" in page for half, name in NAMES.items())


def test_the_example_loads_and_says_the_defaults() -> None:
    """The shipped file has every setting, those without a default in comments, and but for the targets changes none."""
    settings, _ = load([f"--config-file={EXAMPLE}"], LOGIN)
    whole = yaml.safe_load(re.sub(r"^  # (?=\w+: \S+$)", "  ", EXAMPLE.read_text(), flags=re.MULTILINE))
    given = {f"{section}.{name}" for section in SECTIONS for name in whole[section]}
    assert given == SETTINGS.keys() - {TARGETS.path} | {
        "api.service_token_id_file",
        "api.service_token_file",
    }
    assert settings.organizations == ("acme", "initech")
    targets = ",".join(target.text for target in settings.targets)
    assert settings == load([], {**LOGIN, TARGETS.env: targets})[0]


def test_the_credentials_of_the_example_load(tmp_path: Path) -> None:
    """What the shipped file has in comments is right, too."""
    text = re.sub(r"^( *)# (?=credentials:|  |service_token)", r"\1", EXAMPLE.read_text(), flags=re.MULTILINE)
    file = tmp_path / "config.yml"
    file.write_text(text)
    for name in ("service-token-id", "service-token", "initech-id", "initech-token"):
        (tmp_path / name).write_text(name)
    _, credentials = load([f"--config-file={file}"], {})
    assert credentials.authorization("acme") == "service-token-id:service-token"
    assert credentials.authorization("initech") == "initech-id:initech-token"
