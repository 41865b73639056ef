"""The inbox, the job table, lanes, schedules, sync runs and issues."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    Connection,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    event,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from hub.storage.tables.base import Base, Sequence64, new_id


def _often_same(*columns: str) -> dict[str, Any]:
    """Options of a table; see `bulk.OFTEN_SAME`."""
    return {"info": {"often the same": columns}}


INDEXED_ONCE_READ = {"not_indexed_while": ("state", "received")}
"""Of a column of the inbox: messages that wait to be read are found by their state instead. Its
values lie anywhere in an index, and their senders would wait for a page of it each."""


def _index_once_read(name: str, column: str) -> Index:
    where = text(f"{column} IS NOT NULL AND state <> 'received'")
    return Index(name, column, sqlite_where=where, postgresql_where=where)


class InboundMessage(Base):
    """Bytes as they arrived, stored before they were acknowledged.

    `state`: received, processed, ignored, quarantined, refused, expired (its bytes were deleted
    after their time). `raw` and `answer` are encrypted.
    Unique per sender, control id and body. `lane` and `lane2` are the order keys it is read under,
    `patient_key` and `prior_patient_key` (of a merge) are by which it is found: keyed digests all.
    """

    __tablename__ = "inbox"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[str]
    connection_id: Mapped[str | None] = mapped_column(ForeignKey("connections.id"))
    practice_id: Mapped[str | None] = mapped_column(ForeignKey("practices.id"))
    source: Mapped[str]
    control_id: Mapped[str]
    message_type: Mapped[str]
    body_digest: Mapped[str]
    size: Mapped[int]
    content_type: Mapped[str]
    headers: Mapped[dict[str, Any]]
    raw: Mapped[bytes] = mapped_column(LargeBinary)
    answer: Mapped[bytes] = mapped_column(LargeBinary)
    state: Mapped[str]
    fault_code: Mapped[str] = mapped_column(default="")
    fault_path: Mapped[str] = mapped_column(default="")
    fault_text: Mapped[str] = mapped_column(default="")
    issue_count: Mapped[int] = mapped_column(default=0)
    duplicates: Mapped[int] = mapped_column(default=0)
    received_at: Mapped[datetime]
    processed_at: Mapped[datetime | None]
    lane: Mapped[str | None]
    lane2: Mapped[str | None]
    patient_key: Mapped[str | None] = mapped_column(info=INDEXED_ONCE_READ)
    prior_patient_key: Mapped[str | None] = mapped_column(info=INDEXED_ONCE_READ)

    __table_args__ = (
        Index("uq_inbox_control_id", "control_id", "source", "body_digest", unique=True),
        _index_once_read("ix_inbox_patient_key", "patient_key"),
        _index_once_read("ix_inbox_prior_patient_key", "prior_patient_key"),
        Index(None, "received_at", "id"),
        Index(None, "state", "received_at", "id"),
        Index(None, "practice_id", "received_at", "id"),
        Index(None, "connection_id", "received_at"),
        _often_same(
            *("kind", "content_type", "state", "fault_code", "fault_path", "fault_text"),
            *("issue_count", "duplicates", "lane2", "prior_patient_key"),
        ),
    )


NOT_COMPRESSED = (
    "ALTER TABLE inbox ALTER COLUMN raw SET STORAGE EXTERNAL, "
    "ALTER COLUMN answer SET STORAGE EXTERNAL"
)
"""For PostgreSQL, which would try it with each message: what is encrypted does not get shorter."""


@event.listens_for(InboundMessage.__table__, "after_create")
def _with_the_table(_: object, connection: Connection, **__: Any) -> None:
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(NOT_COMPRESSED)


class DataIssue(Base):
    """Something in a message or a page that was not understood; path and rule, never a value."""

    __tablename__ = "data_issues"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    inbox_id: Mapped[str | None] = mapped_column(ForeignKey("inbox.id"))
    sync_run_id: Mapped[str | None] = mapped_column(ForeignKey("sync_runs.id"))
    practice_id: Mapped[str | None] = mapped_column(ForeignKey("practices.id"))
    code: Mapped[str]
    path: Mapped[str]
    text: Mapped[str]
    recorded_at: Mapped[datetime]

    __table_args__ = (
        Index(None, "inbox_id"),
        Index(None, "sync_run_id"),
        Index(None, "recorded_at"),
    )


def _index_of_live(name: str, column: str, *others: str, unique: bool = False) -> Index:
    """Of the jobs that are not over and have a value there: most have none, and each change of a
    job's state writes every index that it is in."""
    where = text(f"{column} IS NOT NULL AND state IN ('ready', 'running')")
    return Index(name, column, *others, unique=unique, sqlite_where=where, postgresql_where=where)


class JobRow(Base):
    """A job: written in the transaction that made it necessary, finished with its effects."""

    __tablename__ = "jobs"

    id: Mapped[int] = mapped_column(Sequence64, Identity(), primary_key=True)
    practice_id: Mapped[str | None]
    kind: Mapped[str]
    queue: Mapped[str]
    lane: Mapped[str | None]
    lane2: Mapped[str | None]
    priority: Mapped[int] = mapped_column(default=100)
    run_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(default="ready")
    attempt: Mapped[int] = mapped_column(default=0)
    max_attempts: Mapped[int] = mapped_column(default=12)
    token: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    begun_at: Mapped[datetime | None]
    unique_key: Mapped[str | None]
    args: Mapped[dict[str, Any]]
    envelope: Mapped[str] = mapped_column(default="", server_default="")
    progress: Mapped[dict[str, Any] | None]
    cancel_at: Mapped[datetime | None]
    error_code: Mapped[str] = mapped_column(default="")
    error_text: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime]
    done_at: Mapped[datetime | None]

    __table_args__ = (
        Index(
            "ix_jobs_due",
            "queue",
            "priority",
            "run_at",
            "id",
            sqlite_where=text("state = 'ready' AND lane IS NULL"),
            postgresql_where=text("state = 'ready' AND lane IS NULL"),
        ),
        _index_of_live("ix_jobs_lane", "lane", "id"),
        _index_of_live("ix_jobs_lane2", "lane2", "id"),
        Index(
            "ix_jobs_lease",
            "lease_until",
            sqlite_where=text("state = 'running'"),
            postgresql_where=text("state = 'running'"),
        ),
        _index_of_live("uq_jobs_unique_key", "unique_key", unique=True),
        Index(
            "ix_jobs_dead",
            "created_at",
            "id",
            sqlite_where=text("state = 'dead'"),
            postgresql_where=text("state = 'dead'"),
        ),
        Index(None, "created_at", "id"),
        _often_same(
            *("kind", "queue", "lane2", "priority", "run_at", "state", "attempt", "max_attempts"),
            *("error_code", "error_text", "created_at"),
        ),
    )


class Lane(Base):
    """Jobs of one key run one after another; a due lane is leased as a whole."""

    __tablename__ = "lanes"

    key: Mapped[str] = mapped_column(primary_key=True)
    queue: Mapped[str]
    ready_at: Mapped[datetime | None]
    token: Mapped[str | None]
    lease_until: Mapped[datetime | None]

    __table_args__ = (
        Index(
            "ix_lanes_ready",
            "queue",
            "ready_at",
            sqlite_where=text("ready_at IS NOT NULL"),
            postgresql_where=text("ready_at IS NOT NULL"),
        ),
    )


class Schedule(Base):
    """A schedule fires once per tick, because only one process can move `next_at` forward."""

    __tablename__ = "schedules"

    name: Mapped[str] = mapped_column(primary_key=True)
    spec: Mapped[str]
    zone: Mapped[str]
    next_at: Mapped[datetime]
    last_at: Mapped[datetime | None]


class SyncRun(Base):
    """One run of one stream of one connection and what it did."""

    __tablename__ = "sync_runs"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    connection_id: Mapped[str] = mapped_column(ForeignKey("connections.id"))
    stream: Mapped[str]
    state: Mapped[str] = mapped_column(default="running")
    pages: Mapped[int] = mapped_column(default=0)
    read: Mapped[int] = mapped_column(default=0)
    created: Mapped[int] = mapped_column(default=0)
    changed: Mapped[int] = mapped_column(default=0)
    unchanged: Mapped[int] = mapped_column(default=0)
    rejected: Mapped[int] = mapped_column(default=0)
    deferred: Mapped[int] = mapped_column(default=0)
    fault_code: Mapped[str] = mapped_column(default="")
    fault_text: Mapped[str] = mapped_column(default="")
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]

    __table_args__ = (
        Index(None, "connection_id", "started_at", "id"),
        Index(None, "started_at", "id"),
    )


class SyncCursor(Base):
    """How far a stream of a connection has been read; moves in the transaction of its records."""

    __tablename__ = "sync_cursors"

    connection_id: Mapped[str] = mapped_column(ForeignKey("connections.id"), primary_key=True)
    stream: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int]
    values: Mapped[dict[str, Any]]
    updated_at: Mapped[datetime]


class StreamState(Base):
    """Up to which moment of the vendor's the hub holds all of a stream; null until a run of it was
    whole. Kept apart from the runs, which are many."""

    __tablename__ = "stream_states"

    connection_id: Mapped[str] = mapped_column(ForeignKey("connections.id"), primary_key=True)
    stream: Mapped[str] = mapped_column(primary_key=True)
    complete_until: Mapped[datetime | None]


class LegalHold(Base):
    """Nothing of the practice is deleted while its row is there."""

    __tablename__ = "legal_holds"

    practice_id: Mapped[str] = mapped_column(ForeignKey("practices.id"), primary_key=True)
    reason: Mapped[str]
    placed_by: Mapped[str]
    placed_at: Mapped[datetime]


class MutationOutcome(Base):
    """The stored outcome of a mutation under its idempotency key."""

    __tablename__ = "mutation_outcomes"

    principal_id: Mapped[str] = mapped_column(primary_key=True)
    mutation: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    request_digest: Mapped[str]
    outcome: Mapped[dict[str, Any]]
    recorded_on: Mapped[date]


class CostBucket(Base):
    """How full a principal's bucket of query cost was at a moment; it leaks at a steady rate."""

    __tablename__ = "cost_buckets"

    principal_id: Mapped[str] = mapped_column(primary_key=True)
    level: Mapped[float]
    updated_at: Mapped[datetime]
