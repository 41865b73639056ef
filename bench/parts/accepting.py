"""Messages a listener acknowledges, as ratios of what the disk, the listener without a store and
the floor can do."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from bench.parts import places
from bench.parts.claims import Claims, at_least, at_most, shown
from bench.parts.hub import CRYPTO, SCOPE, NoStore, listening, now, opened, resident
from bench.parts.mllp_load import loaded as load_of
from bench.parts.mllp_peers import floor, hl7apy_server, python_hl7
from bench.parts.places import Place
from hub.services.intake import Intake
from hub.storage.session import Database
from hub.storage.tables import JobRow

GOALS = {1: 0.3, 8: 1.0, 64: 2.5}
GOALS_WHERE_SYNCS_ARE_SLOW = {1: 0.3, 8: 5.0, 64: 15.0}
"""Connections, and durable messages for each sync the disk can do in that time."""
OF_NOTHING_STORED = 0.4
"""Of the listener's rate without a store: enough at 64 connections where a sync takes less than the
work on a few messages."""


def loaded(port: int, connections: int, **options: float) -> dict[str, float]:
    """What a load of visits of another process got acknowledged."""
    return load_of(port, connections, "visit", **options)


class Listener:
    """The hub's own, which gets no control id twice."""

    def __init__(self, port: int) -> None:
        self._port, self._first = port, 0
        self.acknowledged = 0

    def take(self, connections: int, **options: float) -> dict[str, float]:
        found = loaded(self._port, connections, first=self._first, **options)
        self._first += 1_000_000
        self.acknowledged += int(found["count"])
        return found


def measure(place: Place, seconds: float, messages: int) -> Claims:
    with listening(NoStore()) as port:
        bare = loaded(port, 64, seconds=seconds)["rate"]
    print(f"     64 connections, nothing stored (E): {bare:.0f}/s")
    with closing(opened(place.url("accepting"))) as database:
        with listening(Intake(database, CRYPTO, now)) as port:
            ours = Listener(port)
            claims, alone, rate = _of_syncs(place, ours, bare, seconds)
            best, more = _beside_floor(database, ours, rate, seconds)
            claims += more
            claims += _beside_others(place, ours, seconds)
            half = ours.take(64, seconds=seconds, pace=best / 2)
            text = "p99 at half the rate / p50 of one connection"
            claims.append(at_most(text, half["p99"] / alone, 5))
            claims.append(_memory(ours, messages))
        with database.read(SCOPE) as session:
            stored = session.query(JobRow).where(JobRow.queue != "floor").count()
        lost = ours.acknowledged - stored
        return [*claims, at_most("acknowledged and not stored", lost, 0, "messages")]


def _of_syncs(
    place: Place, ours: Listener, bare: float, seconds: float
) -> tuple[Claims, float, float]:
    """Also the median wait of one connection, and the rate of 64."""
    claims: Claims = []
    goals = GOALS_WHERE_SYNCS_ARE_SLOW if places.is_slow() else GOALS
    waits = []
    for connections, goal in goals.items():
        syncs = places.fdatasync_rate(place.directory)
        found = ours.take(connections, seconds=seconds)
        rate = found["rate"]
        waits.append(found["p50"])
        print(
            f"     {connections} connections: {rate:.0f}/s, F {syncs:.0f}/s, "
            f"p50 {found['p50']:.1f} ms, p99 {found['p99']:.1f} ms"
        )
        text = f"durable MLLP, {connections} connections, messages / fdatasync"
        of_syncs = at_least(text, rate / syncs, goal)
        if connections == 64 and not of_syncs["ok"] and not places.is_slow():
            text_of_bare = "64 connections, durable / nothing stored"
            claims.append(shown(text, rate / syncs))
            claims.append(at_least(text_of_bare, rate / bare, OF_NOTHING_STORED))
        else:
            claims.append(of_syncs)
    return claims, waits[0], rate


def _beside_floor(
    database: Database, ours: Listener, rate: float, seconds: float
) -> tuple[float, Claims]:
    """Our best rate, and what it is of the floor's."""
    rates, floors = [rate], []
    for _ in range(2):
        with floor(database.url) as port:
            floors.append(loaded(port, 64, seconds=seconds)["rate"])
        rates.append(ours.take(64, seconds=seconds)["rate"])
    print(f"     floor (same rows and group commit, nothing read): {max(floors):.0f}/s")
    text = "64 connections, ours / floor"
    return max(rates), [at_least(text, max(rates) / max(floors), 0.8)]


def _beside_others(place: Place, ours: Listener, seconds: float) -> Claims:
    with python_hl7(place.directory) as port:
        theirs = loaded(port, 8, seconds=seconds)["rate"]
    with hl7apy_server(place.directory) as port:
        slower = loaded(port, 8, seconds=seconds, fresh=True)["rate"]
    mine = ours.take(8, seconds=seconds)["rate"]
    print(
        f"     8 connections: ours {mine:.0f}/s, python-hl7 {theirs:.0f}/s, hl7apy {slower:.0f}/s"
    )
    return [
        at_least("8 connections, ours / python-hl7 + insert", mine / theirs, 1.0),
        at_least("8 connections, ours / hl7apy + insert", mine / slower, 1.0),
    ]


def _memory(ours: Listener, messages: int) -> dict[str, Any]:
    ours.take(64, count=messages / 4)
    before = resident()
    ours.take(64, count=messages)
    text = f"memory after {messages} messages / after a quarter"
    return at_most(text, resident() / before, 1.1)
