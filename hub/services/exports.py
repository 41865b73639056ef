"""Bulk exports: asked for, written chunk by chunk, downloaded once.

A chunk is in the file before its row says so, and the row's `bytes` is where the next one begins,
so that a job killed at any moment goes on without a repeated or a missing line. What reads a chunk
is handed in by the entry point, because planning a document is above the jobs.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

import orjson
from sqlalchemy import delete, select

from hub.domain.agreements import Purpose
from hub.domain.jobs import Job
from hub.errors import NotFound
from hub.storage import audit, queue
from hub.storage.crypto import Crypto
from hub.storage.session import ScopedSession
from hub.storage.tables import Client, Export, new_id

TOKEN_BYTES = 32
KEPT = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Request:
    """An export as it stands: what to read for whom, and how far it is."""

    id: str
    client_id: str
    purpose: Purpose
    query: str
    operation_name: str | None
    variables: Mapping[str, Any]
    chunks: int
    bytes: int
    cursor: str | None


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some rows as lines, and what reading them meant: rows per type of sensitive classes, the
    practices, keyed digests of the patients. `cursor` is None after the last row."""

    text: bytes
    rows: int
    cursor: str | None
    entities: Mapping[str, int] = field(default_factory=dict)
    practice_ids: frozenset[str] = frozenset()
    subjects: frozenset[str] = frozenset()


ReadChunk = Callable[[Request], Chunk]
"""Reads the next chunk under the rights of the export's credential at this moment. Raises Forbidden
once they no longer suffice."""


@dataclass(frozen=True, slots=True)
class Started:
    export_id: str
    job_id: int
    token: str


def start(
    session: ScopedSession,
    crypto: Crypto,
    *,
    client_id: str,
    practice_id: str | None,
    purpose: Purpose,
    query: str,
    operation_name: str | None,
    variables: Mapping[str, Any],
    now: datetime,
) -> Started:
    """Store what to export, encrypted, and add its job. The token is for one download."""
    export_id, token = new_id(), secrets.token_urlsafe(TOKEN_BYTES)
    asked = {"query": query, "operation_name": operation_name, "variables": dict(variables)}
    session.add(
        Export(
            id=export_id,
            client_id=client_id,
            practice_id=practice_id,
            purpose=purpose.value,
            request=crypto.encrypt(orjson.dumps(asked), _identity(export_id), practice_id),
            token_digest=_digest(crypto, token),
            created_at=now,
        )
    )
    session.flush()
    job_id = queue.add(
        session,
        Job.RUN_EXPORT,
        {"export_id": export_id},
        now=now,
        practice_id=practice_id,
        unique_key=f"export:{export_id}",
    )
    return Started(export_id, job_id, token)


def load(session: ScopedSession, crypto: Crypto, export_id: str) -> Request:
    """An export that is under way. Raises NotFound if it is over or deleted."""
    row = session.get(Export, export_id)
    if row is None or row.state != "running":
        raise NotFound("The export is over or was deleted.")
    asked = orjson.loads(crypto.decrypt(row.request, _identity(export_id)))
    return Request(
        id=row.id,
        client_id=row.client_id,
        purpose=Purpose(row.purpose),
        query=asked["query"],
        operation_name=asked["operation_name"],
        variables=asked["variables"],
        chunks=row.chunks,
        bytes=row.bytes,
        cursor=row.cursor,
    )


def advance(
    session: ScopedSession, export_id: str, chunk: Chunk, *, end: int, now: datetime
) -> int:
    """Note that a chunk is in the file, which now ends at byte `end`, and audit what was read;
    returns the rows so far."""
    row = session.get_one(Export, export_id, with_for_update=True)
    row.chunks += 1
    row.rows += chunk.rows
    row.bytes, row.cursor = end, chunk.cursor
    if chunk.entities:
        _audit(
            session,
            row,
            now,
            "read",
            f"export {row.id} chunk {row.chunks}",
            entities=chunk.entities,
            practice_ids=chunk.practice_ids,
            subjects=chunk.subjects,
        )
    session.flush()
    return row.rows


def end(
    session: ScopedSession,
    export_id: str,
    *,
    state: Literal["ready", "failed"],
    digest: str,
    now: datetime,
) -> None:
    """Close an export; `digest` is the SHA-256 of all its lines, empty where it failed."""
    row = session.get_one(Export, export_id, with_for_update=True)
    row.state, row.digest, row.finished_at = state, digest, now


def take(
    session: ScopedSession, crypto: Crypto, *, token: str, client_id: str, now: datetime
) -> Export:
    """The export behind a token, marked as downloaded: the second request finds nothing.

    Raises NotFound in one text for an unknown token, another credential's, one not ready and one
    used before.
    """
    row = session.scalar(
        select(Export).where(Export.token_digest == _digest(crypto, token)).with_for_update()
    )
    if row is None or row.client_id != client_id or row.state != "ready":
        raise NotFound
    row.state, row.downloaded_at = "downloaded", now
    _audit(session, row, now, "execute", f"export {row.id} download")
    session.flush()
    return row


def prune(session: ScopedSession, *, now: datetime) -> list[str]:
    """Delete exports older than a week, downloaded or not; returns the ids that are left."""
    session.execute(delete(Export).where(Export.created_at < now - KEPT))
    return list(session.scalars(select(Export.id).where(Export.state != "downloaded")))


def _audit(
    session: ScopedSession, row: Export, now: datetime, action: str, operation: str, **facts: Any
) -> None:
    client = session.get_one(Client, row.client_id)
    audit.append(
        session,
        now=now,
        principal_id=client.id,
        principal_name=client.name,
        purpose=row.purpose,
        action=action,
        outcome="success",
        operation=operation,
        **facts,
    )


def _identity(export_id: str) -> str:
    return f"exports:request:{export_id}"


def _digest(crypto: Crypto, token: str) -> str:
    return crypto.digest(f"export:{token}")
