"""Signed heads outside of the database show what the chain itself cannot."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, update

from hub.domain.agreements import unrestricted_scope
from hub.storage import anchors, audit
from hub.storage.crypto import Crypto, Damaged
from hub.storage.session import Database
from hub.storage.tables import AuditEvent, AuditHead

SCOPE = unrestricted_scope("test")
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def write(database: Database, name: str, count: int) -> None:
    events = [audit.Event(NOON, "p", name, "operations", "read", "success") for _ in range(count)]
    database.transaction(SCOPE, lambda session: audit.append_all(session, events))


def anchor(database: Database, crypto: Crypto, folder: Path) -> None:
    with database.read(SCOPE) as session:
        digest, sequence = audit.head(session)
    anchors.write(folder, crypto, anchors.Anchor(sequence, digest, NOON.isoformat()))


def verdict(database: Database, crypto: Crypto, folder: Path) -> audit.Verdict:
    with database.read(SCOPE) as session:
        return audit.verify(session, anchors.read(folder, crypto))


@pytest.fixture
def anchored(database: Database, crypto: Crypto, tmp_path: Path) -> Path:
    """Anchors of the events 3 and 5, and two more events."""
    for count in (3, 2):
        write(database, "app", count)
        anchor(database, crypto, tmp_path)
    write(database, "app", 2)
    return tmp_path


def test_a_trail_that_grew_on_agrees_with_its_anchors(
    database: Database, crypto: Crypto, anchored: Path
) -> None:
    assert verdict(database, crypto, anchored) == audit.Verdict(7)


def test_a_cut_tail_is_found_though_the_head_was_moved(
    database: Database, crypto: Crypto, anchored: Path
) -> None:
    with database.read(SCOPE) as session:
        fourth = session.get_one(AuditEvent, 4).digest

    def cut(session: Any) -> None:
        session.execute(delete(AuditEvent).where(AuditEvent.sequence > 4))
        session.execute(update(AuditHead).values(count=4, digest=fourth))

    database.transaction(SCOPE, cut)

    assert verdict(database, crypto, anchored) == audit.Verdict(4, 5)


def test_a_trail_written_anew_is_found_where_it_left_the_anchors(
    database: Database, crypto: Crypto, anchored: Path
) -> None:
    def forget(session: Any) -> None:
        session.execute(delete(AuditEvent).where(AuditEvent.sequence > 3))
        third = session.get_one(AuditEvent, 3).digest
        session.execute(update(AuditHead).values(count=3, digest=third))

    database.transaction(SCOPE, forget)
    write(database, "another", 4)

    assert verdict(database, crypto, anchored).bad_sequence == 4


def test_an_anchor_nobody_signed_is_refused(
    database: Database, crypto: Crypto, anchored: Path
) -> None:
    file = anchored / anchors.FILE
    file.write_text(file.read_text().replace('"sequence": 5', '"sequence": 6'))

    with pytest.raises(Damaged, match="Line 2"):
        anchors.read(anchored, crypto)


def test_an_event_is_anchored_once(database: Database, crypto: Crypto, tmp_path: Path) -> None:
    write(database, "app", 1)
    anchor(database, crypto, tmp_path)
    anchor(database, crypto, tmp_path)

    assert len((tmp_path / anchors.FILE).read_text().splitlines()) == 1
