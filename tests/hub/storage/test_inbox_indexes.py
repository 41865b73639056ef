"""By which index messages, their jobs and events are found where there are 100,000 of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import create_engine, event

from hub.domain.agreements import unrestricted_scope
from hub.services import connections, issues, messages
from hub.services.messages import Wanted
from hub.storage import events, freshness, inbox, measures, queue, retention
from hub.storage.crypto import Crypto
from hub.storage.session import Database, ScopedSession

SCOPE = unrestricted_scope("test")
COUNT = 100_000
NUMBERS = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {last}) ",
    "postgresql": "WITH n(i) AS (SELECT generate_series(0, {last})) ",
}
MOMENT = {
    "sqlite": "strftime('%Y-%m-%dT%H:%M:%f', 1772460000 + i, 'unixepoch') || '000Z'",
    "postgresql": "to_timestamp(1772460000 + i)",
}
"""A second apart, from 2026-03-02T14:00Z on."""
MESSAGES = """INSERT INTO inbox (id, kind, source, control_id, message_type, body_digest, size,
    content_type, headers, raw, answer, state, fault_code, fault_path, fault_text, issue_count,
    duplicates, received_at, patient_key)
    {numbers} SELECT 'id' || i, 'hl7v2', 'sender', 'C' || i, 'ADT^A04', 'd' || i, 1, '', '{{}}', '',
    '', CASE WHEN i < {last} - 20 THEN 'processed' ELSE 'received' END, '', '', '', 0, 0, {moment},
    'key' || (i - i / 20000 * 20000) FROM n"""

JOBS = """INSERT INTO jobs (kind, queue, priority, run_at, state, attempt, max_attempts, unique_key,
    args, envelope, error_code, error_text, created_at)
    {numbers} SELECT 'k', 'q', 100, {moment}, CASE WHEN i >= {last} - 20 THEN 'ready'
    WHEN i / 1000 * 1000 = i THEN 'dead' ELSE 'done' END, 1, 12, 'inbox:id' || i, '{{}}', '', '',
    '', {moment} FROM n"""


@pytest.fixture
def full(database: Database, request: pytest.FixtureRequest) -> Iterator[Database]:
    """Messages of 20,000 patients, the last twenty unread, with an event each."""
    dialect = database.write_engine.dialect.name
    numbers = NUMBERS[dialect].format(last=COUNT - 1)
    for text in (MESSAGES, JOBS):
        statement = text.format(numbers=numbers, moment=MOMENT[dialect], last=COUNT - 1)
        database.transaction(SCOPE, partial(_run, statement))
    while database.transaction(SCOPE, events.number) < COUNT:
        pass
    if dialect == "sqlite":
        yield database
        return
    owner = create_engine(
        request.getfixturevalue("postgresql_with_tables"), isolation_level="AUTOCOMMIT"
    )
    with owner.connect() as connection:
        connection.exec_driver_sql("VACUUM ANALYZE inbox, events, jobs")
        yield database
        connection.exec_driver_sql("TRUNCATE inbox, events, event_heads, jobs CASCADE")
    owner.dispose()


def _run(statement: str, session: ScopedSession) -> None:
    session.connection().exec_driver_sql(statement)


def scans(database: Database, read: Callable[[ScopedSession], Any]) -> list[str]:
    """Where the database looks at all messages or events for what `read` asks."""
    asked: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        if statement.lstrip().startswith(("SELECT", "UPDATE", "DELETE")):
            asked.append((statement, parameters))

    event.listen(database.write_engine, "before_cursor_execute", note)

    def explained(session: ScopedSession) -> list[str]:
        read(session)
        statements, explain = list(asked), "EXPLAIN "
        if database.is_sqlite:
            explain = "EXPLAIN QUERY PLAN "
        rows = [
            row
            for statement, parameters in statements
            for row in session.connection().exec_driver_sql(explain + statement, parameters)
        ]
        return [str(row[-1]).strip() for row in rows]

    try:
        plan = database.transaction(SCOPE, explained)
    finally:
        event.remove(database.write_engine, "before_cursor_execute", note)
    assert plan
    return [step for step in plan if _looks_at_all(step)]


def _looks_at_all(step: str) -> bool:
    if step.startswith("SCAN"):
        return step.split()[1] in ("inbox", "events", "jobs") and "INDEX" not in step
    return any(f"Seq Scan on {table}" in step for table in ("inbox", "events", "jobs"))


def test_messages_and_events_are_found_by_an_index(
    full: Database, crypto: Crypto, now: datetime
) -> None:
    def find(**wanted: Any) -> Callable[[ScopedSession], Sequence[Any]]:
        return lambda session: messages.find(session, crypto, Wanted(**wanted))

    message = "id50000"
    readers: dict[str, Callable[[ScopedSession], Any]] = {
        "the newest": find(),
        "by control id": find(control_id="C77"),
        "by patient": find(patient_key="key7"),
        "by state": find(state="quarantined"),
        "between two moments": find(since=now, until=now + timedelta(minutes=1)),
        "unread": measures.unread,
        "unread by connection": connections.waiting,
        "how far": lambda s: freshness.as_of(s, ["ehr_hl7v2"], ["p"]),
        "near": lambda s: inbox.received_near(
            s,
            inbox.get(s, message),
            timedelta(seconds=5),  # type: ignore[arg-type]
        ),
        "with its jobs": lambda s: messages.show(s, message),
        "jobs of one that is sent": lambda s: queue.of_keys(s, ["outbox:1"], added_at=now),
        "faults": lambda s: issues.counts(s, since=now + timedelta(hours=26)),
        "to expire": lambda s: retention.expire_received(
            s, "processed", before=now - timedelta(minutes=50), after=None
        ),
        "events": lambda s: events.after(s, "job", COUNT - 500, until=COUNT, practices=None),
        "events without a number": events.pending,
    }
    assert {name: scans(full, read) for name, read in readers.items()} == {
        name: [] for name in readers
    }


def test_what_waits_to_be_read_is_found_by_its_patient_too(full: Database, crypto: Crypto) -> None:
    last = COUNT - 1
    with full.read(SCOPE) as session:
        found = messages.find(session, crypto, Wanted(patient_key=f"key{last % 20_000}"))
    assert [(each.message.id, each.message.state) for each in found] == [
        (f"id{last - before}", "processed" if before else "received")
        for before in range(0, COUNT, 20_000)
    ]


def test_a_message_is_shown_with_the_job_that_read_it_failed_or_will(full: Database) -> None:
    for number, state in ((50_001, "done"), (51_000, "dead"), (COUNT - 1, "ready")):
        with full.read(SCOPE) as session:
            [job] = messages.show(session, f"id{number}").jobs
        assert (job.unique_key, job.state) == (f"inbox:id{number}", state)
