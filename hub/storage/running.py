"""The statement a request has under way, and ending it from another thread.

PostgreSQL gets a cancel request, SQLite is interrupted. The connection is not used again: a cancel
may arrive late and would end somebody else's statement.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from hub import log
from hub.errors import TooSlow

logger = log.get(__name__)
STATEMENT_SECONDS = 5.0
CANCEL_SECONDS = 2.0
_INSTRUCTIONS = 200_000
"""Of SQLite between two looks at the clock, some ten milliseconds: each look waits for the
interpreter, which a usual read would do once."""
_TOO_LONG = "The answer took too long; ask for less or try again."
_QUERY_CANCELED = "57014"  # SQLSTATE, also of a statement timeout


class Running:
    """What one request does in the database: at most one read at a time."""

    def __init__(self, seconds: float = STATEMENT_SECONDS) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._driver: Any = None
        self._stopped = False

    @property
    def stopped(self) -> bool:
        """True once nobody waits for the answer."""
        return self._stopped

    def stop(self) -> None:
        """End the read under way, and refuse those that would follow. Blocking."""
        with self._lock:
            self._stopped = True
            try:
                if isinstance(self._driver, sqlite3.Connection):
                    self._driver.interrupt()
                elif self._driver is not None:
                    self._driver.cancel_safe(timeout=CANCEL_SECONDS)
            except Exception as error:
                logger.warning("statement not cancelled", error_type=type(error).__name__)

    @contextmanager
    def during(self, connection: Connection) -> Iterator[None]:
        """Reads inside can be stopped. Raises TooSlow if they were, or took too long."""
        try:
            with self.on(connection.connection.driver_connection):
                yield
        finally:
            if self._stopped:
                connection.invalidate()

    @contextmanager
    def on(self, driver: Any) -> Iterator[None]:
        """Like `during`, on a driver's own connection, which the caller closes if `stopped`."""
        self._begin(driver)
        try:
            yield
        except (DBAPIError, psycopg.Error, sqlite3.OperationalError) as error:
            refuse_slow(error, stopped=self._stopped)
            raise
        finally:
            self._end(driver)

    def _begin(self, driver: Any) -> None:
        with self._lock:
            if self._stopped:
                raise TooSlow(_TOO_LONG)
            self._driver = driver
        if isinstance(driver, sqlite3.Connection):
            until = time.monotonic() + self._seconds
            driver.set_progress_handler(lambda: time.monotonic() > until, _INSTRUCTIONS)

    def _end(self, driver: Any) -> None:
        with self._lock:
            self._driver = None
        if isinstance(driver, sqlite3.Connection):
            driver.set_progress_handler(None, 0)


def refuse_slow(error: Exception, *, stopped: bool = False) -> None:
    """Raises TooSlow for the failure of a statement that was ended in the middle."""
    if stopped or _took_too_long(error):
        raise TooSlow(_TOO_LONG) from error


def _took_too_long(error: Exception) -> bool:
    cause = getattr(error, "orig", error)
    if isinstance(cause, sqlite3.OperationalError):
        return cause.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT
    return getattr(cause, "sqlstate", None) == _QUERY_CANCELED
