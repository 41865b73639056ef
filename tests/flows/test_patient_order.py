"""Many patients with many updates each, from four senders through eight workers: the records at
the end are those of a run that reads the same messages one after another.

``HUB_TEST_ORDER=100x20`` sets how many of both; the suite takes fewer.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from connectors.sdk.hl7v2.client import MllpClient
from hub.domain.agreements import unrestricted_scope
from hub.entrypoints.hub import Hub, utc_now
from hub.entrypoints.service import Service
from hub.services.intake import Intake
from hub.settings import Settings
from hub.storage.crypto import Crypto
from hub.storage.key_encryption import HeldKeys, LocalKey
from hub.storage.keyring import Keyring
from hub.storage.session import Database
from hub.storage.tables import Encounter, EncounterStay, InboundMessage, Patient, PatientIdentifier
from jobs.worker import JobWorker
from tests.polling import wait_until

pytestmark = pytest.mark.end_to_end
SCOPE = unrestricted_scope("test")
PATIENTS, UPDATES = map(int, os.environ.get("HUB_TEST_ORDER", "20x8").split("x"))
SENDERS, WORKERS = 4, 8
LONGEST = 120.0


def update(patient: int, number: int) -> bytes:
    """Every fifth patient moves from bed to bed at times of its own. All others say everything at
    one time, so that only the order of arrival tells what is true at the end."""
    moves = patient % 5 == 0
    at = f"2026030209{number:02d}00-0600" if moves else "20260302090000-0600"
    event = "A02" if moves and number else "A01" if moves else "A08"
    return (
        f"MSH|^~\\&|DESKEHR|NORTH|HUB|HUB|{at}||ADT^{event}|U{patient}-{number}|P|2.5.1\r"
        f"EVN|{event}|{at}\r"
        f"PID|1||M{patient}^^^NORTH^MR||Testperson^Number{number}||19790412|F|||"
        f"{number} Lake Street^^Evanston^IL^60201||5550{patient:03d}{number:03d}\r"
        f"PV1|1|I|WARD^{number}||||||||||||||||V{patient}\r"
    ).encode()


def merge(prior: int) -> bytes:
    return (
        "MSH|^~\\&|DESKEHR|NORTH|HUB|HUB|20260302100000-0600||ADT^A40|"
        f"M{prior}|P|2.5.1\rEVN|A40|20260302100000-0600\r"
        f"PID|1||M{prior + 1}^^^NORTH^MR||Testperson^Survivor\rMRG|M{prior}^^^NORTH^MR\r"
    ).encode()


def traffic() -> list[list[bytes]]:
    """What each sender sends: its patients in turns, two of them merged on the way, and in the end
    another one into those."""
    found: list[list[bytes]] = []
    for sender in range(SENDERS):
        mine = range(sender * PATIENTS // SENDERS, (sender + 1) * PATIENTS // SENDERS)
        lines = [update(patient, number) for number in range(UPDATES) for patient in mine]
        half = len(lines) // 2
        found.append([*lines[:half], merge(mine[2]), *lines[half:], merge(mine[1])])
    return found


def hub_on(database: Database, folder: Path, seed: Callable[[Hub, str], Any], workers: int) -> Hub:
    settings = Settings(
        data_dir=folder, http_port=0, mllp_port=0, log_level="error", worker_threads=workers
    )
    crypto = Crypto(Keyring(HeldKeys([LocalKey(bytes(range(32)))]), database, utc_now))
    hub = Hub(settings, database, crypto, Intake(database, crypto, utc_now), utc_now)
    seed(hub, "http://127.0.0.1:9")
    return hub


def run(hub: Hub, senders: Sequence[Sequence[bytes]]) -> None:
    """Send it all at once, each sender in its order, while the workers read it."""

    def send(contents: Sequence[bytes]) -> set[str]:
        with MllpClient("127.0.0.1", service.mllp_port, timeout=LONGEST, attempts=1) as client:
            return {client.send(content).code for content in contents}

    expected = sum(map(len, senders))
    worker = JobWorker(hub.job_context(), run_schedules=False, poll_milliseconds=20)
    with Service(hub, roles=("mllp",)) as service:
        worker.start()
        try:
            with ThreadPoolExecutor(len(senders)) as pool:
                assert set.union(*pool.map(send, senders)) == {"AA"}
            wait_until(lambda: processed(hub) >= expected)
        finally:
            worker.stop()


def processed(hub: Hub) -> int:
    with hub.database.read(SCOPE) as session:
        done = select(func.count()).where(InboundMessage.state == "processed")
        return session.scalar(done) or 0


def records(hub: Hub) -> list[str]:
    """Who there is with which numbers, where they are and were; by what the sender calls them."""
    with hub.database.read(SCOPE) as session:
        numbers: dict[str, list[str]] = {}
        for one in session.scalars(select(PatientIdentifier)):
            numbers.setdefault(one.patient_id, []).append(one.value)
        names = {patient: ",".join(sorted(values)) for patient, values in numbers.items()}
        visits = {one.id: one.external_id for one in session.scalars(select(Encounter))}
        found = [
            f"{names[one.id]} {one.given_name} {one.line1} {one.phone} {one.status}"
            f" {names.get(one.merged_into_id or '')}"
            for one in session.scalars(select(Patient))
        ]
        found += [
            f"{one.external_id} {names[one.patient_id]} {one.location} {one.status}"
            for one in session.scalars(select(Encounter))
        ]
        found += [
            f"{visits[one.encounter_id]} {one.location} {one.starts_at} {one.ends_at}"
            for one in session.scalars(select(EncounterStay))
            if one.encounter_id in visits and visits[one.encounter_id][1:] in MOVING
        ]
    return sorted(found)


MOVING = {str(patient) for patient in range(0, PATIENTS, 5)}


def test_what_many_senders_and_workers_leave_is_what_a_serial_run_leaves(
    database: Database,
    sqlite_with_tables: Path,
    tmp_path: Path,
    seed_hub: Callable[[Hub, str], Any],
) -> None:
    senders = traffic()
    parallel = hub_on(database, tmp_path, seed_hub, WORKERS)
    run(parallel, senders)
    shutil.copyfile(sqlite_with_tables, tmp_path / "serial.db")
    other = Database(f"sqlite:///{tmp_path / 'serial.db'}")
    try:
        serial = hub_on(other, tmp_path, seed_hub, 1)
        run(serial, [[content for contents in senders for content in contents]])
        expected = records(serial)
    finally:
        other.close()
    assert records(parallel) == expected
    last, one = UPDATES - 1, PATIENTS - 1
    assert f"M{one} Number{last} {last} Lake Street 5550{one:03d}{last:03d} active None" in expected
    assert len(expected) == 2 * PATIENTS + len(MOVING) * UPDATES
