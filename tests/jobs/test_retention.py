"""Messages lose their bytes when their time is over, and only then; a legal hold keeps them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from hub.domain.agreements import unrestricted_scope
from hub.errors import Conflict, NotFound
from hub.services import intake, keys, messages, retention
from hub.services.intake import Arrival, Intake
from hub.services.operators import Operator
from hub.storage import inbox, outbox
from hub.storage import retention as stored
from hub.storage.crypto import Crypto
from hub.storage.session import Database, ScopedSession
from hub.storage.tables import (
    AuditEvent,
    Connection,
    InboundMessage,
    JobRow,
    OutboundMessage,
    Practice,
)

SCOPE = unrestricted_scope("test")
WHO = Operator("ann")
MONTH = timedelta(days=30)


@pytest.fixture
def received(database: Database, crypto: Crypto, now: datetime) -> dict[str, str]:
    """Ids of messages by practice: one of north, one of south, one of nobody; all are read."""

    def add(session: ScopedSession) -> None:
        for name in ("north", "south"):
            session.add(Practice(id=name, name=name, zone="America/Chicago", created_at=now))
        session.add(
            Connection(id="c", name="EHR", connector_id="ehr_hl7v2", config={}, created_at=now)
        )

    database.transaction(SCOPE, add)
    box = Intake(database, crypto, lambda: now)
    found = {}
    for name, practice in (("north", "north"), ("south", "south"), ("nobody", None)):
        content = f"MSH|^~\\&|A\rPID|1||{name}^^^X^MR\r".encode()
        arrival = Arrival("hl7v2", None, practice, "s", f"C{name}", "ADT^A04", content)
        found[name] = box.receive(arrival).result(timeout=30).inbox_id
    settle(database)
    return found


def settle(database: Database) -> None:
    def work(session: ScopedSession) -> None:
        session.execute(update(InboundMessage).values(state="processed"))
        session.execute(update(JobRow).values(state="done"))

    database.transaction(SCOPE, work)


def expire(database: Database, before: datetime) -> None:
    with database.read(SCOPE) as session:
        connections = stored.connections(session)
    retention.expire_messages(
        lambda work: database.transaction(SCOPE, work), connections, before=before, now=before
    )


def expired(database: Database, table: Any = InboundMessage) -> set[str]:
    with database.read(SCOPE) as session:
        return set(session.scalars(select(table.id).where(table.state == "expired")))


def test_bytes_are_deleted_when_they_are_due_and_the_row_stays(
    database: Database, crypto: Crypto, now: datetime, received: dict[str, str]
) -> None:
    expire(database, now)
    assert expired(database) == set()
    expire(database, now + MONTH)
    assert expired(database) == set(received.values())
    with database.read(SCOPE) as session:
        rows = session.scalars(select(InboundMessage)).all()
        assert {row.raw for row in rows} == {b""}
        with pytest.raises(NotFound, match="deleted"):
            inbox.raw(rows[0], crypto)
        (event,) = session.scalars(select(AuditEvent)).all()
        assert (event.operation, event.entities) == ("retention", {"InboundMessage": 3})
        assert messages.replayable(session, crypto, messages.Wanted()) == []
    again = database.transaction(
        SCOPE, lambda s: intake.replay(s, inbox_ids=[*received.values()], now=now)
    )
    assert again == 0


def test_a_resend_of_what_expired_is_still_known(
    database: Database, crypto: Crypto, now: datetime, received: dict[str, str]
) -> None:
    expire(database, now + MONTH)
    content = b"MSH|^~\\&|A\rPID|1||north^^^X^MR\r"
    arrival = Arrival("hl7v2", None, "north", "s", "Cnorth", "ADT^A04", content)
    stored_again = Intake(database, crypto, lambda: now).receive(arrival).result(timeout=30)
    assert stored_again.inbox_id == received["north"]
    assert expired(database) == set(received.values())


def test_a_hold_keeps_what_is_or_may_be_the_practices(
    database: Database, now: datetime, received: dict[str, str]
) -> None:
    given: dict[str, Any] = {"operator": WHO, "reason": "litigation", "now": now}
    database.transaction(SCOPE, lambda s: retention.place(s, "north", **given))
    with pytest.raises(Conflict, match="already"):
        database.transaction(SCOPE, lambda s: retention.place(s, "north", **given))

    expire(database, now + MONTH)

    assert expired(database) == {received["south"]}
    with database.read(SCOPE) as session:
        north = session.get_one(Practice, "north")
    with pytest.raises(Conflict, match="hold"):
        database.transaction(
            SCOPE,
            lambda s: keys.destroy(s, north, WHO, confirmed="north", reason="left", now=now),
        )
    database.transaction(SCOPE, lambda s: retention.lift(s, "north", **given))
    expire(database, now + MONTH)
    assert expired(database) == set(received.values())


def test_what_somebody_waits_for_is_kept(
    database: Database, crypto: Crypto, now: datetime, received: dict[str, str]
) -> None:
    def work(session: ScopedSession) -> None:
        quarantined = update(InboundMessage).where(InboundMessage.id == received["north"])
        session.execute(quarantined.values(state="quarantined"))
        intake.replay(session, inbox_ids=[received["south"]], now=now)
        session.add(sent("o1", now, inbox_id=received["nobody"], state="queued"))

    database.transaction(SCOPE, work)
    expire(database, now + MONTH)
    assert expired(database) == set()


def test_what_was_sent_expires_with_its_answer(
    database: Database, crypto: Crypto, now: datetime, received: dict[str, str]
) -> None:
    def work(session: ScopedSession) -> None:
        session.add(sent("o1", now, raw=b"x", answer=b"y", state="accepted"))
        session.add(sent("o2", now, raw=b"x", state="parked"))

    database.transaction(SCOPE, work)
    expire(database, now + MONTH)
    assert expired(database, OutboundMessage) == {"o1"}
    with database.read(SCOPE) as session:
        row = session.get_one(OutboundMessage, "o1")
        assert (row.raw, row.answer) == (None, None)
        with pytest.raises(NotFound, match="deleted"):
            outbox.raw(session, crypto, row)


def test_more_than_one_step_is_taken(
    database: Database, now: datetime, received: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "AT_ONCE", 1)
    expire(database, now + MONTH)
    assert expired(database) == set(received.values())


def sent(id: str, now: datetime, **given: Any) -> OutboundMessage:
    return OutboundMessage(
        id=id,
        connection_id="c",
        message_type="ADT",
        control_id=id,
        size=1,
        queued_at=now,
        **given,
    )
