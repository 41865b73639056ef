"""Durable acknowledgements: our listener beside the floor (the same tables and group commit;
nothing is read, looked up or encrypted) and the servers of python-hl7 and hl7apy with one insert
and commit for each message. What the floor has over these two is about what group commit can give
on this disk.

    python bench/mllp.py [--json] [--database URL|postgresql] [--directory PATH] [--seconds N]
                         [--rounds N] [--messages N] [--fsync-takes MICROSECONDS]

Admissions of 2.1 KB at 1, 8 and 64 connections; peers alternate in each round and medians are
compared. The load comes from another process over loopback and shares the cores with listener and
database, so that ratios count, not rates. --messages sends so many at the end and looks at the
memory of this process meanwhile; with --rounds 0 that is all. Without --database a new SQLite file
is used; `postgresql` is a server of the bench's own, the URL of another must name an empty
database.

Group commit gives what the disk's syncs cost, so that the ratios are those of one disk, which is
told. With --fsync-takes every sync of a file takes so much longer than on this disk, for each of
the peers and PostgreSQL alike; it needs a C compiler and SQLite or a server of the bench's own. On
a tmpfs (--directory) a sync then takes that long whatever else the disk has to do.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any

# Not this script's directory, which holds files of our packages' names.
sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench.parts import places
from bench.parts.claims import Claims, at_least, at_most, shown, tell
from bench.parts.hub import CRYPTO, listening, now, opened, resident
from bench.parts.mllp_load import loaded
from bench.parts.mllp_peers import floor, hl7apy_server, python_hl7
from bench.parts.places import Place
from hub import log
from hub.entrypoints.interpreter import settle, share_threads
from hub.services.intake import Intake

CONNECTIONS = (1, 8, 64)
FIRST = 10_000_000
Peer = Callable[[], AbstractContextManager[int]]


class Load:
    """Sends no control id twice to the hub."""

    def __init__(self) -> None:
        self._next = 0

    def __call__(self, port: int, connections: int, **options: float) -> dict[str, float]:
        self._next += FIRST
        return loaded(port, connections, first=self._next, **options)


def compared(peers: dict[str, Peer], load: Load, seconds: float, rounds: int) -> dict[str, Any]:
    """Peer -> connections -> median rate."""
    found: dict[str, dict[int, list[float]]] = {name: {} for name in peers}
    for _ in range(rounds):
        for connections in CONNECTIONS:
            for name, peer in peers.items():
                with peer() as port:
                    options = {"seconds": seconds, "fresh": name == "hl7apy"}
                    rate = load(port, connections, **options)["rate"]
                found[name].setdefault(connections, []).append(rate)
    return {
        name: {connections: statistics.median(rates) for connections, rates in by.items()}
        for name, by in found.items()
    }


def memory(port: int, load: Load, messages: int) -> Claims:
    """What this process holds after a tenth of the messages, after half and after all."""
    held = []
    for part in (0.1, 0.4, 0.5):
        load(port, 64, count=messages * part)
        held.append(resident())
    start, middle, end = held
    print(f"     resident after {messages // 10}, {messages // 2} and {messages} messages: "
          f"{start:.0f}, {middle:.0f} and {end:.0f} MB")  # fmt: skip
    return [at_most(f"memory after {messages} messages / after a tenth", end / start, 1.1)]


def measure(place: Place, seconds: float, rounds: int, messages: int) -> Claims:
    load = Load()
    with closing(opened(place.url("hub"))) as database:
        rival: Path | str = place.directory if database.is_sqlite else database.url
        peers: dict[str, Peer] = {
            "floor": lambda: floor(database.url),
            "ours": lambda: listening(Intake(database, CRYPTO, now)),
            "python-hl7": lambda: python_hl7(rival),
            "hl7apy": lambda: hl7apy_server(rival),
        }
        with peers["ours"]() as port:
            load(port, 64, seconds=1)
        claims = rated(peers, load, seconds, rounds) if rounds else []
        if messages:
            with peers["ours"]() as port:
                claims += memory(port, load, messages)
        return claims


def rated(peers: dict[str, Peer], load: Load, seconds: float, rounds: int) -> Claims:
    """Rates beside the others', and what half of our rate waits for its answers."""
    rates = compared(peers, load, seconds, rounds)
    for name, by in rates.items():
        said = ", ".join(f"{count}: {rate:.0f}/s" for count, rate in by.items())
        print(f"     {name}, by connections: {said}")
    ours = rates["ours"]
    waits = {}
    for name in ("floor", "ours"):
        with peers[name]() as port:
            waits[name] = load(port, 64, seconds=max(seconds, 5), pace=ours[64] / 2)
    said = "; ".join(f"{name} {_waits(found)}" for name, found in waits.items())
    print(f"     64 connections at {ours[64] / 2:.0f}/s: {said}")
    return [
        at_least("64 connections, ours / floor", ours[64] / rates["floor"][64], 0.8),
        *(
            at_least(f"64 connections, ours / {name} + insert", ours[64] / rates[name][64], 30)
            for name in ("python-hl7", "hl7apy")
        ),
        shown(
            "64 connections, floor / python-hl7 + insert",
            rates["floor"][64] / rates["python-hl7"][64],
        ),
        at_most("p99 to an acknowledgement at half the rate", waits["ours"]["p99"], 25, "ms"),
    ]


def _waits(found: dict[str, float]) -> str:
    return f"p50 {found['p50']:.1f} ms, p99 {found['p99']:.1f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--database", default="", help="`postgresql`, or an empty one's URL")
    parser.add_argument("--directory", type=Path, help="where SQLite's files lie")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of each load")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--messages", type=int, default=0, help="for the memory, 200000")
    parser.add_argument("--fsync-takes", type=int, help="microseconds each sync takes longer")
    options = parser.parse_args()
    if options.fsync_takes and not places.is_slow():
        raise SystemExit(places.again_with_slow_syncs(options.fsync_takes, options.directory))
    log.configure("error")
    share_threads()
    settle()
    with places.place(options.directory, options.database) as place:
        place.tell()
        claims = measure(place, options.seconds, options.rounds, options.messages)
    tell(claims, options.json)


if __name__ == "__main__":
    main()
