"""Rendering off the event loop, one page at a time."""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

Asked = TypeVar("Asked")
Rendered = TypeVar("Rendered")


class Renders(Generic[Asked, Rendered]):
    """Renders in a thread. Who asks for what is already being rendered shares it; the rest wait for their turn."""

    def __init__(self, render: Callable[[Asked], Rendered]) -> None:
        self._render = render
        self._turn = asyncio.Lock()
        self._under_way: dict[Asked, asyncio.Task[Rendered]] = {}

    async def get(self, asked: Asked) -> Rendered:
        """What the render makes of *asked*; raises what it raises."""
        task = self._under_way.get(asked)
        if task is None:
            task = self._under_way[asked] = asyncio.create_task(self._in_turn(asked))
            task.add_done_callback(lambda _: self._under_way.pop(asked))
        return await asyncio.shield(task)  # one reader who leaves doesn't take the others' page away

    async def _in_turn(self, asked: Asked) -> Rendered:
        async with self._turn:
            return await asyncio.to_thread(self._render, asked)
