"""Something of its own for each event loop of the process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class PerLoop(Generic[T]):
    """Made by `make` when a loop first asks, and let go of by `end` when another loop does so after
    that one was closed. Loops of several threads may ask at once."""

    def __init__(self, make: Callable[[], T], end: Callable[[T], object] = lambda _: None) -> None:
        self._make, self._end = make, end
        self._of_loop: dict[asyncio.AbstractEventLoop, T] = {}

    def get(self) -> T:
        """That of the running loop."""
        loop = asyncio.get_running_loop()
        return self._of_loop.get(loop) or self._begin(loop)

    def values(self) -> list[T]:
        return list(self._of_loop.values())

    def _begin(self, loop: asyncio.AbstractEventLoop) -> T:
        for other in list(self._of_loop):
            if other.is_closed() and (ended := self._of_loop.pop(other, None)) is not None:
                self._end(ended)
        return self._of_loop.setdefault(loop, self._make())
