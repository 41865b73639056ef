"""Ends the process around a chosen statement: J3.

Statements are counted where the driver gets them, in every thread but the doorbell's, whose
statements keep nothing. Each is two points: before the driver has it, and when the driver is
through with it, which in a pipeline is before the answer came. BEGIN, COMMIT and ROLLBACK count.
"""

from __future__ import annotations

import os
import sqlite3.dbapi2
import threading
from collections.abc import Callable
from functools import partial, wraps
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

from hub.storage import scope_settings

KILLED = 137
UNCOUNTED = "doorbell"


class Countdown:
    """Armed with n, the process ends at the n-th point from then on; `tell` is called first."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._left = 0
        self._lock = threading.Lock()

    def arm(self, points: int) -> None:
        self._left = points

    def around(self, words: str, run: Callable[[], Any]) -> Any:
        """Run a statement; `words` say which, without values."""
        self._step(f"before {words}")
        found = run()
        self._step(f"after {words}")
        return found

    def _step(self, where: str) -> None:
        if threading.current_thread().name == UNCOUNTED:
            return
        with self._lock:
            self._left -= 1
            if self._left == 0:
                self._tell(where)
                os._exit(KILLED)


def install(countdown: Countdown) -> None:
    """Count the statements of every connection that is opened from now on."""
    sqlite3.dbapi2.connect = partial(sqlite3.dbapi2.connect, factory=_counting(countdown))
    for name in ("execute", "executemany"):
        _wrap(psycopg.Cursor, name, lambda call, cursor, query, *_: _words(query), countdown)
    for name in ("commit", "rollback"):
        _wrap(psycopg.Connection, name, _end_of_transaction, countdown)
    _wrap(scope_settings, "_begun_for", lambda call, *_: "BEGIN", countdown)


def _counting(countdown: Countdown) -> type[sqlite3.Connection]:
    """The class of SQLite's connections; its own methods cannot be replaced."""

    class Cursor(sqlite3.Cursor):
        def execute(self, sql: str, parameters: Any = (), /) -> Cursor:
            run = partial(super().execute, sql, parameters)
            return countdown.around(_words(sql), run)  # type: ignore[no-any-return]

        def executemany(self, sql: str, parameters: Any, /) -> Cursor:
            run = partial(super().executemany, sql, parameters)
            return countdown.around(_words(sql), run)  # type: ignore[no-any-return]

    class Connection(sqlite3.Connection):
        def cursor(self, factory: Any = Cursor) -> Any:
            return super().cursor(factory)

        def execute(self, sql: str, parameters: Any = (), /) -> Any:
            return self.cursor().execute(sql, parameters)

        def commit(self) -> None:
            if self.in_transaction:
                countdown.around("COMMIT", super().commit)

        def rollback(self) -> None:
            if self.in_transaction:
                countdown.around("ROLLBACK", super().rollback)

    return Connection


def _wrap(owner: Any, name: str, words_of: Callable[..., str], countdown: Countdown) -> None:
    call = getattr(owner, name)

    @wraps(call)
    def counted(*arguments: Any, **options: Any) -> Any:
        run = partial(call, *arguments, **options)
        words = words_of(call, *arguments)
        return countdown.around(words, run) if words else run()

    setattr(owner, name, counted)


def _end_of_transaction(call: Any, connection: Any) -> str:
    """Nothing where there is none to end."""
    if connection.pgconn.transaction_status == TransactionStatus.IDLE:
        return ""
    return str(call.__name__).upper()


def _words(statement: object) -> str:
    """The first words of a statement; what it says of values are signs."""
    return " ".join(str(statement).split()[:4])
