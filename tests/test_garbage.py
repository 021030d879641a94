"""The garbage collector looks through what is new, and once an hour through all."""

import asyncio
import gc
from collections.abc import Iterator
from weakref import ref

import pytest
from virtual import VirtualLoop, virtually

from exporter import garbage

MINUTE = 60.0


class Knot:
    """What refers to itself, so that only the collector frees it."""

    def __init__(self) -> None:
        self.self = self


@pytest.fixture(autouse=True)
def set_aside() -> Iterator[None]:
    """Leave the collector as it was."""
    yield
    gc.unfreeze()


@virtually
async def test_what_lives_long_is_set_aside_and_freed_in_the_end(loop: VirtualLoop) -> None:
    """A cycle that was let go of in time goes at once, one that was set aside within the hour."""
    task = loop.create_task(garbage.spare())
    long = Knot()
    old = ref(long)
    await asyncio.sleep(1.5 * MINUTE)
    short = Knot()
    young = ref(short)
    del long, short
    gc.collect()
    assert (old() is None, young() is None) == (False, True)
    await asyncio.sleep(60 * MINUTE)
    assert old() is None
    task.cancel()


@virtually
async def test_the_collector_does_not_look_at_what_was_set_aside(loop: VirtualLoop) -> None:
    """Everything that lived at the last minute is out of its way."""
    task = loop.create_task(garbage.spare())
    before = len(gc.get_objects())
    await asyncio.sleep(1.5 * MINUTE)
    assert len(gc.get_objects()) < before / 10
    task.cancel()
