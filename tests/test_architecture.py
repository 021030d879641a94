"""The import lines between the rooms: arrows never point back."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
WIRING = frozenset({"__init__", "__main__", "app", "check", "cli", "demo"})

# What a room may import of this project besides itself. A module beside the rooms may import those beside it.
ROOMS = {
    "planetscale": (),
    "simulator": (),
    "polling": ("exporter.planetscale", "exporter.targets"),
    "metrics": ("exporter.polling.snapshot", "exporter.planetscale.models"),
    "web": ("exporter.polling.snapshot", "exporter.planetscale.models", "exporter.files", "exporter.mistakes"),
}
BESIDE = tuple(sorted({path.stem for path in (ROOT / "exporter").glob("[a-z]*")} - WIRING - ROOMS.keys()))


def imports(source: str, package: str) -> Iterator[str]:
    """Yield the modules that *source*, a module of *package*, imports, each with the name taken from it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            module = ".".join([*above, *filter(None, [node.module])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def crossings(source: str, package: str, room: str, allowed: tuple[str, ...]) -> list[str]:
    """List the imports of *source* that lead out of its room to where they may not."""
    doors = (f"exporter.{room}", *allowed)
    return [
        name
        for name in imports(source, package)
        if name.split(".")[0] == "exporter" and not any(f"{name}.".startswith(f"{door}.") for door in doors)
    ]


def modules() -> Iterator[tuple[str, Path]]:
    """Yield each module that does not wire, with the room it is in."""
    for path in sorted((ROOT / "exporter").rglob("*.py")):
        room = path.relative_to(ROOT / "exporter").parts[0].removesuffix(".py")
        if room not in WIRING:
            yield room, path


@pytest.mark.parametrize(("room", "path"), [pytest.param(*m, id=str(m[1].relative_to(ROOT))) for m in modules()])
def test_modules_import_only_what_their_room_may_know(room: str, path: Path) -> None:
    """No module reaches out of its room except where the architecture draws an arrow."""
    package = ".".join(path.relative_to(ROOT).parent.parts)
    allowed = ROOMS.get(room, tuple(f"exporter.{name}" for name in BESIDE))
    assert crossings(path.read_text(), package, room, allowed) == []


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("from exporter.planetscale.client import Client", "exporter.planetscale.client.Client"),
        ("from exporter.planetscale import client", "exporter.planetscale.client"),
        ("from exporter import planetscale", "exporter.planetscale"),
        ("import exporter.app", "exporter.app"),
        ("from ..planetscale import client", "exporter.planetscale.client"),
        ("def later():\n    from .. import app", "exporter.app"),
    ],
)
def test_every_way_to_import_is_seen(statement: str, found: str) -> None:
    """An import that crosses a line is found however it is written."""
    assert crossings(statement, "exporter.metrics", "metrics", ROOMS["metrics"]) == [found]


@pytest.mark.parametrize(
    "statement",
    ["from exporter.polling.snapshot import Snapshot", "from ..planetscale.models import State", "from . import table"],
)
def test_what_is_allowed_passes(statement: str) -> None:
    """The snapshot, the models and the room itself may be imported."""
    assert crossings(statement, "exporter.metrics", "metrics", ROOMS["metrics"]) == []
