"""The durable queue: acknowledged HL7 messages and jobs per second, as ratios of the disk's own
rate.

    python bench/jobs.py [--json] [--database URL] [--seconds N] [--directory PATH]

F is the disk's fdatasync rate, measured just before in the same directory. The load comes from
another process over loopback; listener, database and load share the cores, so compare ratios, not
rates. Without --database a new SQLite file is used; a PostgreSQL URL must name an empty database.
"""

# ruff: noqa: E402

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

# This script's directory comes first on the path, and this file has the name of a package.
HERE = Path(__file__).resolve().parent
sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != HERE]

from connectors.ehr_hl7v2.config import Config
from connectors.sdk.hl7v2.framing import wrap
from hub import log
from hub.domain.agreements import unrestricted_scope
from hub.domain.jobs import Job
from hub.entrypoints.hl7_receive import Receiver
from hub.entrypoints.hl7_routes import Facility, Hl7Connection, Routes
from hub.entrypoints.mllp import MllpServer, MllpThread
from hub.services.intake import Arrival, Intake, Stored
from hub.settings import Settings
from hub.storage import queue
from hub.storage.crypto import Crypto
from hub.storage.session import Database, ScopedSession
from hub.storage.tables import Base, Connection, JobRow, Practice
from jobs import actors
from jobs.actors import ActorSpec
from jobs.context import JobContext
from jobs.worker import JobWorker

SCOPE = unrestricted_scope("bench")
ROUTES = Routes((Hl7Connection("c", "EHR", {"FAC1": Facility("p", "America/Chicago")}, Config()),))
PADDING = "|".join(f"note {number} of the visit" for number in range(40))
ADT = "\r".join(
    [
        "MSH|^~\\&|EHR|FAC1|HUB|TO1|20260302091500-0600||ADT^A04^ADT_A01|BENCH00001|P|2.5.1",
        "EVN|A04|20260302091400-0600",
        "PID|1||MRNBENCH^^^FAC1^MR||Benchson^Ada||19790412|F|||12 Prospect Dr^^Evanston^IL^60201",
        "PV1|1|O",
        f"ZZZ|{PADDING}",
        "",
    ]
).encode()


def now() -> datetime:
    return datetime.now(UTC)


def message(number: int, patient: int) -> bytes:
    numbered = ADT.replace(b"BENCH00001", b"B%09d" % number)
    return numbered.replace(b"MRNBENCH", b"M%07d" % patient)


def fdatasync_rate(directory: Path, seconds: float = 1.0) -> float:
    """Syncs per second of 4 KiB written over and over into a preallocated file."""
    with tempfile.TemporaryFile(dir=directory) as file:
        descriptor, block, size = file.fileno(), b"x" * 4096, 256
        os.write(descriptor, block * size)
        os.fdatasync(descriptor)
        count, started = 0, time.perf_counter()
        while (spent := time.perf_counter() - started) < seconds:
            os.pwrite(descriptor, block, count % size * 4096)
            os.fdatasync(descriptor)
            count += 1
    return count / spent


@contextmanager
def opened(url: str) -> Iterator[Database]:
    database = Database(url)
    with database.write_engine.begin() as connection:
        Base.metadata.create_all(connection)

    def seed(session: ScopedSession) -> None:
        session.add(Practice(id="p", name="p", zone="America/Chicago", created_at=now()))
        config = {"zone": "America/Chicago"}
        session.add(
            Connection(
                id="c", name="EHR", connector_id="ehr_hl7v2", config=config, created_at=now()
            )
        )

    database.transaction(SCOPE, seed)
    try:
        yield database
    finally:
        database.close()


class NoStore:
    """Accepts at once, to time the listener alone."""

    def receive(self, arrival: Arrival) -> Future[Stored]:
        future: Future[Stored] = Future()
        future.set_result(Stored("x", False, False, arrival.answer))
        return future

    def receive_together(self, arrivals: Sequence[Arrival]) -> Future[list[Stored]]:
        raise NotImplementedError("no batches here")


def accepted(intake: Any, connections: int, seconds: float, first: int) -> dict[str, float]:
    """What a load of another process got acknowledged: count, rate and milliseconds to an answer.

    `first` is the number of the first message, so that no two runs send the same.
    """
    receiver = Receiver(intake, lambda: ROUTES, now)
    with MllpThread(MllpServer(receiver, port=0)) as thread:
        load = [sys.executable, __file__, "--load", str(thread.server.port)]
        more = [str(number) for number in (connections, seconds, first)]
        done = subprocess.run([*load, *more], capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


async def load(port: int, connections: int, seconds: float, first: int) -> dict[str, float]:
    waited: list[float] = []
    until = time.perf_counter() + seconds

    async def one(place: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        number = first + place
        while time.perf_counter() < until:
            started = time.perf_counter()
            writer.write(wrap(message(number, number % 5000)))
            answer = await reader.readuntil(b"\x1c\r")
            waited.append(time.perf_counter() - started)
            assert b"MSA|AA|" in answer, answer
            number += connections
        writer.close()

    started = time.perf_counter()
    await asyncio.gather(*(one(place) for place in range(connections)))
    spent = time.perf_counter() - started
    waited.sort()
    return {
        "count": len(waited),
        "rate": len(waited) / spent,
        "p50": statistics.median(waited) * 1000,
        "p99": waited[int(len(waited) * 0.99)] * 1000,
    }


def jobs_left(database: Database) -> int:
    with database.read(SCOPE) as session:
        return queue.due_count(session, now=now())


def drained(database: Database, directory: Path, threads: int = 4) -> float:
    """Jobs per second of one worker process until none is due."""
    settings = Settings(data_dir=directory, worker_threads=threads)
    count = jobs_left(database)
    worker = JobWorker(
        JobContext(database, Crypto(bytes(range(32))), settings, now), run_schedules=False
    )
    started = time.perf_counter()
    worker.start()
    while jobs_left(database):
        time.sleep(0.05)
    spent = time.perf_counter() - started
    worker.stop()
    return count / spent


def add_jobs(database: Database, count: int, lanes: int) -> float:
    """Rows per second, 500 in a transaction; `lanes` 0 means jobs without one."""
    started = time.perf_counter()
    for first in range(0, count, 500):
        jobs = [
            queue.NewJob(Job.PRUNE, {"n": n}, lanes=[f"l{n % lanes}"] if lanes else [])
            for n in range(first, first + 500)
        ]
        database.transaction(SCOPE, lambda s, jobs=jobs: queue.add_many(s, jobs, now=now()))
    return count / (time.perf_counter() - started)


def measure(url: str, directory: Path, seconds: float) -> list[dict[str, object]]:
    claims: list[dict[str, object]] = []
    with opened(url) as database:
        intake = Intake(database, Crypto(bytes(range(32))), now)
        bare = accepted(NoStore(), 64, seconds, 0)["rate"]
        print(f"     64 connections, nothing stored (E): {bare:.0f}/s")
        first = acknowledged = 0
        for connections, goal in ((1, 0.30), (8, 1.0), (64, 2.5)):
            syncs = fdatasync_rate(directory)
            found = accepted(intake, connections, seconds, first)
            first, acknowledged = first + 1_000_000, acknowledged + int(found["count"])
            ratio = found["rate"] / syncs
            print(
                f"     {connections} connections: {found['rate']:.0f}/s, F {syncs:.0f}/s, "
                f"p50 {found['p50']:.1f} ms, p99 {found['p99']:.1f} ms"
            )
            text = f"durable MLLP, {connections} connections, messages / fdatasync"
            claims.append(at_least(text, ratio, goal))
        claims.append(
            at_least("64 connections, durable / nothing stored", found["rate"] / bare, 0.4)
        )
        with database.read(SCOPE) as session:
            stored = session.query(JobRow).count()
        claims.append(at_most("acknowledged and not stored", acknowledged - stored, "messages", 0))
        rate = drained(database, directory)
        print(f"     messages read and applied: {rate:.0f}/s")
        actors.ACTORS[Job.PRUNE] = ActorSpec(lambda job: None, 60_000)
        added = add_jobs(database, 5_000, 0)
        print(f"     jobs added, 500 in a transaction: {added:.0f}/s")
        free = drained(database, directory)
        add_jobs(database, 5_000, 100)
        laned = drained(database, directory)
        print(f"     jobs that do nothing: {free:.0f}/s, in 100 lanes {laned:.0f}/s")
        claims.append(at_least("jobs in 100 lanes / jobs without one", laned / free, 0.5))
    return claims


def at_least(text: str, value: float, goal: float) -> dict[str, object]:
    """A ratio that should not be smaller."""
    found = {"claim": text, "value": round(value, 2), "unit": "x", "goal": f">= {goal}"}
    return {**found, "ok": value >= goal}


def at_most(text: str, value: float, unit: str, goal: float) -> dict[str, object]:
    """A figure that should not be larger."""
    found = {"claim": text, "value": round(value, 2), "unit": unit, "goal": f"<= {goal}"}
    return {**found, "ok": value <= goal}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--database", default="", help="an empty PostgreSQL database's URL")
    parser.add_argument("--directory", type=Path, help="where SQLite and the probe of F lie")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of each load")
    parser.add_argument("--load", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.load:
        port, connections, seconds, first = options.load
        found = asyncio.run(load(int(port), int(connections), float(seconds), int(first)))
        print(json.dumps(found))
        return
    log.configure("error")
    with tempfile.TemporaryDirectory(dir=options.directory) as directory:
        url = options.database or f"sqlite:///{directory}/hub.db"
        claims = measure(url, Path(directory), options.seconds)
    for claim in claims:
        mark = "ok  " if claim["ok"] else "MISS"
        print(f"{mark} {claim['claim']}: {claim['value']} {claim['unit']} (goal {claim['goal']})")
    if options.json:
        print(json.dumps({"claims": claims}))


if __name__ == "__main__":
    main()
