"""The durable queue: acknowledged HL7 messages and jobs per second, as ratios of the disk's own
rate.

    python bench/jobs.py [--json] [--database URL|postgresql] [--seconds N] [--directory PATH]
                         [--only accepting|jobs] [--full] [--redis URL]
                         [--fsync-takes MICROSECONDS]

E is the same listener storing nothing, the floor the same rows and group commit with nothing read;
python-hl7 and hl7apy insert each message before they answer. Jobs that do nothing are compared with
Dramatiq's stub, which keeps nothing, and with Dramatiq on Redis; jobs with an effect with a loop of
the driver alone. F is the disk's fdatasync rate, measured just before in the same directory. The
load comes from another process over loopback; listener, database and load share the cores, so
compare ratios, not rates. Without --database a new SQLite file is used; `postgresql` is a server of
the bench's own, the URL of another must name an empty database, for one half. With --fsync-takes
every sync of a file takes so much longer than on this disk, whoever asks for it, and the goals of
acceptance are those of such a disk; it needs a C compiler, and SQLite or a server of the bench's
own. On a tmpfs (--directory) a sync then takes that long whatever else the disk has to do.
"""

from __future__ import annotations

import argparse
import sys
import threading
from contextlib import ExitStack, closing
from pathlib import Path

# Not this script's directory, which holds files of our packages' names.
sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench.parts import accepting, job_rates, places
from bench.parts.accepting import loaded
from bench.parts.claims import Claims, at_least, at_most, tell
from bench.parts.hub import CRYPTO, listening, now, opened
from bench.parts.places import Place
from hub import log
from hub.entrypoints.interpreter import settle, share_threads
from hub.services.intake import Intake
from hub.storage.session import Database


def measure_jobs(place: Place, seconds: float, redis_url: str) -> Claims:
    with closing(opened(place.url("jobs"))) as database:
        with listening(Intake(database, CRYPTO, now)) as port:
            claims = measure_applying(database, place.directory, port, seconds)
        return claims + job_rates.measure(database, place.directory, redis_url)


def measure_applying(database: Database, directory: Path, port: int, seconds: float) -> Claims:
    """Messages of a backlog applied, and what the listener accepts meanwhile. On PostgreSQL the
    workers have processes of their own, as a deployment would."""
    processes = 1 if database.is_sqlite else 2
    loaded(port, 64, count=3_000, first=900_000_000)
    if database.is_sqlite:
        rate = job_rates.drained(database, directory, 3_000)
    else:
        rate = job_rates.drained_apart(database, directory, processes)
    idle = loaded(port, 8, seconds=seconds, first=910_000_000)
    with ExitStack() as stack:
        if database.is_sqlite:
            stack.enter_context(job_rates.working(database, directory))
        else:
            for _ in range(processes):
                worker = job_rates.started_worker(database, directory)
                stack.callback(worker.communicate)
        busy = loaded(port, 8, seconds=seconds, first=920_000_000)
        job_rates.wait_for_end(database)
    for text, found in (("idle", idle), ("busy", busy)):
        print(
            f"     8 connections, workers {text}: {found['rate']:.0f}/s, "
            f"p50 {found['p50']:.1f} ms, p99 {found['p99']:.1f} ms"
        )
    return [
        at_least(f"messages applied, {processes} process(es)", rate, 400, "/s"),
        at_least("accepted while workers apply / are idle", busy["rate"] / idle["rate"], 0.4),
        at_most("p99 while workers apply / are idle", busy["p99"] / idle["p99"], 5),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--database", default="", help="`postgresql`, or an empty one's URL")
    parser.add_argument("--directory", type=Path, help="where SQLite and the probe of F lie")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of each load")
    parser.add_argument("--full", action="store_true", help="200,000 messages for the memory")
    parser.add_argument("--only", choices=("accepting", "jobs"), help="one half")
    parser.add_argument("--redis", default="redis://127.0.0.1:6379", help="to compare with")
    parser.add_argument("--fsync-takes", type=int, help="microseconds each sync takes longer")
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
    if options.database not in {"", places.OWN_SERVER} and options.only is None:
        parser.error("a URL is one empty database, for one half: say --only accepting or jobs")
    if options.fsync_takes and not places.is_slow():
        raise SystemExit(places.again_with_slow_syncs(options.fsync_takes, options.directory))
    claims: Claims = []
    with places.place(options.directory, options.database) as place:
        place.tell()
        if options.only != "jobs":
            messages = 200_000 if options.full else 20_000
            claims += accepting.measure(place, options.seconds, messages)
        if options.only != "accepting":
            claims += measure_jobs(place, options.seconds, options.redis)
    tell(claims, options.json)


if __name__ == "__main__":
    main()
