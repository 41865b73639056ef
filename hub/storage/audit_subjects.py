"""Which audit events are about a patient, whatever the number of events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from sqlalchemy import (
    ColumnElement,
    CursorResult,
    func,
    or_,
    select,
    text,
    type_coerce,
    union_all,
)
from sqlalchemy.dialects.postgresql import JSONB

from hub.storage.crypto import SubjectNames
from hub.storage.session import ScopedSession
from hub.storage.tables import AuditEvent
from hub.storage.upsert import dialect_of

INDEXED_AT_ONCE = 200
_LAST = "coalesce((SELECT rowid FROM audit_subjects ORDER BY rowid DESC LIMIT 1), 0)"
_TAKE_UP = text(
    "INSERT INTO audit_subjects (rowid, subjects) SELECT sequence, subjects FROM audit_events "  # noqa: S608 - constants
    f"WHERE sequence > {_LAST} ORDER BY sequence LIMIT {INDEXED_AT_ONCE}"
)
_INDEXED = text("SELECT rowid AS sequence FROM audit_subjects WHERE audit_subjects MATCH :words")


def take_up(session: ScopedSession) -> bool:
    """Index events that SQLite's index lacks, a few at a time, so that nobody waits long for the
    writer; True if there may be more. PostgreSQL does it by itself."""
    if dialect_of(session) != "sqlite":
        return False
    result = cast("CursorResult[Any]", session.connection().execute(_TAKE_UP))
    return result.rowcount == INDEXED_AT_ONCE


def about(session: ScopedSession, patients: Sequence[SubjectNames]) -> ColumnElement[bool]:
    """The condition of the events about any of these patients, indexed or not yet."""
    if dialect_of(session) == "postgresql":
        subjects = type_coerce(AuditEvent.subjects, JSONB)
        return or_(*(subjects.contains([name]) for names in patients for name in names))
    words = " OR ".join(f'"{names.short}"*' for names in patients)
    indexed = _INDEXED.bindparams(words=words).columns(AuditEvent.sequence)
    named = [func.instr(AuditEvent.subjects, names.short) > 0 for names in patients]
    newer = select(AuditEvent.sequence).where(AuditEvent.sequence > text(_LAST), or_(*named))
    return AuditEvent.sequence.in_(union_all(select(indexed.subquery()), newer))
