"""One read for all who want to know the same at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class SharedReads(Generic[T]):
    """Reads of one event loop by key, one of each under way at a time. Who asks while one is under
    way is answered by the next, which begins after they asked: nobody is told what was true before.
    """

    def __init__(self) -> None:
        self._under_way: dict[Hashable, asyncio.Task[T]] = {}
        self._next: dict[Hashable, asyncio.Task[T]] = {}

    async def get(self, key: Hashable, read: Callable[[], Awaitable[T]]) -> T:
        """What `read` gives or raises; those of one key must all read the same. It goes on when
        the task that waits for it is cancelled, as others may wait too."""
        task = self._next.get(key)
        if task is None:
            task = self._next[key] = asyncio.create_task(self._read(key, read))
        return await asyncio.shield(task)

    async def _read(self, key: Hashable, read: Callable[[], Awaitable[T]]) -> T:
        task: Any = asyncio.current_task()
        before = self._under_way.get(key)
        try:
            if before is not None:
                await asyncio.wait([before])
            self._under_way[key] = task
        finally:
            del self._next[key]  # who asks from here on is not answered by this one
        try:
            return await read()
        finally:
            del self._under_way[key]
