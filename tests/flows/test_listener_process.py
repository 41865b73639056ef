"""The listener in a process of its own, foreign clients in others: stopped, replaced, killed."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import select

from connectors.sdk.hl7v2.acks import read_ack
from connectors.sdk.hl7v2.framing import Framer, wrap
from hub.domain.agreements import unrestricted_scope
from hub.storage.session import Database
from hub.storage.tables import InboundMessage
from tests.polling import answers, free_port, wait_until

pytestmark = pytest.mark.end_to_end
SCOPE = unrestricted_scope("test")
LONGEST = 60.0

SENDER = """
import json, sys, time
from connectors.sdk.hl7v2.client import MllpClient

port, first, count = map(int, sys.argv[1:])
head = "MSH|^~\\\\&|DESKEHR|NORTH|HUB|HUB|20260302091500-0600||ADT^A04^ADT_A01|S{0}|P|2.5.1\\r"
taken = {}
again = {"attempts": 5000, "pause": lambda _: time.sleep(0.05)}
with MllpClient("127.0.0.1", port, timeout=5, **again) as client:
    for number in range(first, first + count):
        body = "PID|1||M{0}^^^NORTH^MR||Testperson^Number{0}||19790412|F\\r"
        content = (head + body).format(number).encode()
        taken[f"S{number}"] = client.send(content).code
print(json.dumps(taken))
"""
"""Sends messages of its own one after another, each until it is answered; prints the answers."""


def environment(**settings: str) -> dict[str, str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("HUB_")}
    return {**clean, "HUB_LOG_LEVEL": "error", **settings}


@contextmanager
def listening(data_dir: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """The listener on a port; killed at the end if it lives."""
    process = subprocess.Popen(
        [sys.executable, "-m", "hub", "serve", "--roles", "mllp"],
        env=environment(HUB_DATA_DIR=str(data_dir), HUB_MLLP_PORT=str(port)),
    )
    try:
        wait_until(lambda: answers(port))
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def sending(port: int, senders: int, count: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Clients in processes of their own."""
    running = [
        subprocess.Popen(
            [sys.executable, "-c", SENDER, str(port), str(1000 * number), str(count)],
            env=environment(),
            stdout=subprocess.PIPE,
        )
        for number in range(senders)
    ]
    try:
        yield running
    finally:
        for process in running:
            process.kill()
            process.wait()


def answers_of(senders: list[subprocess.Popen[bytes]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for process in senders:
        out, _ = process.communicate(timeout=LONGEST)
        found |= json.loads(out)
    return found


def grown(
    stored: Callable[[], list[InboundMessage]],
    least: int,
    senders: list[subprocess.Popen[bytes]],
) -> bool:
    """Whether more than `least` messages are stored, or no more will come."""
    return len(stored()) > least or all(one.poll() is not None for one in senders)


@pytest.fixture
def stored(seeded: Path) -> Iterator[Callable[[], list[InboundMessage]]]:
    """The messages in the database now."""
    database = Database(f"sqlite:///{seeded / 'hub.db'}")

    def rows() -> list[InboundMessage]:
        with database.read(SCOPE) as session:
            return list(session.scalars(select(InboundMessage)))

    yield rows
    database.close()


def test_a_stopped_listener_answers_what_is_in_flight_and_takes_nobody_new(
    seeded: Path, message: Callable[..., bytes], stored: Callable[[], list[InboundMessage]]
) -> None:
    port = free_port()
    with listening(seeded, port) as process:
        with socket.create_connection(("127.0.0.1", port), LONGEST) as sender:
            sender.sendall(wrap(message(1)))
            assert b"MSA|AA|C1" in sender.recv(65536)
            writer = sqlite3.connect(seeded / "hub.db", isolation_level=None)
            writer.execute("BEGIN IMMEDIATE")  # no commit gets through until this ends
            sender.sendall(wrap(message(2)))
            time.sleep(0.3)
            process.send_signal(signal.SIGTERM)
            wait_until(lambda: not answers(port))
            assert process.poll() is None
            writer.execute("COMMIT")
            writer.close()
            framer, frames = Framer(), []
            while not frames:
                frames = framer.feed(sender.recv(65536))
            assert (read_ack(frames[0].content) or ("", b""))[:2] == ("AA", b"C2")
            assert sender.recv(1) == b""
        assert process.wait(timeout=LONGEST) == 0
    assert sorted(row.control_id for row in stored()) == ["C1", "C2"]


def test_a_restart_under_load_loses_no_message_and_no_answer(
    seeded: Path, stored: Callable[[], list[InboundMessage]]
) -> None:
    port = free_port()
    with sending(port, senders=3, count=120) as senders:
        for _ in range(2):
            with listening(seeded, port) as process:
                before = len(stored())
                wait_until(lambda least=before + 10: grown(stored, least, senders))  # type: ignore[misc]
                process.send_signal(signal.SIGTERM)
                assert process.wait(timeout=LONGEST) == 0
        with listening(seeded, port):
            taken = answers_of(senders)
    assert set(taken.values()) == {"AA"}
    rows = stored()
    assert sorted(row.control_id for row in rows) == sorted(taken)
    assert len(rows) == 360
    # An answer that was lost would show as a repetition.
    assert [row.control_id for row in rows if row.duplicates] == []


def test_a_listener_killed_at_any_moment_loses_nothing_it_answered(
    seeded: Path, stored: Callable[[], list[InboundMessage]]
) -> None:
    port, chance = free_port(), random.Random(7)
    with sending(port, senders=3, count=120) as senders:
        for _ in range(3):
            with listening(seeded, port) as process:
                before = len(stored())
                wait_until(lambda least=before: grown(stored, least, senders))  # type: ignore[misc]
                time.sleep(chance.uniform(0, 0.1))
                process.send_signal(signal.SIGKILL)
                process.wait()
        with listening(seeded, port):
            taken = answers_of(senders)
    assert set(taken.values()) == {"AA"}
    assert sorted(row.control_id for row in stored()) == sorted(taken)


def test_the_sender_of_another_library_is_answered(
    seeded: Path,
    tmp_path: Path,
    message: Callable[..., bytes],
    stored: Callable[[], list[InboundMessage]],
) -> None:
    port = free_port()
    frames = tmp_path / "messages.mllp"
    frames.write_bytes(b"".join(wrap(message(number)) for number in range(5)))
    loose = tmp_path / "messages.hl7"
    loose.write_bytes(
        b"\r\n".join(message(number).replace(b"\r", b"\r\n") for number in range(5, 8))
    )
    client = "from hl7.client import mllp_send; mllp_send()"
    with listening(seeded, port):
        for options in (["--file", str(frames)], ["--loose", "--file", str(loose)]):
            command = [sys.executable, "-c", client, "-p", str(port), *options, "127.0.0.1"]
            ended = subprocess.run(command, capture_output=True, timeout=LONGEST, check=True)
            assert ended.stdout.count(b"MSA|AA|") == (3 if "--loose" in options else 5)
    assert sorted(row.control_id for row in stored()) == [f"C{number}" for number in range(8)]
