"""Triggers that write an event with each change somebody may be waiting for.

The database does it, so that no way of writing a row, one by one or many at once, forgets it. An
event names the row and nothing of its content.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, event

from hub.domain.jobs import Job
from hub.storage.tables import epochs
from hub.storage.tables.base import Base


@dataclass(frozen=True, slots=True)
class Watched:
    """A table whose changes are events: expressions over the new row, and the columns whose change
    counts. `only` limits it to some rows."""

    table: str
    topic: str
    row: str
    parent: str
    practice: str
    columns: tuple[str, ...]
    inserts: bool = True
    only: str = ""


_UNWATCHED = ", ".join(
    f"'{kind}'"
    for kind in (
        Job.PROCESS_MESSAGE,  # its message says the same
        Job.OWE_ACKNOWLEDGEMENT,
        Job.SEND_ACKNOWLEDGEMENT,
        Job.ANCHOR_AUDIT,
        Job.PRUNE,
    )
)
"""Jobs that come with each message, or by the clock to keep house: nobody asked for them."""

WATCHED = (
    Watched(
        "inbox", "inbound_message", "NEW.id", "NEW.connection_id", "NEW.practice_id", ("state",)
    ),
    Watched(
        "jobs",
        "job",
        "CAST(NEW.id AS VARCHAR)",
        "NULL",
        "NEW.practice_id",
        ("state", "progress"),
        only=f"NEW.kind NOT IN ({_UNWATCHED})",
    ),
    Watched("sync_runs", "sync_run", "NEW.id", "NEW.connection_id", "NULL", ("state", "pages")),
    Watched(
        "purchase_orders",
        "purchase_order",
        "NEW.id",
        "NEW.round_id",
        "NEW.practice_id",
        ("status", "send_state", "vendor_order_id", "cancel_requested_at"),
    ),
    Watched(
        "purchase_order_lines",
        "purchase_order",
        "NEW.order_id",
        "(SELECT o.round_id FROM purchase_orders o"
        " WHERE o.practice_id = NEW.practice_id AND o.id = NEW.order_id)",
        "NEW.practice_id",
        ("status", "accepted", "backordered", "cancelled", "shipped", "received", "invoiced"),
        inserts=False,
    ),
)
WATCHED_LATER = (
    Watched(
        "emergency_accesses",
        "emergency_access",
        "NEW.id",
        "NEW.patient_id",
        "NEW.practice_id",
        ("stopped_at", "reviewed_at"),
    ),
)
"""Of tables that came after the triggers: revisions before theirs do not know them."""
_NOW = {
    "sqlite": "strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z'",  # as Timestamp writes it
    "postgresql": "clock_timestamp()",
}


def statements(dialect: str) -> Iterator[str]:
    """What makes every trigger of the tables, those of epochs too; may be run again, and must be
    where SQLite made a table anew."""
    yield from event_statements(dialect)
    yield from epochs.statements(dialect)


def event_statements(dialect: str, tables: Sequence[Watched] = WATCHED) -> Iterator[str]:
    """What makes the triggers that write events."""
    for watched in tables:
        yield from _function(watched) if dialect == "postgresql" else ()
        if watched.inserts:
            yield _trigger(watched, dialect, "insert")
        yield _trigger(watched, dialect, "update")


def drop_event_statements(dialect: str, tables: Sequence[Watched] = WATCHED) -> Iterator[str]:
    """The opposite of `event_statements`."""
    for watched in tables:
        for kind in ("insert", "update"):
            on = f" ON {watched.table}" if dialect == "postgresql" else ""
            yield f"DROP TRIGGER IF EXISTS {watched.table}_event_{kind}{on}"
        if dialect == "postgresql":
            yield f"DROP FUNCTION IF EXISTS {watched.table}_event()"


def _insert(watched: Watched, dialect: str) -> str:
    return (
        "INSERT INTO events (topic, row_id, parent_id, practice_id, recorded_at) VALUES ("  # noqa: S608
        f"'{watched.topic}', {watched.row}, {watched.parent}, {watched.practice}, {_NOW[dialect]});"
    )


def _function(watched: Watched) -> Iterator[str]:
    yield (
        f"CREATE OR REPLACE FUNCTION {watched.table}_event() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN {_insert(watched, 'postgresql')} RETURN NULL; END $$"
    )


def _trigger(watched: Watched, dialect: str, kind: str) -> str:
    name, is_sqlite = f"{watched.table}_event_{kind}", dialect == "sqlite"
    differs = "IS NOT" if is_sqlite else "IS DISTINCT FROM"
    changed = " OR ".join(f"NEW.{column} {differs} OLD.{column}" for column in watched.columns)
    conditions = [watched.only] if watched.only else []
    if kind == "update":
        conditions.append(f"({changed})")
    when = f" WHEN ({' AND '.join(conditions)})" if conditions else ""
    create = "CREATE TRIGGER IF NOT EXISTS" if is_sqlite else "CREATE OR REPLACE TRIGGER"
    body = (
        f"BEGIN {_insert(watched, dialect)} END"
        if is_sqlite
        else f"EXECUTE FUNCTION {watched.table}_event()"
    )
    verb = kind.upper()
    return f"{create} {name} AFTER {verb} ON {watched.table} FOR EACH ROW{when} {body}"


@event.listens_for(Base.metadata, "after_create")
def _with_the_tables(_: object, connection: Connection, **__: Any) -> None:
    dialect = connection.dialect.name
    for statement in (*statements(dialect), *event_statements(dialect, WATCHED_LATER)):
        connection.exec_driver_sql(statement)
