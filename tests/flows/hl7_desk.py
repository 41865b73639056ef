"""A hub with one EHR connection over real sockets, and the EHR's side of it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select

from connectors.sdk.hl7v2.acks import read_ack
from connectors.sdk.hl7v2.framing import Framer, wrap
from hub.domain.agreements import unrestricted_scope
from hub.entrypoints.hub import Hub, open_hub
from hub.entrypoints.service import Service
from hub.services import connections
from hub.settings import Settings
from hub.storage.session import ScopedSession
from hub.storage.tables import InboundMessage, Practice
from jobs.worker import JobWorker

SCOPE = unrestricted_scope("test")
LONGEST = 30.0


class Sender:
    """One connection of the EHR."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.socket.settimeout(LONGEST)
        self._framer = Framer()
        self._frames: list[bytes] = []

    def send(self, *contents: bytes) -> None:
        self.socket.sendall(b"".join(wrap(content) for content in contents))

    def receive(self) -> bytes:
        """The next frame; empty where the hub closed."""
        while not self._frames:
            data = self.socket.recv(65536)
            if not data:
                return b""
            self._frames += [frame.content for frame in self._framer.feed(data)]
        return self._frames.pop(0)

    def hears_nothing(self, seconds: float = 0.3) -> bool:
        self.socket.settimeout(seconds)
        try:
            return self.receive() is None
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(LONGEST)

    def answer(self) -> tuple[str, str]:
        read = read_ack(self.receive())
        assert read is not None
        return read[0], read[1].decode()


@dataclass
class Desk:
    """A running hub with one EHR connection."""

    hub: Hub
    service: Service
    stack: ExitStack
    workers: list[JobWorker] = field(default_factory=list)

    def connect(self) -> Sender:
        sender = Sender(socket.create_connection(("127.0.0.1", self.service.mllp_port), LONGEST))
        self.stack.callback(sender.socket.close)
        return sender

    def work(self) -> None:
        """Begin to process messages."""
        worker = JobWorker(self.hub.job_context(), poll_milliseconds=50)
        worker.start()
        self.stack.callback(worker.stop)

    def rows(self, table: Any, **where: Any) -> list[Any]:
        with self.hub.database.read(SCOPE) as session:
            return list(session.scalars(select(table).filter_by(**where)))

    def states(self) -> dict[str, str]:
        return {row.control_id: row.state for row in self.rows(InboundMessage)}


@contextmanager
def opened(
    url: str,
    folder: Path,
    *,
    roles: tuple[str, ...] = ("mllp",),
    dialect: dict[str, Any] | None = None,
    options: dict[str, Any] | None = None,
    routing: dict[str, Any] | None = None,
    facility: str = "NORTH",
    zone: str = "UTC",
    **receiving: Any,
) -> Iterator[Desk]:
    """A hub whose listener has the agreements given (a table `receiving`); `dialect` are further
    settings of the connection, `routing` who it takes, `options` settings of the
    hub; the one practice is `facility` of MSH-4 and in `zone`."""
    settings = Settings(
        data_dir=folder,
        database_url=url.replace("+psycopg", ""),
        http_port=0,
        mllp_port=0,
        log_level="error",
        **(options or {}),
    )
    with ExitStack() as stack:
        hub = open_hub(settings, migrate=True)
        stack.callback(hub.close)

        def seed(session: ScopedSession) -> None:
            now = datetime.now(UTC)
            session.add(Practice(id="north", name="North", zone=zone, created_at=now))
            session.flush()
            connections.add(
                session, hub.crypto, connection_id="ehr", name="EHR", connector_id="ehr_hl7v2",
                config={**(dialect or {}), "receiving": receiving},
                routing=routing or {"sending_application": "DESKEHR"},
                practices={facility: "north"}, now=now,
            )  # fmt: skip

        hub.database.transaction(SCOPE, seed)
        service = stack.enter_context(Service(hub, roles))
        yield Desk(hub, service, stack)


def adt(
    control_id: str, *, accept: str = "", application: str = "", body: str = "", **fields: str
) -> bytes:
    """A registration; `fields` replace MSH-n (``f4``)."""
    values = {
        "3": "DESKEHR", "4": "NORTH", "5": "HUB", "6": "HUB", "7": "20260302091500", "8": "",
        "9": "ADT^A04^ADT_A01", "10": control_id, "11": "P", "12": "2.5.1", "13": "", "14": "",
        "15": accept, "16": application,
    }  # fmt: skip
    values |= {name.removeprefix("f"): value for name, value in fields.items()}
    head = "MSH|^~\\&|" + "|".join(values.values())
    patient = body or f"PID|1||M{control_id}^^^NORTH^MR||Testperson^Number||19790412|F\rPV1|1|O\r"
    return f"{head}\r{patient}".encode()


UNREADABLE = "PID|1||^^^NORTH^MR||Testperson^Nobody\r"
"""A patient without an identifier: sound at the door, of no use behind it."""
