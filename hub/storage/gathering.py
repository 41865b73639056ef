"""Small writes of many callers, gathered into one transaction."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from hub.storage.session import ScopedSession

T = TypeVar("T")
Write = Callable[["ScopedSession", list[T]], None]


@dataclass(slots=True)
class _Group(Generic[T]):
    """Items that are written together, each with what its caller waits for."""

    write: Write[T]
    items: list[tuple[T, Future[None]]] = field(default_factory=list)


class Gathering:
    """Collects items while the group before them is written. `submit` runs work in a transaction
    and resolves after its commit."""

    def __init__(self, submit: Callable[[Callable[[ScopedSession], None]], Future[None]]) -> None:
        self._submit = submit
        self._open: dict[Write[Any], _Group[Any]] = {}
        self._lock = threading.Lock()

    @property
    def waiting(self) -> int:
        """Items whose group is not begun."""
        with self._lock:
            return sum(len(group.items) for group in self._open.values())

    def add(self, item: T, write: Write[T]) -> Future[None]:
        """Write `item` with all others that wait for the same `write`; the future resolves after
        the commit. Items that cannot be written together are tried one by one."""
        future: Future[None] = Future()
        future.set_running_or_notify_cancel()  # it is written even if nobody waits any more
        with self._lock:
            group = self._open.get(write)
            if group is not None:
                group.items.append((item, future))
                return future
            group = self._open[write] = _Group(write, [(item, future)])
        self._start(group)
        return future

    def _start(self, group: _Group[Any]) -> None:
        def work(session: ScopedSession) -> None:
            self._seal(group)
            group.write(session, [item for item, _ in group.items])

        try:
            done = self._submit(work)
        except RuntimeError as error:  # the database is closed
            self._finish(group, error)
            return
        done.add_done_callback(lambda _: self._finish(group, done.exception()))

    def _seal(self, group: _Group[Any]) -> None:
        """Whoever comes from now on is of the next group."""
        with self._lock:
            if self._open.get(group.write) is group:
                del self._open[group.write]

    def _finish(self, group: _Group[Any], error: BaseException | None) -> None:
        self._seal(group)  # it has not run where the database is away
        if error is None:
            for _, future in group.items:
                future.set_result(None)
        elif len(group.items) > 1:
            for entry in group.items:
                self._start(_Group(group.write, [entry]))
        else:
            group.items[0][1].set_exception(error)
