"""24 hours of several practices over real sockets, compressed: at their end the store holds what
the simulator says is true, on both databases; nothing is lost and nothing doubled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from connectors.ehr_hl7v2.simulated_day import APPLICATION, AUTHORITY, Day
from connectors.sdk.hl7v2.client import MllpClient
from hub.domain.agreements import unrestricted_scope
from hub.entrypoints.hub import Hub, open_hub
from hub.entrypoints.service import Service
from hub.services import connections
from hub.settings import Settings
from hub.storage import queue
from hub.storage.tables import (
    Appointment,
    Encounter,
    EncounterStay,
    InboundMessage,
    JobRow,
    Observation,
    Patient,
    PatientIdentifier,
    Practice,
)
from tests.polling import wait_until

pytestmark = pytest.mark.end_to_end
SCOPE = unrestricted_scope("test")
BEGINS = datetime(2026, 3, 2, 0, 0, tzinfo=UTC)
LATER = timedelta(hours=4, minutes=30)
"""How much later than the one before each practice opens."""
FACILITIES = ("NORTH", "SOUTH", "EAST")
PATIENTS = 70


@pytest.fixture
def hub(migrated_url: str, tmp_path: Path) -> Iterator[Hub]:
    settings = Settings(
        data_dir=tmp_path, database_url=migrated_url, http_port=0, mllp_port=0, log_level="error"
    )
    hub = open_hub(settings, exclusive=True, migrate=True)

    def seed(session: Any) -> None:
        for name in FACILITIES:
            session.add(Practice(id=name, name=name, zone="UTC", created_at=BEGINS))
        session.flush()
        connections.add(
            session, hub.crypto, connection_id="ehr", name="EHR", connector_id="ehr_hl7v2",
            config={"zone": "UTC"}, routing={"sending_application": APPLICATION},
            practices={name: name for name in FACILITIES}, now=BEGINS,
        )  # fmt: skip

    hub.database.transaction(SCOPE, seed)
    yield hub
    hub.close()


def play(port: int, day: Day) -> list[str]:
    """Send a day's messages in their order; the answer codes."""
    with MllpClient("127.0.0.1", port, timeout=30) as client:
        return [client.send(message.content).code for message in day.messages]


def wait_until_read(hub: Hub) -> None:
    def is_read() -> bool:
        with hub.database.read(SCOPE) as session:
            return queue.due_count(session, now=hub.now()) == 0

    wait_until(is_read)


def test_the_store_holds_the_truth_of_the_day(hub: Hub) -> None:
    days = [Day(name, BEGINS + n * LATER, PATIENTS) for n, name in enumerate(FACILITIES)]
    moments = [message.at for day in days for message in day.messages]
    assert len(moments) > 1_600
    assert max(moments) - min(moments) >= timedelta(hours=24)
    with Service(hub, ["mllp", "jobs"]) as service, ThreadPoolExecutor(len(days)) as pool:
        answers = list(pool.map(lambda day: play(service.mllp_port, day), days))
        for day, codes in zip(days, answers, strict=True):
            assert codes == [message.expected for message in day.messages]
        wait_until_read(hub)
    nothing_is_lost_or_doubled(hub, days)
    for day in days:
        the_store_says(hub, day)


def rows(hub: Hub, table: type[Any], **where: Any) -> list[Any]:
    with hub.database.read(SCOPE) as session:
        return list(session.scalars(select(table).filter_by(**where)))


def nothing_is_lost_or_doubled(hub: Hub, days: list[Day]) -> None:
    sent = Counter(message.control_id for day in days for message in day.messages)
    stored = {row.control_id: row for row in rows(hub, InboundMessage)}
    assert len(rows(hub, InboundMessage)) == len(stored) == len(sent)
    assert {name: row.duplicates + 1 for name, row in stored.items()} == dict(sent)
    assert sum(row.duplicates for row in stored.values()) == sum(day.repeated for day in days)
    states = Counter(row.state for row in stored.values())
    refused = sum(day.refused for day in days)
    assert states == {"processed": len(sent) - refused, "refused": refused}
    jobs = rows(hub, JobRow, kind="ingest.process_message")
    assert Counter(job.state for job in jobs) == {"done": len(sent) - refused}


def the_store_says(hub: Hub, day: Day) -> None:
    """Everything of one practice, no more and no less."""
    truth, own = day.truth, {"practice_id": day.facility}
    patients = {row.id: row for row in rows(hub, Patient, **own)}
    numbers = {
        row.value: row.patient_id
        for row in rows(hub, PatientIdentifier, authority=AUTHORITY, **own)
    }
    assert {number: patients[id].line1 for number, id in numbers.items()} == truth.streets
    assert len(patients) == len(truth.streets)
    merged = {row.id: row.merged_into_id for row in patients.values() if row.merged_into_id}
    assert merged == {numbers[prior]: numbers[left] for prior, left in truth.merged.items()}
    visits = {row.external_id: row for row in rows(hub, Encounter, **own)}
    assert {key: row.status for key, row in visits.items()} == {
        key: visit.status for key, visit in truth.visits.items()
    }
    stays: dict[str, list[EncounterStay]] = {}
    for stay in sorted(rows(hub, EncounterStay, **own), key=lambda row: row.starts_at):
        stays.setdefault(stay.encounter_id, []).append(stay)
    for key, visit in truth.visits.items():
        found = stays[visits[key].id]
        assert [stay.location for stay in found] == visit.places
        assert visits[key].location == visit.places[-1]
        assert [one.ends_at for one in found[:-1]] == [one.starts_at for one in found[1:]]
        assert (found[-1].ends_at is None) == (visit.status != "finished")
    booked = {row.external_id: (row.status, row.starts_at) for row in rows(hub, Appointment, **own)}
    assert booked == truth.appointments
    results = {
        tuple(row.external_id.split("/")): (row.status, row.value_text)
        for row in rows(hub, Observation, **own)
    }
    assert results == truth.results
