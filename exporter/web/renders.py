"""Rendering off the event loop, one page at a time."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

Asked = TypeVar("Asked")
Rendered = TypeVar("Rendered")


class Renders(Generic[Asked, Rendered]):
    """Renders in a thread of its own. Who asks for what is under way already shares it; the rest wait their turn."""

    def __init__(self, render: Callable[[Asked], Rendered]) -> None:
        self._render = render
        self._thread = ThreadPoolExecutor(max_workers=1)  # to start one each time takes longer
        self._under_way: dict[Asked, asyncio.Future[Rendered]] = {}

    async def get(self, asked: Asked) -> Rendered:
        """What the render makes of *asked*; raises what it raises."""
        page = self._under_way.get(asked)
        if page is None:
            loop = asyncio.get_running_loop()
            page = self._under_way[asked] = loop.run_in_executor(self._thread, self._render, asked)
            page.add_done_callback(lambda _: self._under_way.pop(asked))
        return await asyncio.shield(page)  # one reader who leaves doesn't take the others' page away
