"""The parts of a hub that several benches measure: its database, its listener, a store that keeps
nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from connectors.ehr_hl7v2.config import Config
from hub.domain.agreements import unrestricted_scope
from hub.entrypoints.hl7_receive import Receiver
from hub.entrypoints.hl7_routes import Facility, Hl7Connection, Routes
from hub.entrypoints.mllp import MllpServer, MllpThread
from hub.services.intake import Arrival, Stored, Told
from hub.storage.crypto import Crypto
from hub.storage.envelopes import LABEL
from hub.storage.session import Database, ScopedSession
from hub.storage.tables import Base, Connection, Practice

SCOPE = unrestricted_scope("bench")
CRYPTO = Crypto(bytes(range(32)))
ROUTES = Routes((Hl7Connection("c", "EHR", {"FAC1": Facility("p", "America/Chicago")}, Config()),))


def now() -> datetime:
    return datetime.now(UTC)


def connected(url: str) -> Database:
    """A database whose jobs are signed as `CRYPTO` signs them."""
    database = Database(url)
    database.envelopes.use(CRYPTO.subkey(LABEL))
    return database


def opened(url: str) -> Database:
    """An empty database with the one connection of the routes."""
    database = connected(url)
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
    return database


@contextmanager
def listening(intake: Any) -> Iterator[int]:
    """A listener on that store, and its port."""
    receiver = Receiver(intake, lambda: ROUTES, now)
    with MllpThread(MllpServer(receiver, port=0)) as thread:
        yield thread.server.port


def resident(process: int | str = "self") -> float:
    """Megabytes a process holds in memory."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


class NoStore:
    """Accepts at once, to time the listener alone."""

    def receive_then(self, arrival: Arrival, told: Told) -> None:
        told(Stored("x", False, False, arrival.answer), None)

    def receive_together(self, arrivals: Sequence[Arrival]) -> Future[list[Stored]]:
        future: Future[list[Stored]] = Future()
        future.set_result([Stored("x", False, False, each.answer) for each in arrivals])
        return future
