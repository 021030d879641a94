"""The workflows that test and release: valid, without rights they do not need, and pinned to what was reviewed."""

import re
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PINNED = re.compile(r"^ *(?:- )?uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")

Program = Callable[..., Path]


def read(workflow: Path) -> dict[str, Any]:
    """Read one workflow."""
    return dict(yaml.safe_load(workflow.read_text()))


@pytest.mark.real
@pytest.mark.parametrize(
    ("schema", "files"),
    [("vendor.github-workflows", WORKFLOWS), ("vendor.dependabot", [ROOT / ".github" / "dependabot.yml"])],
    ids=["workflows", "dependabot"],
)
def test_github_understands_every_key(program: Program, schema: str, files: list[Path]) -> None:
    """Every key is one that GitHub's schema knows."""
    command: list[str | Path] = [program("check-jsonschema"), "--builtin-schema", schema, *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.real
def test_an_audit_finds_nothing(program: Program) -> None:
    """No injection, no credential left behind, no right too many."""
    command: list[str | Path] = [
        program("zizmor"),
        "--offline",
        "--no-progress",
        "--persona",
        "pedantic",
        ROOT / ".github",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_rights_are_given_to_single_jobs(workflow: Path) -> None:
    """A workflow as a whole may do nothing, and each job says what it may and for how long it runs."""
    about = read(workflow)
    assert about["permissions"] == {}
    assert all("permissions" in job and "timeout-minutes" in job for job in about["jobs"].values())


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_actions_are_pinned_by_commit(workflow: Path) -> None:
    """A tag can be moved, a commit cannot; the comment says which version it is."""
    uses = [line for line in workflow.read_text().splitlines() if "uses:" in line]
    assert uses
    assert [line for line in uses if not PINNED.match(line)] == []


def test_every_supported_python_is_tested() -> None:
    """The matrix begins with the oldest Python that an installation accepts, and leaves none out."""
    jobs = read(ROOT / ".github" / "workflows" / "ci.yml")["jobs"]
    versions = jobs["test"]["strategy"]["matrix"]["python"]
    oldest = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert oldest == f">={versions[0]}"
    minors = [int(version.removeprefix("3.")) for version in versions]
    assert minors == [*range(minors[0], minors[-1] + 1)]
    assert f"{versions[0]} to {versions[-1]}" in (ROOT / "docs" / "support.md").read_text()
