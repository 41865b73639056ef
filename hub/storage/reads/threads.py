"""Threads that read for event loops, each with something of its own.

An executor's futures wake both sides more than once for each piece of work, and each time the one
has to wait for the interpreter until the other lets go of it: that took a good part of a read.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from typing import Any, Generic, NamedTuple, Protocol, TypeVar


class Closable(Protocol):
    def close(self) -> object: ...


Own = TypeVar("Own", bound=Closable)
Result = TypeVar("Result")


class _Entry(NamedTuple):
    """Work that waits, and who waits for it."""

    loop: asyncio.AbstractEventLoop
    done: asyncio.Future[Any]
    work: Callable[[Any], Any]


class Threads(Generic[Own]):
    """At most `most` threads, started at need; each makes its own by `make`, and closes it."""

    def __init__(self, name: str, most: int, make: Callable[[], Own]) -> None:
        self._name = name
        self._most = most
        self._make = make
        self._queue: queue.SimpleQueue[_Entry | None] = queue.SimpleQueue()
        self._started: list[threading.Thread] = []
        self._under_way = 0
        self._closed = False
        self._lock = threading.Lock()

    async def run(self, work: Callable[[Own], Result]) -> Result:
        """What `work` gives with a thread's own; cancelled, it goes on and nobody is told. Raises
        RuntimeError once these are closed."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Result] = loop.create_future()
        with self._lock:
            if self._closed:
                raise RuntimeError("the threads are closed")
            if len(self._started) < min(self._under_way + 1, self._most):
                name = f"{self._name}-{len(self._started)}"
                thread = threading.Thread(target=self._serve, name=name, daemon=True)
                thread.start()
                self._started.append(thread)
            self._under_way += 1
            self._queue.put(_Entry(loop, done, work))
        return await done

    def close(self) -> None:
        """Returns when all work is done."""
        with self._lock:
            self._closed = True
            for _ in self._started:
                self._queue.put(None)
        for thread in self._started:
            thread.join()

    def _serve(self) -> None:
        entry = self._queue.get()
        while entry is not None:
            try:
                own = self._make()
            except BaseException as error:  # the thread must outlive it: nobody starts another
                self._tell(entry, None, error)
                entry = self._queue.get()
                continue
            with closing(own):
                while entry is not None:
                    self._do(own, entry)
                    entry = self._queue.get()

    def _do(self, own: Own, entry: _Entry) -> None:
        try:
            result = entry.work(own)
        except BaseException as error:
            self._tell(entry, None, error)
        else:
            self._tell(entry, result, None)

    def _tell(self, entry: _Entry, result: Any, error: BaseException | None) -> None:
        with self._lock:
            self._under_way -= 1
        with suppress(RuntimeError):  # the loop has ended, and nobody waits
            entry.loop.call_soon_threadsafe(_settle, entry.done, result, error)


def _settle(done: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(result)
    else:
        done.set_exception(error)
