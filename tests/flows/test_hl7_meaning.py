"""What messages mean, from socket to record, on both databases: every fixture, and a dialect."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import LargeBinary, select

from hub.domain.agreements import unrestricted_scope
from hub.storage.tables import (
    Coverage,
    DataIssue,
    Encounter,
    InboundMessage,
    Patient,
    PatientIdentifier,
)
from hub.storage.tables.base import Base
from tests.flows.hl7_desk import Desk, adt, opened
from tests.polling import wait_until

pytestmark = pytest.mark.end_to_end
SCOPE = unrestricted_scope("test")
FIXTURES = Path(__file__).parents[2] / "fixtures" / "ehr_hl7v2"
CASES = sorted(FIXTURES.glob("*.hl7"))
WITHOUT_PATIENTS = {"adt_a37": "quarantined"}
"""It parts two patients of whom the other fixtures do not speak."""
NOT_MEANING = (
    "inbox",
    "jobs",
    "audit",
    "data_keys",
    "events",
    "outbox",
    "lanes",
    "epochs",
    "schedules",
)
"""How the names of tables begin that hold something else than what messages say."""


def numbered(path: Path, number: int) -> bytes:
    """A fixture under a control id of its own."""
    content = path.read_bytes()
    separator = content[3:4]
    fields = content.split(separator, 10)
    fields[9] = f"N{number}".encode()
    return separator.join(fields)


def read_all(at: Desk) -> None:
    """Send the fixtures one after another, and wait until they are read."""
    at.work()
    sender = at.connect()
    for number, path in enumerate(CASES):
        sender.send(numbered(path, number))
        assert sender.answer() == ("AA", f"N{number}"), path.stem
    wait_until(lambda: "received" not in at.states().values())


def meaning(at: Desk) -> dict[str, list[str]]:
    """Every row of every table that came to be by messages, without what differs by run: ids,
    digests, moments of storing."""
    found: dict[str, list[str]] = {}
    with at.hub.database.read(SCOPE) as session:
        for table in Base.metadata.sorted_tables:
            if table.name.startswith(NOT_MEANING):
                continue
            columns = [
                column
                for column in table.columns
                if (not isinstance(column.type, LargeBinary) and not column.name.endswith(BY_RUN))
                or column.name == "external_id"
            ]
            rows = session.execute(select(*columns)).all() if columns else []
            if rows:
                found[table.name] = sorted(repr([_by_day(one) for one in row]) for row in rows)
    return found


def _by_day(value: Any) -> Any:
    """What no message dates is dated by the run."""
    today = datetime.now(UTC).date()
    return "now" if isinstance(value, datetime) and value.date() == today else value


BY_RUN = ("id", "digest", "_hash", "_key", "created_at", "received_at", "recorded_at")


@contextmanager
def reference(folder: Path) -> Iterator[Desk]:
    folder.mkdir()
    with opened(f"sqlite:///{folder / 'hub.db'}", folder, **FEED) as at:
        yield at


FEED: dict[str, Any] = {
    "zone": "America/Chicago",
    "routing": {"sending_application": "CAREDESK"},
    "facility": "LAKEVIEW",
    "order": "connection",
}


def test_every_fixture_means_the_same_on_each_database(
    desk: Callable[..., Desk], tmp_path: Path
) -> None:
    at = desk(**FEED)
    read_all(at)
    messages = {row.control_id: row for row in at.rows(InboundMessage)}
    for number, path in enumerate(CASES):
        expected = json.loads(path.with_suffix(".expected.json").read_text())
        row = messages[f"N{number}"]
        ending = "ignored" if expected["ignored"] else WITHOUT_PATIENTS.get(path.stem, "processed")
        assert row.state == ending, path.stem
        stated = [*expected["issues"], *(i for r in expected["records"] for i in r["issues"])]
        kept = [(one.code, one.path) for one in at.rows(DataIssue, inbox_id=row.id)]
        assert {(one["code"], one["path"]) for one in stated} <= set(kept), path.stem
    with reference(tmp_path / "reference") as other:
        read_all(other)
        wanted = meaning(other)
    assert len(wanted) > 20
    assert meaning(at) == wanted


def test_a_dialect_is_kept_to_from_the_socket_to_the_record(desk: Callable[..., Desk]) -> None:
    at = desk(
        zone="America/Chicago",
        dialect={
            "charset_fallback": "iso8859_15",
            "version_alias": {"2.9x": "2.5.1"},
            "authority": {"NORTH": "urn:oid:1.2.3"},
            "default": {"MSH-11": "P"},
            "field": {"patient.language": ["ZPD-4.1"], "coverage.member_id": ["IN1-36.1"]},
            "values": {"sex": {"1": "male", "2": "female"}},
            "events": {"ignore": ["ADT^A60"], "alias": {"ADT^Z99": "ADT^A08"}},
        },
    )
    at.work()
    sender = at.connect()
    body = (
        "PID|1||M1^^^NORTH^MR||Testperson^Ren\xe9||19790412|2\rZPD|1|||fr^French\r"
        "PV1|1|O|||||||||||||||||V1|||||||||||||||||||||||||20260302091500\r"
        "IN1|1|P1|60054|Payer||||||||||||||||||||||||||||||||MEM1|||||||||||||MEM2\r"
    )
    sender.send(
        adt("C1", f9="ADT^Z99", f11="", f12="2.9x", body="@").replace(b"@", body.encode("latin-1")),
        adt("C2", f9="ADT^A60"),
        adt("C3", f9="ADT^A61"),
    )
    assert [sender.answer() for _ in range(3)] == [("AA", "C1"), ("AA", "C2"), ("AR", "C3")]
    wait_until(lambda: "received" not in at.states().values())
    assert at.states() == {"C1": "processed", "C2": "ignored", "C3": "refused"}
    (patient,) = at.rows(Patient)
    assert (patient.given_name, patient.sex, patient.language) == ("Ren\xe9", "female", "fr")
    (number,) = at.rows(PatientIdentifier)
    assert (number.authority, number.value) == ("urn:oid:1.2.3", "M1")
    (coverage,) = at.rows(Coverage)
    assert coverage.member_id == "MEM1"
    (visit,) = at.rows(Encounter)
    assert visit.starts_at.isoformat() == "2026-03-02T15:15:00+00:00"
