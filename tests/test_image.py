"""The image that `make image` built, run as a careful operator runs it."""

import json
import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from real import page_with, unavailable

pytestmark = pytest.mark.real

ROOT = Path(__file__).parent.parent
IMAGE = os.environ.get("IMAGE", "localhost/planetscale-exporter:latest")
CONFINED = ("--read-only", "--cap-drop", "all", "--security-opt", "no-new-privileges")


@dataclass(frozen=True)
class Engine:
    """Docker or podman."""

    program: Path

    def __call__(self, *words: str) -> str:
        """Run one command, which must work, and give its output."""
        return self.tried(*words, check=True).stdout.strip()

    def tried(self, *words: str, check: bool = False) -> subprocess.CompletedProcess[str]:
        """Run one command, however it ends."""
        return subprocess.run([self.program, *words], check=check, capture_output=True, text=True)


@pytest.fixture(scope="module")
def engine(program: Callable[..., Path]) -> Engine:
    """Give the engine that has the image; docker counts only where its daemon answers."""
    docker = shutil.which("docker")
    answers = docker and subprocess.run([docker, "info"], capture_output=True, check=False).returncode == 0
    found = Engine(program("docker" if answers else "podman"))
    if found.tried("image", "inspect", IMAGE).returncode:
        unavailable(f"no image {IMAGE}: run make image")
    return found


@pytest.fixture(scope="module")
def container(engine: Engine) -> Iterator[str]:
    """Run the demo without a writable file, a capability or a way to gain one, on a free port of loopback."""
    identity = engine("run", "--detach", "--publish", "127.0.0.1::10048", *CONFINED, IMAGE, "demo")
    try:
        yield identity
    finally:
        engine("rm", "--force", identity)


def fetched(engine: Engine, container: str, path: str, text: str) -> str:
    """GET *path* of the container until the page holds *text*."""
    url = f"http://{engine('port', container, '10048/tcp')}{path}"
    return page_with(url, text, tell=lambda: engine.tried("logs", container).stderr)


def inspected(engine: Engine, container: str) -> dict[str, Any]:
    """Give what the engine knows of the container."""
    [found] = json.loads(engine("inspect", container))
    return dict(found)


def test_the_demo_is_scraped_from_a_confined_container(engine: Engine, container: str) -> None:
    """Read-only and without capabilities, the image serves operations, its version and its revision."""
    page = fetched(engine, container, "/metrics", "planetscale_deploy_operation_state{")
    build = next(line for line in page.splitlines() if line.startswith("planetscale_exporter_build_info{"))
    labels = dict(re.findall(r'(\w+)="([^"]*)"', build))
    known = inspected(engine, container)["Config"]["Labels"]
    assert labels["version"] == known["org.opencontainers.image.version"]
    assert labels["revision"] == known["org.opencontainers.image.revision"] != ""


def test_the_health_check_of_the_image_passes(engine: Engine, container: str) -> None:
    """The command in the image's HEALTHCHECK ends well while the exporter serves, and has no argument to be split."""
    fetched(engine, container, "/-/healthy", "")
    kind, *command = inspected(engine, container)["Config"]["Healthcheck"]["Test"]
    assert kind == "CMD"
    assert not any(" " in word for word in command)
    engine("exec", container, *command)


def test_the_image_says_what_it_is(engine: Engine, container: str) -> None:
    """A numeric user who is not root, the port, and the labels that registries show."""
    config = inspected(engine, container)["Config"]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", config["User"])
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for name, value in {
        "title": project["name"],
        "licenses": project["license"],
        "version": project["version"],
    }.items():
        assert config["Labels"][f"org.opencontainers.image.{name}"] == value


def test_a_mistake_in_the_configuration_ends_with_2(engine: Engine) -> None:
    """Without a target the container ends at once, with a message and without a traceback."""
    ended = engine.tried("run", "--rm", *CONFINED, IMAGE)
    assert ended.returncode == 2
    assert "target" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_stopped_container_ends_with_0_in_time(engine: Engine) -> None:
    """SIGTERM ends the exporter by itself within five seconds; the engine need not kill it."""
    container = engine("run", "--detach", "--publish", "127.0.0.1::10048", *CONFINED, IMAGE, "demo")
    try:
        fetched(engine, container, "/-/healthy", "")
        engine("stop", "--time", "5", container)
        assert inspected(engine, container)["State"]["ExitCode"] == 0
    finally:
        engine("rm", "--force", container)
