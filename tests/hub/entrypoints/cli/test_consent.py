"""`mso-hub consent`: the register of consents as operators keep it."""

from __future__ import annotations

from base64 import b64decode
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select

from hub.services import consent_references
from hub.storage.reads.write import global_id
from hub.storage.tables import AuditEvent, Consent, Patient

RECORD = ("consent", "record", "north", "p1", "SUD", "--granted-on", "2026-03-01",
          "--reference", "cabinet 4", "--reason", "signed at the desk")  # fmt: skip


@pytest.fixture
def north(desk: Any) -> Any:
    """The desk, with a patient of the practice north."""
    desk.work(lambda s: s.add(Patient(practice_id="id-north", id="p1", family_name="x")))
    return desk


def done(desk: Any, *arguments: str) -> Any:
    ended = desk.run(*arguments, "--json")
    assert (ended.code, ended.err) == (0, ""), ended
    return ended.json


def test_a_consent_is_recorded_listed_and_revoked(north: Any) -> None:
    told = done(north, *RECORD, "--purpose", "PAYMENT", "--ends-on", "2099-01-01")["consent"]
    (row,) = north.rows(Consent)
    assert (told["id"], told["sensitivity"], told["purpose"]) == (row.id, "SUD", "PAYMENT")
    assert row.starts_at == datetime(2026, 3, 1, tzinfo=UTC)
    assert row.ends_at == datetime(2099, 1, 1, tzinfo=UTC)
    patient = global_id("Patient", "p1")
    [listed] = done(north, "consent", "list", "north", "--patient", patient)["consents"]
    assert listed == told
    assert done(north, "consent", "list", "south")["consents"] == []
    revoked = done(north, "consent", "revoke", "north", row.id, "--reason", "letter of today")
    assert revoked["consent"]["revoked_at"] is not None
    assert north.run("consent", "list", "north").out.count("SUD") == 1


def test_each_act_is_audited_with_its_reason_and_the_patient(north: Any) -> None:
    consent = done(north, *RECORD)["consent"]["id"]
    done(north, "consent", "list", "north")
    done(north, "consent", "revoke", "north", consent, "--reason", "letter")
    found = [e for e in north.rows(AuditEvent) if e.operation.startswith("consent")]
    events = sorted(found, key=lambda e: e.sequence)
    assert [(e.operation, e.action, e.reason) for e in events] == [
        ("consent record", "write", "signed at the desk"),
        ("consent list", "read", ""),
        ("consent revoke", "write", "letter"),
    ]
    [subject] = north.hub.crypto.subjects([("id-north", "p1")])
    assert all(subject in str(event.subjects) for event in events)


def test_references_are_stored_encrypted_and_end_with_the_keys_of_the_practice(north: Any) -> None:
    def told() -> list[Any]:
        found = done(north, "consent", "list", "north")["consents"]
        return [[one["reference"], one["revocation_reference"]] for one in found]

    consent = done(north, *RECORD)["consent"]
    assert consent["reference"] == "cabinet 4"
    done(north, "consent", "revoke", "north", consent["id"], "--reason", "r", "--reference", "9/1")
    (row,) = north.rows(Consent)
    assert not {"cabinet 4", "9/1"} & {row.reference, row.revocation_reference}
    assert b"cabinet" not in b64decode(row.reference)
    done(north, "key", "rotate")
    assert told() == [["cabinet 4", "9/1"]]
    named = ("--practice", "north", "--confirm", "north", "--reason", "agreement ended")
    done(north, "key", "destroy", *named)
    assert told() == [[None, None]]


def test_a_ciphertext_moved_to_another_consent_is_not_read(north: Any) -> None:
    done(north, *RECORD)
    done(north, *RECORD[:4], "HIV", *RECORD[5:])

    def swap(session: Any) -> None:
        first, second = session.scalars(select(Consent)).all()
        first.reference, second.reference = second.reference, first.reference

    north.work(swap)
    assert north.run("consent", "list", "north", "--json").code == 1


def test_references_from_before_they_were_encrypted_are_read_and_then_encrypted(
    north: Any,
) -> None:
    done(north, *RECORD)

    def older(session: Any) -> None:
        session.scalars(select(Consent)).one().reference = "plain:cabinet 5"

    north.work(older)
    for _ in range(2):
        [found] = done(north, "consent", "list", "north")["consents"]
        assert found["reference"] == "cabinet 5"
        north.work(lambda s: consent_references.seal_plain(s, north.hub.crypto))
        (row,) = north.rows(Consent)
        assert b"cabinet" not in b64decode(row.reference, validate=True)


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ((*RECORD, "--purpose", "FUN"), 2, "TREATMENT"),
        ((*RECORD, "--ends-on", "soon"), 2, "2026-12-01"),
        ((*RECORD, "--ends-on", "2026-03-01"), 1, "ends after"),
        (("consent", "revoke", "north", "none", "--reason", "r"), 1, ""),
    ],
)
def test_what_cannot_be_is_refused(
    north: Any, arguments: tuple[str, ...], code: int, told: str
) -> None:
    ended = north.run(*arguments)
    assert ended.code == code
    assert told in ended.err
    assert north.rows(Consent) == []
