"""Pulling a source: runs, cursors and pages. Records and cursor move in one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from datetime import UTC, datetime

from sqlalchemy import select

from hub.domain.jobs import Job
from hub.domain.records import Cursor, Issue, Page, Record, RejectedRecord
from hub.errors import Conflict, NotFound
from hub.services.apply import apply
from hub.services.records import ApplyContext, Outcome
from hub.storage import freshness, inbox, queue
from hub.storage.crypto import Crypto
from hub.storage.session import ScopedSession
from hub.storage.tables import Connection, SyncCursor, SyncRun, new_id
from hub.storage.upsert import insert_or_update

NOT_SUPPORTED = "NOT_SUPPORTED"
UNROUTED = Issue(
    "unknown_entity", "entity", "No practice is mapped to this company; add it to the routing."
)


def request_sync(
    session: ScopedSession, *, connection_id: str, sources: Collection[str], now: datetime
) -> int:
    """Add the job that reads every stream of a connection; a second request joins the first.
    `sources` are the ids of the connectors that have streams; raises Conflict for another."""
    connection = session.get(Connection, connection_id)
    if connection is None:
        raise NotFound(sought=connection_id)
    if connection.connector_id not in sources:
        raise Conflict(f"{connection.connector_id} has nothing to read: what it brings is sent.")
    return queue.add(
        session,
        Job.SYNC_STREAMS,
        {"connection_id": connection_id},
        now=now,
        unique_key=f"sync:{connection_id}",
    )


def request_all(session: ScopedSession, *, sources: Collection[str], now: datetime) -> int:
    """Add a sync job for every usable connection of these connectors; returns how many."""
    rows = session.scalars(
        select(Connection).where(
            Connection.connector_id.in_(sources),
            Connection.status == "ok",
            Connection.paused.is_(False),
        )
    ).all()
    for row in rows:
        request_sync(session, connection_id=row.id, sources=sources, now=now)
    return len(rows)


def start_run(
    session: ScopedSession, connection_id: str, stream: str, now: datetime
) -> tuple[str, Cursor | None]:
    """Open a run and give its id and the cursor to go on from; a run that was cut off is closed."""
    abandoned = session.scalars(
        select(SyncRun).where(
            SyncRun.connection_id == connection_id,
            SyncRun.stream == stream,
            SyncRun.state == "running",
        )
    )
    for run in abandoned:
        run.state, run.finished_at = "interrupted", now
    run = SyncRun(id=new_id(), connection_id=connection_id, stream=stream, started_at=now)
    session.add(run)
    freshness.note_stream(session, connection_id, stream)
    stored = session.get(SyncCursor, (connection_id, stream))
    return run.id, Cursor(stored.version, stored.values) if stored else None


def apply_page(
    session: ScopedSession,
    crypto: Crypto,
    *,
    run_id: str,
    page: Page,
    practices: Mapping[str, str],
    now: datetime,
) -> None:
    """Apply a page and move the cursor. `practices` maps the source's companies to practices.

    A record that waits for another (a payslip of a worker not read yet) holds the cursor for the
    rest of the run, so that the next run reads it again.
    """
    run = session.get_one(SyncRun, run_id)
    outcomes: Counter[Outcome] = Counter()
    for record in page.records:
        outcomes[_apply_one(session, run, record, practices, now)] += 1
    for rejected in page.rejected:
        inbox.quarantine_record(session, crypto, run.connection_id, run.stream, rejected, now)
        inbox.add_issues(session, [rejected.issue], now=now, practice_id=None, sync_run_id=run.id)
    run.pages += 1
    run.read += len(page.records) + len(page.rejected)
    run.created += outcomes[Outcome.CREATED]
    run.changed += outcomes[Outcome.CHANGED]
    run.unchanged += outcomes[Outcome.UNCHANGED] + outcomes[Outcome.STALE]
    run.rejected += len(page.rejected) + outcomes[Outcome.REJECTED]
    run.deferred += outcomes[Outcome.DEFERRED]
    if page.cursor is not None and not run.deferred:
        moved = {
            "version": page.cursor.version,
            "values": dict(page.cursor.values),
            "updated_at": now,
        }
        insert_or_update(
            session,
            SyncCursor,
            {"connection_id": run.connection_id, "stream": run.stream, **moved},
            key=["connection_id", "stream"],
            update=moved,
        )


def _apply_one(
    session: ScopedSession,
    run: SyncRun,
    record: Record,
    practices: Mapping[str, str],
    now: datetime,
) -> Outcome:
    entity = getattr(record.data, "entity", None)
    practice_id = practices.get(entity) if entity is not None else None
    if entity is not None and practice_id is None:
        inbox.add_issues(session, [UNROUTED], now=now, practice_id=None, sync_run_id=run.id)
        return Outcome.REJECTED
    context = ApplyContext(
        practice_id=practice_id,
        connection_id=run.connection_id,
        inbox_id=None,
        sync_run_id=run.id,
        received_at=now,
        zone=UTC,
    )
    return apply(session, context, record)


def end_run(
    session: ScopedSession,
    crypto: Crypto,
    run_id: str,
    *,
    now: datetime,
    until: datetime,
    code: str = "",
    text: str = "",
    unreadable: bytes = b"",
) -> None:
    """Close a run, as done or with the fault that ended it; an `unreadable` answer is kept.

    `until` is the upper bound of what was asked for: a whole run makes the stream complete up to
    there.
    """
    run = session.get_one(SyncRun, run_id)
    if run.deferred and not code:
        code, text = "DEFERRED", "Records wait for others not read yet; the next run reads them."
    run.state = "failed" if code else "done"
    run.finished_at, run.fault_code, run.fault_text = now, code, text
    if not code:
        freshness.note_complete(session, run.connection_id, run.stream, until)
    elif code == NOT_SUPPORTED:
        freshness.forget_stream(session, run.connection_id, run.stream)
    if unreadable:
        kept = RejectedRecord("answer", Issue("unreadable_answer", "", text), unreadable)
        inbox.quarantine_record(session, crypto, run.connection_id, run.stream, kept, now)
