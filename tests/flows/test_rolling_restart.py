"""Listeners that take each other's place on one port while senders go on."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from hub.domain.agreements import unrestricted_scope
from hub.entrypoints.hub import Hub, open_hub
from hub.settings import Settings
from hub.storage.tables import InboundMessage
from tests.polling import wait_until

pytestmark = pytest.mark.end_to_end
SCOPE = unrestricted_scope("test")
LONGEST = 60.0
SENDERS, MESSAGES = 3, 150

SENDER = """
import json, sys
from connectors.sdk.hl7v2.client import MllpClient

port, first, count = map(int, sys.argv[1:])
head = "MSH|^~\\\\&|DESKEHR|NORTH|HUB|HUB|20260302091500-0600||ADT^A04^ADT_A01|S{0}|P|2.5.1\\r"
taken = {}
with MllpClient("127.0.0.1", port, timeout=10, attempts=4, pause=lambda _: None) as client:
    for number in range(first, first + count):
        body = "PID|1||M{0}^^^NORTH^MR||Testperson^Number{0}||19790412|F\\r"
        outcome = client.send((head + body).format(number).encode())
        taken[f"S{number}"] = outcome.code
print(json.dumps(taken))
"""
"""Never waits: whoever closes its connection, another listener must be there at once."""


class Listeners:
    """Processes that listen on one port."""

    def __init__(self, hub: Hub, stack: ExitStack) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        clean = {key: value for key, value in os.environ.items() if not key.startswith("HUB_")}
        self.environment = {
            **clean,
            "HUB_DATA_DIR": str(hub.settings.data_dir),
            "HUB_DATABASE_URL": hub.settings.resolved_database_url(),
            "HUB_MLLP_PORT": str(self.port),
            "HUB_MLLP_SHARE_PORT": "true",
            "HUB_LOG_LEVEL": "info",
        }
        self.said = hub.settings.data_dir / "said.log"
        self._stack = stack

    def start(self) -> subprocess.Popen[bytes]:
        """A further listener, that says what it has to say in `said`."""
        with self.said.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "hub", "serve", "--roles", "mllp"],
                env=self.environment, stderr=output, stdout=output,
            )  # fmt: skip
        self._stack.callback(process.wait)
        self._stack.callback(process.kill)
        return process

    def sender(self, number: int) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-c", SENDER, str(self.port), str(1000 * number), str(MESSAGES)],
            env=self.environment, stdout=subprocess.PIPE,
        )  # fmt: skip
        self._stack.callback(process.communicate)
        self._stack.callback(process.kill)
        return process

    def listening(self) -> int:
        """How many sockets listen on the port."""
        wanted = f"0100007F:{self.port:04X}"
        lines = Path("/proc/net/tcp").read_text().splitlines()
        return sum(1 for line in lines if line.split()[1] == wanted and line.split()[3] == "0A")


@pytest.fixture
def hub(migrated_url: str, tmp_path: Path, seed_hub: Callable[[Hub, str], Any]) -> Iterator[Hub]:
    plain = migrated_url.replace("+psycopg", "")
    opened = open_hub(Settings(data_dir=tmp_path, database_url=plain), migrate=True)
    seed_hub(opened, "http://127.0.0.1:9")
    yield opened
    opened.close()


def test_a_new_listener_takes_connections_before_the_old_one_ends_and_no_answer_is_lost(
    hub: Hub,
) -> None:
    def stored() -> int:
        with hub.database.read(SCOPE) as session:
            return session.scalar(select(func.count()).select_from(InboundMessage)) or 0

    with ExitStack() as stack:
        listeners = Listeners(hub, stack)
        old = listeners.start()
        wait_until(lambda: listeners.listening() == 1)
        if hub.database.is_sqlite:  # one process at a time on a file
            second = listeners.start()
            assert second.wait(timeout=LONGEST) == 1
            assert "Another hub is running" in listeners.said.read_text()
            return
        senders = [listeners.sender(number) for number in range(SENDERS)]
        for least in (30, 120):
            wait_until(lambda least=least: stored() > least)  # type: ignore[misc]
            new = listeners.start()
            wait_until(lambda: listeners.listening() == 2)
            old.send_signal(signal.SIGTERM)
            assert old.wait(timeout=LONGEST) == 0
            assert listeners.listening() == 1
            old = new
        taken: dict[str, str] = {}
        for sender in senders:
            out, _ = sender.communicate(timeout=LONGEST)
            taken |= json.loads(out)
    assert set(taken.values()) == {"AA"}
    with hub.database.read(SCOPE) as session:
        rows = session.scalars(select(InboundMessage)).all()
    assert sorted(row.control_id for row in rows) == sorted(taken)
    assert len(rows) == SENDERS * MESSAGES
    # A message whose answer was lost would have been sent again.
    assert [row.control_id for row in rows if row.duplicates] == []
