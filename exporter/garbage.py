"""The garbage collector, kept from looking through a whole fleet again and again.

A fleet of 50,000 operations is a few hundred thousand objects. Looking through all of them holds the process for a
quarter of a second, and as polls replace them, Python would do so once a minute. What lives long is therefore set
aside: it is freed as ever once nothing refers to it. Only a cycle that was set aside and is let go of later has to
wait for the next look through everything.
"""

import asyncio
import gc
from typing import Final

_EVERY: Final = 10.0
_ROUNDS_BETWEEN_LOOKS_AT_ALL: Final = 360


def start() -> None:
    """Collect from now on, and leave alone what was imported."""
    gc.freeze()
    gc.enable()


async def spare() -> None:
    """Set aside every ten seconds what has outlived them, and look through everything once an hour; never returns."""
    while True:
        for _ in range(_ROUNDS_BETWEEN_LOOKS_AT_ALL):
            await asyncio.sleep(_EVERY)
            _set_aside()
        gc.unfreeze()
        _set_aside()


def _set_aside() -> None:
    gc.collect()
    gc.freeze()
