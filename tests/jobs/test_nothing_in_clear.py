"""A dump of the database gives away no social security number, secret, bank number, message or
place of a signed document."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.engine import make_url

from hub.domain.agreements import Purpose, unrestricted_scope
from hub.domain.jobs import Job
from hub.services import consents
from hub.services.consent_references import opened
from hub.storage import connections
from hub.storage.tables import Consent, InboundMessage, Patient
from tests.conftest import POSTGRESQL

ALL = unrestricted_scope("test")
NUMBER = "219099999"
BANK = "000123456789"
SECRET = "a-vendors-client-secret"
BINDER = "binder 17 behind the desk"


def dump(office: Any) -> bytes:
    """All that lies on the disk of SQLite, or what pg_dump writes."""
    url = make_url(office.hub.database.url)
    if office.hub.database.is_sqlite:
        return b"".join(each.read_bytes() for each in Path(url.database).parent.glob("hub.db*"))
    owner = make_url(POSTGRESQL)  # a role that policies hold may not dump
    url = url.set(drivername="postgresql", username=owner.username, password=owner.password)
    plain = url.render_as_string(hide_password=False)
    ran = subprocess.run(["pg_dump", "--inserts", plain], capture_output=True, check=True)
    return ran.stdout


def test_a_dump_holds_no_number_secret_or_message_in_clear(office: Any) -> None:
    content = next(message for message in office.traffic() if message.event == "A04").content
    segments = [
        segment + b"|" * (19 - segment.count(b"|")) + NUMBER.encode()
        if segment.startswith(b"PID") and segment.count(b"|") < 19
        else segment
        for segment in content.split(b"\r")
    ]
    segments.insert(-1, f"ZBK|{BANK}".encode())
    inbox_id = office.receive(b"\r".join(segments))
    office.drain()
    connection = office.all(InboundMessage)[0].connection_id
    office.hub.database.transaction(
        ALL,
        lambda session: connections.set_secret(
            session, office.hub.crypto, connection, "token", SECRET, office.clock()
        ),
    )
    record_consent(office)

    found = dump(office)

    assert inbox_id.encode() in found
    for hidden in (NUMBER, BANK, SECRET, BINDER):
        assert hidden.encode() not in found
        assert hidden.encode().hex().encode() not in found
    assert b"MSH|^~" not in found


def record_consent(office: Any) -> None:
    [patient] = office.all(Patient)
    terms = consents.Terms("SUD", None, office.clock().date(), None, None, BINDER)
    office.hub.database.transaction(
        ALL,
        lambda session: consents.record(
            session, office.hub.crypto, consents.Actor("os:x", "x", Purpose.OPERATIONS),
            practice_id=patient.practice_id, patient_id=patient.id, terms=terms,
            now=office.clock(),
        ),
    )  # fmt: skip


def test_references_from_before_they_were_encrypted_are_by_the_housekeeping(office: Any) -> None:
    office.receive(next(message for message in office.traffic() if message.event == "A04"))
    office.drain()
    record_consent(office)

    def older(session: Any) -> None:
        session.scalars(select(Consent)).one().reference = f"plain:{BINDER}"

    office.hub.database.transaction(ALL, older)
    office.add(Job.PRUNE)
    office.drain()
    [row] = office.all(Consent)
    assert BINDER not in row.reference
    assert opened(office.hub.crypto, row.id, row.reference, column="reference") == BINDER
