"""The index from patients to the audit events about them, kept behind the writing of events.

An answer names up to hundreds of patients and waits for its event. PostgreSQL's GIN index takes
what is new as it comes and sorts it in later, when autovacuum comes by; SQLite has a full-text
table that a job fills (`hub/storage/audit_subjects.py`). Both are looked through together with what
they do not hold yet.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, event

from hub.storage.tables.base import Base

INDEX = "ix_audit_events_subjects"
TABLE = "audit_subjects"
_PENDING_KILOBYTES = 131_072
_EVENTS_UNTIL_VACUUM = 20_000


def statements(dialect: str) -> Iterator[str]:
    """What makes the index; may be run again."""
    if dialect == "sqlite":
        yield (
            f"CREATE VIRTUAL TABLE IF NOT EXISTS {TABLE} "
            "USING fts5(subjects, content='', detail=none, tokenize='ascii')"
        )
        return
    yield (
        f"CREATE INDEX IF NOT EXISTS {INDEX} ON audit_events USING gin (subjects jsonb_path_ops) "
        f"WITH (gin_pending_list_limit = {_PENDING_KILOBYTES})"
    )
    yield (
        "ALTER TABLE audit_events SET (autovacuum_vacuum_insert_scale_factor = 0, "
        f"autovacuum_vacuum_insert_threshold = {_EVENTS_UNTIL_VACUUM})"
    )


def drop_statements(dialect: str) -> Iterator[str]:
    """The opposite of `statements`."""
    if dialect == "sqlite":
        yield f"DROP TABLE IF EXISTS {TABLE}"
        return
    yield f"DROP INDEX IF EXISTS {INDEX}"
    yield (
        "ALTER TABLE audit_events RESET (autovacuum_vacuum_insert_scale_factor, "
        "autovacuum_vacuum_insert_threshold)"
    )


@event.listens_for(Base.metadata, "after_create")
def _with_the_tables(_: object, connection: Connection, **__: Any) -> None:
    for statement in statements(connection.dialect.name):
        connection.exec_driver_sql(statement)
