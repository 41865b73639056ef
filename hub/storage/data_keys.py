"""Statements on the data keys: taking uses of one, wrapping them anew, destroying them."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select

from hub.errors import HubError
from hub.storage.key_encryption import (
    KEY_BYTES,
    KeyEncryptionKey,
    KeySource,
    LocalKey,
    LostKey,
)
from hub.storage.session import ScopedSession
from hub.storage.tables import DataKey
from hub.storage.upsert import insert_once

MOST_USES = 2**32
"""Encryptions under one key with random 96-bit nonces (NIST SP 800-38D, section 8.3)."""
BLOCK = 2**22
"""Encryptions a process takes for itself at once."""
DIGEST = "digest"
DIRECT = "direct"
"""The class of keys that encrypted before there were data keys (ciphertexts of version 1)."""
ID_BYTES = 8


class Destroyed(HubError):
    """The key was destroyed on purpose: what it encrypted cannot be read by anybody."""

    code = "DESTROYED"


def identity(row: DataKey) -> str:
    """What a wrapped key is bound to."""
    return f"{row.practice_id or ''}/{row.data_class}/{row.id}"


def everything(session: ScopedSession) -> Sequence[DataKey]:
    """Every data key, the destroyed ones too."""
    return session.scalars(select(DataKey).order_by(DataKey.created_at, DataKey.id)).all()


def begin(session: ScopedSession, first: KeyEncryptionKey, *, now: datetime) -> None:
    """Store the key of the digests, which must never change.

    A database from before there were data keys has digests and ciphertexts under keys derived from
    its local key: both are kept. A key that never leaves its service derives nothing.
    """
    keys = [(DIGEST, DIGEST, secrets.token_bytes(KEY_BYTES))]
    if isinstance(first, LocalKey):
        keys = [
            (DIGEST, DIGEST, first.digest_key),
            (f"{DIRECT}-{first.key_id}", DIRECT, first.direct_key),
        ]
    for key_id, data_class, key in keys:
        row = DataKey(id=key_id, data_class=data_class)
        values = {
            "id": key_id,
            "data_class": data_class,
            "kek_id": first.key_id,
            "wrapped": first.wrap(key, identity(row)),
            "uses": 0,
            "created_at": now,
        }
        insert_once(session, DataKey, values)


def take_uses(
    session: ScopedSession,
    source: KeySource,
    practice_id: str | None,
    data_class: str,
    now: datetime,
) -> DataKey:
    """A block of uses of the key of a practice (None: the hub's own) and class; of a new one where
    there is none with room."""
    row = session.scalar(
        select(DataKey)
        .where(
            DataKey.practice_id.is_(None)
            if practice_id is None
            else DataKey.practice_id == practice_id,
            DataKey.data_class == data_class,
            DataKey.wrapped.is_not(None),
            DataKey.uses <= MOST_USES - BLOCK,
        )
        .order_by(DataKey.created_at.desc())
        .limit(1)
        .with_for_update()
    )
    if row is None:
        key = source.current()
        row = DataKey(
            id=secrets.token_hex(ID_BYTES),
            practice_id=practice_id,
            data_class=data_class,
            kek_id=key.key_id,
            uses=0,
            created_at=now,
        )
        row.wrapped = key.wrap(secrets.token_bytes(KEY_BYTES), identity(row))
        session.add(row)
    row.uses += BLOCK
    session.flush()
    return row


def unwrap(row: DataKey, source: KeySource) -> bytes:
    """The key itself. Raises Destroyed, or LostKey naming the key-encryption key not at hand."""
    if row.wrapped is None:
        raise Destroyed("The keys of this data were destroyed; nobody can read it any more.")
    key = source.find(row.kek_id)
    if key is None:
        raise LostKey(
            f"The data keys are wrapped by the key {row.kek_id}, which HUB_KEY_FILE does not hold; "
            "put that key back into it."
        )
    return key.unwrap(row.wrapped, identity(row))


def wrap_again(session: ScopedSession, source: KeySource, *, limit: int) -> int:
    """Wrap up to `limit` keys, that another key wrapped, with the current one; returns how many."""
    current = source.current()
    rows = session.scalars(
        select(DataKey)
        .where(DataKey.kek_id != current.key_id, DataKey.wrapped.is_not(None))
        .order_by(DataKey.id)
        .limit(limit)
        .with_for_update()
    ).all()
    for row in rows:
        row.wrapped = current.wrap(unwrap(row, source), identity(row))
        row.kek_id = current.key_id
    session.flush()
    return len(rows)


def wrapped_by_others(session: ScopedSession, kek_id: str) -> bool:
    """Whether another key-encryption key than this one wraps any data key."""
    found = select(DataKey.id).where(DataKey.kek_id != kek_id, DataKey.wrapped.is_not(None))
    return session.scalar(found.limit(1)) is not None


def wrapped_by(session: ScopedSession, kek_id: str) -> bool:
    """Whether any data key needs this key-encryption key."""
    found = select(DataKey.id).where(DataKey.kek_id == kek_id, DataKey.wrapped.is_not(None))
    return session.scalar(found.limit(1)) is not None


def destroy(session: ScopedSession, practice_id: str, *, now: datetime) -> int:
    """Destroy every key of a practice; returns how many. The rows stay and say when."""
    rows = session.scalars(
        select(DataKey)
        .where(DataKey.practice_id == practice_id, DataKey.wrapped.is_not(None))
        .with_for_update()
    ).all()
    for row in rows:
        row.wrapped, row.destroyed_at = None, now
    session.flush()
    return len(rows)
