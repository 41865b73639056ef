"""SQLite's write-ahead log, copied into the database file beside the writer: a commit that had to
copy it would keep all senders waiting that wait for theirs."""

from __future__ import annotations

import threading

from sqlalchemy import Engine

from hub import log

logger = log.get(__name__)
PAUSE_SECONDS = 0.1
"""Between two copies. A tenth of a second of a full load is a few milliseconds of copying; more of
it at once keeps the disk from the commits beside it for longer."""


class Checkpoints:
    """Copies soon after each commit that is told of, with a connection of `engine`. What fails is
    left to the next copy, and from `engines.WAL_PAGES` on to the writer itself."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._committed = threading.Event()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def due(self) -> None:
        """Call it after each commit, from the thread that commits."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="checkpoints", daemon=True)
            self._thread.start()
        self._committed.set()

    def close(self) -> None:
        self._closed.set()
        self._committed.set()
        if self._thread is not None:
            self._thread.join(timeout=30)

    def _run(self) -> None:
        while self._committed.wait() and not self._closed.wait(PAUSE_SECONDS):
            self._committed.clear()
            try:
                self._copy()
            except Exception as error:
                logger.warning("checkpoint failed", error_type=type(error).__name__)

    def _copy(self) -> None:
        """As much as no reader still needs in the log; PASSIVE waits for nobody."""
        connection = self._engine.raw_connection()
        try:
            connection.cursor().execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        finally:
            connection.close()
