"""Messages from their frames to applied records while they arrive, by whom they are about: patients
nobody knew, known ones, and the mix of an ordinary day. A listener's receiver in this process,
workers in processes of their own, as a deployment would."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.parts.claims import Claims, at_least, shown
from bench.parts.hl7_end_to_end import backends, received
from bench.parts.hl7_messages import admission, move
from bench.parts.hub import ROUTES
from bench.parts.job_rates import started_worker, wait_for_end, working
from hub.storage.session import Database

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Cost:
    """Messages per second until the last one was applied, and milliseconds of CPU per message: of
    our processes, and of the server's for our connections."""

    rate: float
    ours: float
    server: float


def told_of_mixes(database: Database, directory: Path, count: int) -> Claims:
    """The rate and the CPU of `count` messages of each mix."""
    claims: Claims = []
    with _workers(database, directory) as workers:
        _cost(database, workers, [admission(_FIRST + n, _FIRST + n) for n in range(200)])
        for name, contents in _mixes(_FIRST + 1_000, count).items():
            cost = _cost(database, workers, contents)
            print(
                f"     {name}: {cost.rate:.0f}/s, {cost.ours + cost.server:.2f} ms CPU a message "
                f"(hub {cost.ours:.2f}, PostgreSQL {cost.server:.2f})"
            )
            text = f"frame to applied record, {name}"
            claims.append(at_least(f"{text}, beside the listener", cost.rate, 400, "/s"))
            claims.append(shown(f"{text}, CPU of all", cost.ours + cost.server, "ms"))
    return claims


_FIRST = 30_000_000
"""Patients, visits and control ids are counted from here, beyond those of `hl7.end_to_end`."""


def _mixes(first: int, count: int) -> dict[str, list[bytes]]:
    """The messages of each mix. Half of the known patients come for another visit, the others are
    moved within the one they are here for; each is in a mix once."""
    half, tenth = count // 2, count // 10
    patients = range(first, first + count)
    known = [*_visits(first + count, patients[:half]), *_moves(first + 2 * count, patients[half:])]
    mixed = [
        *_visits(first + 3 * count, patients[half + tenth :]),
        *_moves(first + 4 * count, patients[:half]),
        *_visits(first + 5 * count, range(first + count, first + count + tenth)),
    ]
    for messages in (known, mixed):
        random.Random(1).shuffle(messages)
    new = list(_visits(first, patients))
    return {"new patients": new, "known patients": known, "a tenth of them new": mixed}


def _visits(control: int, patients: range) -> Iterator[bytes]:
    """Admissions, each to a visit of its own, which has the number of its message."""
    return (admission(control + n, patient, control + n) for n, patient in enumerate(patients))


def _moves(control: int, patients: range) -> Iterator[bytes]:
    """Transfers within the visits that patients first came for."""
    return (move(control + n, patient, patient) for n, patient in enumerate(patients))


@contextmanager
def _workers(database: Database, directory: Path) -> Iterator[list[int]]:
    """Workers, and the ids of their processes: two, or none where the database has one process."""
    with ExitStack() as stack:
        if database.is_sqlite:
            stack.enter_context(working(database, directory))
        workers = [] if database.is_sqlite else [started_worker(database, directory) for _ in "12"]
        for worker in workers:
            stack.callback(worker.communicate)
        yield [worker.pid for worker in workers]


def _cost(database: Database, workers: list[int], contents: list[bytes]) -> Cost:
    def spent() -> tuple[float, float]:
        ours = time.process_time() + sum(map(_processor, workers))
        return ours, backends(database)

    before, started = spent(), time.perf_counter()
    asyncio.run(received(database, ROUTES, contents))
    wait_for_end(database, 0.1)
    seconds, after = time.perf_counter() - started, spent()
    ours, server = ((b - a) / len(contents) * 1000 for a, b in zip(before, after, strict=True))
    return Cost(len(contents) / seconds, ours, server)


def _processor(process: int) -> float:
    """Seconds of CPU that a process, its threads all, has had."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS
