"""The status page in a real browser: for everybody, at any size, and refreshing without getting in the way."""

import asyncio
import itertools
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from real import unavailable
from web_serving import World, serving
from web_snapshots import many, moment, varied

from exporter.polling.snapshot import Snapshot, TargetStatus

pytestmark = pytest.mark.real

SCRIPT = Path(__file__).parents[1] / "browser" / "status_page.mjs"
REFUSED = Snapshot(targets=(TargetStatus("acme", up=False, error="HTTP 401: unauthorized"),))


async def met(program: Callable[..., Path], world: World, mode: str) -> dict[str, Any]:
    """What the script meets on the page of *world*."""
    modules = os.environ.get("BROWSER_MODULES")
    if not modules:
        unavailable("no BROWSER_MODULES: a node_modules folder with playwright-core and axe-core")
    async with serving(world) as client:
        url = str(client._base_url)  # noqa: SLF001 - aiohttp offers no other way
        node = await asyncio.create_subprocess_exec(
            program("node"), SCRIPT, modules, program("chromium"), url, mode, stdout=-1, stderr=-1
        )
        answer, errors = await node.communicate()
    assert node.returncode == 0, errors.decode()
    found: dict[str, Any] = json.loads(answer)
    return found


@pytest.mark.parametrize("what", [varied(), REFUSED, many(300, 657)], ids=["varied", "refused", "large"])
async def test_nobody_is_shut_out(what: Snapshot, program: Callable[..., Path]) -> None:
    """Axe finds nothing in light, dark and on a phone, nothing is wider than the screen, and scripts are no need."""
    found = await met(program, World(snapshot=what), "all")
    assert found["said"] == []
    assert found["plain"] == 1
    for look in ("light", "dark", "phone"):
        assert found[look]["violations"] == [], look
    assert found["phone"]["width"] == 360


async def test_a_large_fleet_is_short(
    program: Callable[..., Path], record_property: Callable[[str, object], None]
) -> None:
    """657 operations take a few screens and a tab stop a database; 10,000 are no longer."""
    for deploy_requests, operations in ((300, 657), (2500, 10_000)):
        page = await met(program, World(snapshot=many(deploy_requests, operations)), "size")
        record_property(f"{operations} operations: first paint after ms", round(page["paint"]))
        assert page["height"] < 5000
        assert page["stops"] < 80


async def test_refreshing_gets_in_nobodys_way(program: Callable[..., Path]) -> None:
    """What has the focus, is open or half chosen stays so; and a page that can't be refreshed says so."""
    seconds = itertools.count()
    world = World(snapshot=many(300, 657), now=lambda: moment(-next(seconds)), refresh_seconds=1)
    found = await met(program, world, "refreshing")
    assert found["kept"] == [found["focused"], True]
    assert found["still"] == found["chosen"] != ""
    assert "Not refreshed since" in found["late"]
