"""The audit chain: one chain under concurrent writers, and tampering found by sequence number."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import delete, update

from hub.domain.agreements import unrestricted_scope
from hub.storage import audit
from hub.storage.session import Database
from hub.storage.tables import AuditEvent, AuditHead

SCOPE = unrestricted_scope("test")


def write(database: Database, now: Any, name: str = "app", **facts: Any) -> None:
    database.transaction(
        SCOPE,
        lambda session: audit.append(
            session,
            now=now,
            principal_id="p",
            principal_name=name,
            purpose="OPERATIONS",
            action="read",
            outcome="success",
            **facts,
        ),
    )


def verdict(database: Database) -> audit.Verdict:
    with database.read(SCOPE) as session:
        return audit.verify(session)


def test_an_empty_trail_is_intact(database):
    assert verdict(database) == audit.Verdict(0)


def test_eight_writers_at_once_make_one_unbroken_chain(database, now):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: write(database, now, f"app {n}"), range(40)))
    assert verdict(database) == audit.Verdict(40)


def test_a_rolled_back_transaction_leaves_no_gap(database, now):
    def fail(session: Any) -> None:
        audit.append(
            session,
            now=now,
            principal_id="p",
            principal_name="p",
            purpose="OPERATIONS",
            action="write",
            outcome="success",
        )
        raise RuntimeError

    write(database, now)
    with pytest.raises(RuntimeError):
        database.transaction(SCOPE, fail)
    write(database, now)
    assert verdict(database) == audit.Verdict(2)


@pytest.mark.parametrize(
    ("statement", "bad"),
    [
        (update(AuditEvent).where(AuditEvent.sequence == 2).values(reason="changed"), 2),
        (update(AuditEvent).where(AuditEvent.sequence == 3).values(entities={"Patient": 9}), 3),
        (update(AuditEvent).where(AuditEvent.sequence == 4).values(practice_ids=[]), 4),
        (delete(AuditEvent).where(AuditEvent.sequence == 2), 2),
        (delete(AuditEvent).where(AuditEvent.sequence == 5), 5),
        (delete(AuditEvent), 1),
        (delete(AuditHead), 1),
    ],
)
def test_tampering_is_found_at_the_first_event_that_does_not_fit(database, now, statement, bad):
    for number in range(5):
        write(database, now, entities={"Patient": number}, practice_ids=["a", "b"])
    assert verdict(database).intact
    database.transaction(SCOPE, lambda session: session.execute(statement))
    assert verdict(database).bad_sequence == bad
