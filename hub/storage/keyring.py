"""The data keys of one process: unwrapped once, kept in memory, looked up for every encryption.

A key is durable before anything is encrypted with it: whoever needs one that is not there raises
RunFirst, and the transaction begins again once it is stored. What another process destroyed is
forgotten within `REFRESH_SECONDS`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hub.domain.agreements import operations_scope
from hub.storage import data_keys
from hub.storage.key_encryption import KeySource
from hub.storage.session import Database, RunFirst, ScopedSession
from hub.storage.tables import DataKey

REFRESH_SECONDS = 60.0
_SCOPE = operations_scope("keys")


@dataclass(slots=True)
class OpenKey:
    """A data key in use; `tenant` is its practice, empty for the hub's own."""

    id: bytes
    tenant: bytes
    aead: AESGCM
    used: count[int] = field(default_factory=count)


class Keyring:
    """The data keys of `database`, unwrapped by the keys of `source`."""

    def __init__(self, source: KeySource, database: Database, now: Callable[[], datetime]) -> None:
        self.source = source
        self.database = database
        self._now = now
        self._rows: dict[str, DataKey] = {}
        self._open: dict[bytes, OpenKey] = {}
        self._writing: dict[tuple[str | None, str], OpenKey] = {}
        self._expires = 0.0
        self._refreshing = threading.Lock()
        self._load()
        if data_keys.DIGEST not in self._rows:
            first = source.current()
            database.transaction(_SCOPE, lambda session: data_keys.begin(session, first, now=now()))
            self._load()

    def digest_key(self) -> bytes:
        """The key of every keyed digest in this database."""
        return data_keys.unwrap(self._rows[data_keys.DIGEST], self.source)

    def direct(self, key_id: str) -> AESGCM | None:
        """The key that encrypted before there were data keys."""
        row = self._rows.get(f"{data_keys.DIRECT}-{key_id}")
        return None if row is None else AESGCM(data_keys.unwrap(row, self.source))

    def for_writing(self, practice_id: str | None, data_class: str) -> OpenKey:
        """The key to encrypt with. Raises RunFirst where a block of uses must be taken first."""
        self._refresh()
        key = self._writing.get((practice_id, data_class))
        if key is None or next(key.used) >= data_keys.BLOCK:
            raise RunFirst(
                self.database, lambda session: self._take(session, practice_id, data_class)
            )
        return key

    def for_reading(self, key_id: bytes) -> OpenKey | None:
        """The key with this id; None if the database knows none."""
        self._refresh()
        if key_id not in self._open and key_id.hex() not in self._rows:
            self._load()
        key = self._open.get(key_id)
        if key is None and (row := self._rows.get(key_id.hex())) is not None:
            key = self._open[key_id] = self._unwrapped(row)
        return key

    def _take(self, session: ScopedSession, practice_id: str | None, data_class: str) -> None:
        row = data_keys.take_uses(session, self.source, practice_id, data_class, self._now())
        key = self._unwrapped(row)

        def keep() -> None:
            self._writing[practice_id, data_class] = key

        session.after_commit.append(keep)

    def _unwrapped(self, row: DataKey) -> OpenKey:
        tenant = (row.practice_id or "").encode()
        aead = AESGCM(data_keys.unwrap(row, self.source))
        return OpenKey(bytes.fromhex(row.id), tenant, aead)

    def _refresh(self) -> None:
        """One thread reads again what is too old; the others go on with it meanwhile, as each may
        hold a connection and the reading one needs another."""
        if time.monotonic() >= self._expires and self._refreshing.acquire(blocking=False):
            try:
                self._load()
            finally:
                self._refreshing.release()

    def _load(self) -> None:
        with self.database.read(_SCOPE) as session:
            rows = {row.id: row for row in data_keys.everything(session)}
        gone = {key_id for key_id, row in rows.items() if row.wrapped is None}
        self._rows = rows
        self._open = {k: key for k, key in self._open.items() if k.hex() not in gone}
        self._writing = {k: key for k, key in self._writing.items() if key.id.hex() not in gone}
        self._expires = time.monotonic() + REFRESH_SECONDS
