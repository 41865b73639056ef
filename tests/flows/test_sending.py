"""A hub killed while a receiver has a message and has not answered: the same bytes again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from connectors.hl7v2_destination.simulator import FakeReceiver
from hub.domain.agreements import unrestricted_scope
from hub.entrypoints.hub import open_hub
from hub.services import connections, outbound
from hub.services.outbound import Content
from hub.settings import Settings
from hub.storage.tables import OutboundMessage
from tests.polling import wait_until

pytestmark = pytest.mark.end_to_end
SCOPE = unrestricted_scope("test")


@contextmanager
def working(data_dir: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`mso-hub serve --roles jobs` in a process of its own; killed at the end if it lives."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("HUB_")}
    settings = {"HUB_DATA_DIR": str(data_dir), "HUB_JOB_LEASE_SECONDS": "2"}
    process = subprocess.Popen(
        [sys.executable, "-m", "hub", "serve", "--roles", "jobs"],
        env={**clean, **settings, "HUB_LOG_LEVEL": "error"},
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def queue_up(data_dir: Path, port: int, contents: list[bytes]) -> None:
    hub = open_hub(Settings(data_dir=data_dir))
    now = datetime.now(UTC)

    def work(session: Any) -> None:
        connections.add(
            session, hub.crypto, connection_id="lab", name="Lab", now=now,
            connector_id="hl7v2_destination",
            config={"host": "127.0.0.1", "port": port, "tls": False, "answer_seconds": 50.0},
        )  # fmt: skip
        messages = [Content(c, "ADT^A04", c.split(b"|", 10)[9].decode()) for c in contents]
        outbound.add(session, hub.crypto, connection_id="lab", messages=messages, now=now)

    hub.database.transaction(SCOPE, work)
    hub.close()


def states(data_dir: Path) -> list[str]:
    hub = open_hub(Settings(data_dir=data_dir))
    with hub.database.read(SCOPE) as session:
        found = list(session.scalars(select(OutboundMessage.state)))
    hub.close()
    return found


def test_a_kill_between_send_and_answer_repeats_what_was_not_recorded_and_loses_none(
    seeded: Path, message: Callable[..., bytes]
) -> None:
    contents = [message(number) for number in range(12)]
    plan: list[Any] = [*["accept"] * 4, "silent"]
    with FakeReceiver(plan) as receiver:
        queue_up(seeded, receiver.port, contents)
        with working(seeded) as process:
            wait_until(lambda: len(receiver.received) == 5)
            process.send_signal(signal.SIGKILL)
            process.wait()
        recorded = states(seeded).count("accepted")
        assert recorded < 5
        sent = receiver.received[:]
        with working(seeded):
            wait_until(lambda: set(states(seeded)) == {"accepted"})
        assert sent == contents[:5]
        assert receiver.received[5:] == contents[recorded:]  # in order, the same bytes
