"""The one checker: what must hold once everything is healed and the queue is empty."""

from __future__ import annotations

import hashlib
import subprocess
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from deployment import SCOPE, Deployment
from servers import program
from sqlalchemy import select, text

from hub.storage import inbox
from hub.storage.tables import InboundMessage, Patient

OVER = {"done", "dead", "cancelled"}
MOST_LOG_BYTES = 96 * 2**20
"""Of the write-ahead log: three times what lies between two checkpoints."""


@dataclass
class Verdict:
    """What one check found; nothing of it may be there but `acknowledged` and `messages`."""

    acknowledged: int = 0
    messages: int = 0
    lost: list[str] = field(default_factory=list)
    """Messages that were acknowledged and are not stored, or not as they were sent."""
    doubled: list[str] = field(default_factory=list)
    """Messages stored twice, with two jobs or with two effects."""
    inversions: list[str] = field(default_factory=list)
    """Effects in another order than the messages were accepted in."""
    faults: list[str] = field(default_factory=list)
    """Whatever else does not hold, in words."""

    def is_clean(self) -> bool:
        return not (self.lost or self.doubled or self.inversions or self.faults)


@dataclass(frozen=True)
class _Found:
    """The database as it is, read once."""

    messages: list[InboundMessage]
    bodies: dict[str, str]
    jobs: list[Any]
    effects: list[Any]
    addresses: dict[str, str]
    """First line of the address by the patient's external id, as it is."""
    sent: dict[str, tuple[str, str]]
    """The patient and the first line of the address in each message."""


def check(deployment: Deployment) -> Verdict:
    """Look at everything. The processes may still run, but nothing may be under way."""
    found = _read(deployment)
    acknowledged = {line[0]: line[1] for line in deployment.acknowledged()}
    verdict = Verdict(len(acknowledged), len(found.messages))
    _check_stored(found, acknowledged, verdict)
    _check_jobs(found, verdict)
    _check_ends(found, deployment.kills_jobs, verdict)
    _check_effects(found, verdict)
    _check_order(found, deployment.retried, verdict)
    _check_last(found, verdict)
    _check_rest(deployment, verdict)
    _check_database(deployment, verdict)
    return verdict


_JOBS = text(
    "SELECT id, kind, state, lane, lane2, attempt, token, lease_until, unique_key, args, error_code"
    " FROM jobs ORDER BY id"
)
_EFFECTS = text("SELECT sequence, kind, job_id, inbox_id, at FROM fault_effects ORDER BY sequence")


def _read(deployment: Deployment) -> _Found:
    with closing(deployment.open()) as hub, hub.database.read(SCOPE) as session:
        messages = list(session.scalars(select(InboundMessage)))
        raw = {row.id: inbox.raw(row, hub.crypto) for row in messages}
        patients = session.scalars(select(Patient))
        return _Found(
            messages,
            {key: hashlib.sha256(content).hexdigest() for key, content in raw.items()},
            list(session.execute(_JOBS)),
            list(session.execute(_EFFECTS)),
            {patient.external_id: patient.line1 for patient in patients},
            {key: _said(content) for key, content in raw.items()},
        )


def _said(content: bytes) -> tuple[str, str]:
    """PID-3.1 and PID-11.1 of a message."""
    for segment in content.split(b"\r"):
        fields = segment.decode().split("|")
        if fields[0] == "PID" and len(fields) > 11:
            return f"NORTH|MR|{fields[3].partition('^')[0]}", fields[11].partition("^")[0]
    return "", ""


def _check_stored(found: _Found, acknowledged: dict[str, str], verdict: Verdict) -> None:
    stored = defaultdict(list)
    for row in found.messages:
        stored[row.control_id].append(found.bodies[row.id])
    for control_id, digest in acknowledged.items():
        if digest not in stored.get(control_id, ()):
            verdict.lost.append(f"{control_id} was acknowledged and is not stored")
    for control_id, bodies in stored.items():
        if len(bodies) != len(set(bodies)):
            verdict.doubled.append(f"{control_id} is stored {len(bodies)} times")


def _ended_at_the_door(row: InboundMessage) -> bool:
    """Stored for the record and never to be read."""
    return row.state == "refused" or (row.state == "quarantined" and row.processed_at is None)


def _inbox_id(job: Any) -> str:
    """The message a job reads; empty for other jobs."""
    key = job.unique_key or ""
    return str(key.removeprefix("inbox:")) if key.startswith("inbox:") else ""


def _check_jobs(found: _Found, verdict: Verdict) -> None:
    of_message = defaultdict(list)
    for job in found.jobs:
        of_message[_inbox_id(job)].append(job)
        if _inbox_id(job) and job.state not in OVER:
            verdict.faults.append(f"job {job.id} is {job.state} and nothing is under way")
        if job.state == "done" and job.attempt < 1:
            verdict.faults.append(f"job {job.id} is done after {job.attempt} attempts")
    for row in found.messages:
        jobs = of_message[row.id]
        wanted = int(not _ended_at_the_door(row))
        if len(jobs) > wanted:
            verdict.doubled.append(f"{row.control_id} has {len(jobs)} jobs")
        elif len(jobs) < wanted:
            verdict.lost.append(f"{row.control_id} has no job")
    strangers = of_message.keys() - {row.id for row in found.messages} - {""}
    verdict.faults += [f"a job reads the message {key}, which is not stored" for key in strangers]


def _check_ends(found: _Found, kills_jobs: bool, verdict: Verdict) -> None:
    """Nothing is wrong with any message that has a job: it is read, and no fault of a process, disk
    or network may pass for one of the message. Only where jobs are made to die they are dead."""
    states = {row.id: row.state for row in found.messages}
    for job in found.jobs:
        message = states.get(_inbox_id(job))
        if job.state in {"dead", "cancelled"} and not kills_jobs:
            verdict.faults.append(f"job {job.id} is {job.state} of {job.error_code}")
        if job.state == "done" and message not in {None, "processed"}:
            verdict.faults.append(f"job {job.id} is done and its message is {message}")


def _check_effects(found: _Found, verdict: Verdict) -> None:
    read = Counter(row.inbox_id for row in found.effects if row.kind == "read")
    done = Counter(row.job_id for row in found.effects if row.kind == "done")
    processed = {row.id for row in found.messages if row.state == "processed"}
    for job in found.jobs:
        wanted = int(job.state == "done")
        if done[job.id] > wanted:
            verdict.doubled.append(f"job {job.id} ({job.state}) was done {done[job.id]} times")
        elif done[job.id] < wanted:
            verdict.faults.append(f"job {job.id} is done and no record says so")
        message = _inbox_id(job)
        if message and job.state == "done" and message in processed and read[message] != 1:
            found_in = verdict.doubled if read[message] > 1 else verdict.lost
            found_in.append(f"message of job {job.id} was read {read[message]} times")
        if message and job.state == "dead" and read[message]:
            verdict.faults.append(f"job {job.id} is dead and its message was read")


def _check_order(found: _Found, retried: set[int], verdict: Verdict) -> None:
    """Within a lane effects follow the ids of jobs, and ids the order in which one sender, who
    waits for each answer, was accepted. Effects of one transaction have one time and no order. A
    lane went on without those that were dead for a while (`retried`)."""
    effect = {row.inbox_id: row for row in found.effects if row.kind == "read"}
    names = {row.id: row.control_id for row in found.messages}
    lanes = defaultdict(list)
    for job in found.jobs:
        for lane in {job.lane, job.lane2} - {None}:
            lanes[lane].append(job)
    for jobs in lanes.values():
        done = [job for job in jobs if _inbox_id(job) in effect and job.id not in retried]
        for earlier, later in pairwise(done):
            first, second = (effect[_inbox_id(job)] for job in (earlier, later))
            if first.at != second.at and first.sequence > second.sequence:
                verdict.inversions.append(f"job {later.id} took effect before job {earlier.id}")
        accepted = [names[_inbox_id(job)] for job in jobs if _inbox_id(job) in names]
        numbers = [int(name.rpartition("N")[2]) for name in accepted if "N" in name]
        for one, next_one in pairwise(numbers):
            if one > next_one:
                verdict.inversions.append(f"number {one} of a sender was accepted after {next_one}")


def _check_last(found: _Found, verdict: Verdict) -> None:
    """Each patient lives where the last message about them says."""
    last: dict[str, str] = {}
    messages = {row.id: row for row in found.messages}
    for job in found.jobs:
        row = messages.get(_inbox_id(job))
        if row is not None and row.state == "processed":
            patient, line = found.sent[row.id]
            last[patient] = line
    for patient, line in last.items():
        if patient and found.addresses.get(patient) != line:
            now = found.addresses.get(patient)
            verdict.inversions.append(f"{patient} lives at {now}, the last message said {line}")


def _check_rest(deployment: Deployment, verdict: Verdict) -> None:
    """Nothing is held or running when nothing is under way, and counters balance."""
    held = "SELECT count(*) FROM lanes WHERE token IS NOT NULL"
    if number := deployment.rows(held)[0][0]:
        verdict.faults.append(f"{number} lanes are held by nobody's job")
    waiting = (
        "SELECT count(*) FROM lanes l WHERE ready_at IS NULL AND token IS NULL AND EXISTS"
        " (SELECT 1 FROM jobs j WHERE j.state = 'ready' AND (j.lane = l.key OR j.lane2 = l.key))"
    )
    if number := deployment.rows(waiting)[0][0]:
        verdict.faults.append(f"{number} lanes hold jobs and will never be looked at")
    states = dict(
        tuple(row) for row in deployment.rows("SELECT state, count(*) FROM jobs GROUP BY state")
    )
    total = deployment.rows("SELECT count(*) FROM jobs")[0][0]
    if sum(states.values()) != total:
        verdict.faults.append(f"{total} jobs in the states {states}")
    if total > 2 * verdict.messages + 200:
        verdict.faults.append(f"{total} jobs for {verdict.messages} messages")


def _check_database(deployment: Deployment, verdict: Verdict) -> None:
    verdict.faults += list(
        _sqlite_faults(deployment) if deployment.is_sqlite else _postgresql_faults(deployment)
    )


def _sqlite_faults(deployment: Deployment) -> Iterator[str]:
    for pragma in ("integrity_check", "foreign_key_check"):
        for row in deployment.rows(f"PRAGMA {pragma}"):
            if tuple(row) != ("ok",):
                yield f"{pragma}: {tuple(row)}"
    log = deployment.data / "hub.db-wal"
    if log.exists() and log.stat().st_size > MOST_LOG_BYTES:
        yield f"the write-ahead log has {log.stat().st_size >> 20} MiB"


def _postgresql_faults(deployment: Deployment) -> Iterator[str]:
    server = deployment.postgresql
    amcheck = program("pg_amcheck")
    assert server is not None
    if amcheck is not None:
        asked = [amcheck, "-h", "127.0.0.1", "-p", str(server.port), "-U", "postgres",
                 "--install-missing", "-s", "public", deployment.database]  # fmt: skip
        found = subprocess.run(asked, capture_output=True, text=True, check=False)
        if found.returncode or found.stdout.strip():
            yield f"amcheck: {found.stdout[:500]} {found.stderr[:500]}"
    size = deployment.rows("SELECT coalesce(sum(size), 0) FROM pg_ls_waldir()")[0][0]
    if size > 2 * MOST_LOG_BYTES:
        yield f"the write-ahead log has {int(size) >> 20} MiB"
