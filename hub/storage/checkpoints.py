"""When SQLite's write-ahead log is copied into the database: between commits, a little at a time.

A commit that copies the log keeps everybody waiting whose work is in it, though that is durable
already, and the longer the more has come since the last copy. So the writing connection, which is
the only one that may (decision 53), copies once those who waited were told. The copy that SQLite
makes in a commit remains for a log that grows too fast.
"""

from __future__ import annotations

import sqlite3

from hub import log

CHANGED_ROWS = 800
"""Rows written between two copies: a log of some two megabytes where they are messages."""

_log = log.get(__name__)


class Checkpoints:
    """Those of the connection that writes."""

    def __init__(self) -> None:
        self._rows = 0

    def after_commit(self, connection: sqlite3.Connection) -> None:
        """Copy the log if there is enough of it. A copy that fails is made by a later one."""
        rows = connection.total_changes
        if 0 <= rows - self._rows < CHANGED_ROWS:
            return
        self._rows = rows
        try:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except sqlite3.Error as error:
            _log.error("log of the database not copied", error_type=type(error).__name__)
