"""The durable queue: acknowledged HL7 messages and jobs per second, as ratios of the disk's own
rate.

    python bench/jobs.py [--json] [--database URL] [--seconds N] [--directory PATH]
                         [--only accepting|jobs] [--full] [--redis URL]

E is the same listener storing nothing, the floor the same rows and group commit with nothing read;
python-hl7 and hl7apy insert each message before they answer. Jobs that do nothing are compared with
Dramatiq's stub, which keeps nothing, and with Dramatiq on Redis; jobs with an effect with a loop of
the driver alone. F is the disk's fdatasync rate, measured just before in the same directory. The
load comes from another process over loopback; listener, database and load share the cores, so
compare ratios, not rates. Without --database a new SQLite file is used; a PostgreSQL URL must name
an empty database.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, closing
from pathlib import Path

# Not this script's directory, which holds files of our packages' names.
sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench.parts import job_rates
from bench.parts.claims import Claims, at_least, at_most, tell
from bench.parts.hub import CRYPTO, SCOPE, NoStore, listening, now, opened, resident
from bench.parts.mllp_load import loaded as load_of
from bench.parts.mllp_peers import floor, hl7apy_server, python_hl7
from hub import log
from hub.entrypoints.interpreter import settle, share_threads
from hub.services.intake import Intake
from hub.storage.session import Database
from hub.storage.tables import JobRow


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


def loaded(port: int, connections: int, **options: float) -> dict[str, float]:
    """What a load of visits of another process got acknowledged."""
    return load_of(port, connections, "visit", **options)


def measure_accepting(url: str, directory: Path, seconds: float, messages: int) -> Claims:
    claims: Claims = []
    with listening(NoStore()) as port:
        bare = loaded(port, 64, seconds=seconds)["rate"]
    print(f"     64 connections, nothing stored (E): {bare:.0f}/s")
    with closing(opened(url)) as database, ExitStack() as peers:
        port = peers.enter_context(listening(Intake(database, CRYPTO, now)))
        first = acknowledged = 0

        def ours(connections: int, **options: float) -> dict[str, float]:
            nonlocal first, acknowledged
            found = loaded(port, connections, first=first, **options)
            first, acknowledged = first + 1_000_000, acknowledged + int(found["count"])
            return found

        alone = 0.0
        for connections, goal in ((1, 0.30), (8, 1.0), (64, 2.5)):
            syncs = fdatasync_rate(directory)
            found = ours(connections, seconds=seconds)
            alone = alone or found["p50"]
            print(
                f"     {connections} connections: {found['rate']:.0f}/s, F {syncs:.0f}/s, "
                f"p50 {found['p50']:.1f} ms, p99 {found['p99']:.1f} ms"
            )
            text = f"durable MLLP, {connections} connections, messages / fdatasync"
            claims.append(at_least(text, found["rate"] / syncs, goal))
        rates = [found["rate"]]
        claims.append(at_least("64 connections, durable / nothing stored", rates[0] / bare, 0.4))
        floors = []
        for _ in range(2):
            with floor(database.url) as floor_port:
                floors.append(loaded(floor_port, 64, seconds=seconds)["rate"])
            rates.append(ours(64, seconds=seconds)["rate"])
        print(f"     floor (same rows and group commit, nothing read): {max(floors):.0f}/s")
        claims.append(at_least("64 connections, ours / floor", max(rates) / max(floors), 0.8))
        with python_hl7(directory) as rival:
            theirs = loaded(rival, 8, seconds=seconds)["rate"]
        with hl7apy_server(directory) as rival:
            slower = loaded(rival, 8, seconds=seconds, fresh=True)["rate"]
        mine = ours(8, seconds=seconds)["rate"]
        print(
            f"     8 connections: ours {mine:.0f}/s, python-hl7 {theirs:.0f}/s, "
            f"hl7apy {slower:.0f}/s"
        )
        claims.append(at_least("8 connections, ours / python-hl7 + insert", mine / theirs, 1.0))
        claims.append(at_least("8 connections, ours / hl7apy + insert", mine / slower, 1.0))
        half = ours(64, seconds=seconds, pace=max(rates) / 2)
        claims.append(
            at_most("p99 at half the rate / p50 of one connection", half["p99"] / alone, 5)
        )
        ours(64, count=messages / 4)
        before = resident()
        ours(64, count=messages)
        text = f"memory after {messages} messages / after a quarter"
        claims.append(at_most(text, resident() / before, 1.1))
        with database.read(SCOPE) as session:
            stored = session.query(JobRow).where(JobRow.queue != "floor").count()
        claims.append(at_most("acknowledged and not stored", acknowledged - stored, 0, "messages"))
    return claims


def measure_jobs(url: str, directory: Path, seconds: float, redis_url: str) -> Claims:
    with closing(opened(url)) as database:
        with listening(Intake(database, CRYPTO, now)) as port:
            claims = measure_applying(database, directory, port, seconds)
        return claims + job_rates.measure(database, directory, redis_url)


def measure_applying(database: Database, directory: Path, port: int, seconds: float) -> Claims:
    """Messages of a backlog applied, and what the listener accepts meanwhile. On PostgreSQL the
    workers have processes of their own, as a deployment would."""
    processes = 1 if database.is_sqlite else 2
    loaded(port, 64, count=3_000, first=900_000_000)
    if database.is_sqlite:
        rate = job_rates.drained(database, directory, 3_000)
    else:
        rate = job_rates.drained_apart(database, directory, processes)
    idle = loaded(port, 8, seconds=seconds, first=910_000_000)["rate"]
    with ExitStack() as stack:
        if database.is_sqlite:
            stack.enter_context(job_rates.working(database, directory))
        else:
            for _ in range(processes):
                worker = job_rates.started_worker(database, directory)
                stack.callback(worker.communicate)
        busy = loaded(port, 8, seconds=seconds, first=920_000_000)["rate"]
        job_rates.wait_for_end(database)
    print(f"     8 connections: {idle:.0f}/s with idle workers, {busy:.0f}/s while they work")
    return [
        at_least(f"messages applied, {processes} process(es)", rate, 400, "/s"),
        at_least("accepted while workers apply / while they are idle", busy / idle, 0.4),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--database", default="", help="an empty PostgreSQL database's URL")
    parser.add_argument("--directory", type=Path, help="where SQLite and the probe of F lie")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of each load")
    parser.add_argument("--full", action="store_true", help="200,000 messages for the memory")
    parser.add_argument("--only", choices=("accepting", "jobs"), help="one half")
    parser.add_argument("--redis", default="redis://127.0.0.1:6379", help="to compare with")
    parser.add_argument("--work", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    log.configure("error")
    share_threads()
    settle()
    if options.work:
        stop = threading.Event()
        threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
        where, directory, lease = options.work
        job_rates.worked(where, Path(directory), float(lease), stop)
        return
    claims: Claims = []
    messages = 200_000 if options.full else 20_000
    with tempfile.TemporaryDirectory(dir=options.directory) as name:
        directory, seconds = Path(name), options.seconds
        if options.only != "jobs":
            url = options.database or f"sqlite:///{directory}/accepting.db"
            claims += measure_accepting(url, directory, seconds, messages)
        if options.only != "accepting":
            url = options.database or f"sqlite:///{directory}/jobs.db"
            claims += measure_jobs(url, directory, seconds, options.redis)
    tell(claims, options.json)


if __name__ == "__main__":
    main()
