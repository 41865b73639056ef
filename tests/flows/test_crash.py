"""A hub killed without warning: what it acknowledged is processed, each message exactly once."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import select

from connectors.sdk.hl7v2.client import MllpClient
from hub.domain.agreements import unrestricted_scope
from hub.storage.session import Database
from hub.storage.tables import DataIssue, InboundMessage, JobRow, Patient

pytestmark = pytest.mark.end_to_end
SCOPE = unrestricted_scope("test")
LONGEST = 60.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def serving(data_dir: Path, roles: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """`mso-hub serve` in a process of its own and its MLLP port; killed at the end if it lives."""
    port = free_port()
    clean = {key: value for key, value in os.environ.items() if not key.startswith("HUB_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "hub", "serve", "--roles", roles],
        env={
            **clean,
            "HUB_DATA_DIR": str(data_dir),
            "HUB_HTTP_PORT": "0",
            "HUB_MLLP_PORT": str(port),
            "HUB_JOB_LEASE_SECONDS": "2",
            "HUB_LOG_LEVEL": "error",
        },
    )
    try:
        if "mllp" in roles:
            wait_until(lambda: answers(port))
        yield process, port
    finally:
        process.kill()
        process.wait()


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LONGEST
    while not done():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def acknowledged(port: int, messages: list[bytes]) -> set[str]:
    """Control ids of the messages that were answered AA; a connection that dies ends it."""
    taken = set()
    with MllpClient("127.0.0.1", port, attempts=1, timeout=10) as client:
        for content in messages:
            if client.send(content).code != "AA":
                break
            taken.add(content.split(b"|", 10)[9].decode())
    return taken


def states(database: Database) -> dict[str, str]:
    with database.read(SCOPE) as session:
        rows = session.scalars(select(InboundMessage)).all()
    return {row.control_id: row.state for row in rows}


def assert_each_exactly_once(database: Database, taken: set[str]) -> None:
    """One inbox row, one job and one patient each, and issues as many as one reading finds."""
    with database.read(SCOPE) as session:
        messages = session.scalars(select(InboundMessage)).all()
        jobs = session.scalars(select(JobRow).where(JobRow.unique_key.is_not(None))).all()
        patients = session.scalars(select(Patient)).all()
        issues = [issue.inbox_id for issue in session.scalars(select(DataIssue))]
    assert taken <= {row.control_id for row in messages}
    assert len({row.control_id for row in messages}) == len(messages)
    assert {row.state for row in messages} == {"processed"}
    assert sorted(job.args["inbox_id"] for job in jobs) == sorted(row.id for row in messages)
    assert {job.state for job in jobs} == {"done"}
    assert len(patients) == len(messages)
    assert {row.issue_count for row in messages} == {issues.count(messages[0].id)}
    assert all(issues.count(row.id) == row.issue_count for row in messages)
    assert messages[0].issue_count > 0


def finish(data_dir: Path, database: Database) -> None:
    """Start the whole hub again and wait until it has read everything."""
    with serving(data_dir, "web,mllp,jobs"):
        wait_until(lambda: set(states(database).values()) == {"processed"})


@pytest.fixture
def database(seeded: Path) -> Iterator[Database]:
    opened = Database(f"sqlite:///{seeded / 'hub.db'}")
    yield opened
    opened.close()


def test_messages_acknowledged_and_not_yet_read_survive_a_kill(
    seeded: Path, database: Database, message: Callable[..., bytes]
) -> None:
    with serving(seeded, "mllp") as (process, port):
        taken = acknowledged(port, [message(number) for number in range(25)])
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert len(taken) == 25
    assert set(states(database).values()) == {"received"}
    finish(seeded, database)
    assert_each_exactly_once(database, taken)


def test_a_kill_in_the_middle_of_reading_neither_loses_nor_doubles(
    seeded: Path, database: Database, message: Callable[..., bytes]
) -> None:
    with serving(seeded, "mllp") as (_, port):
        taken = acknowledged(port, [message(number) for number in range(150)])
    assert len(taken) == 150
    with serving(seeded, "jobs") as (process, _):
        wait_until(lambda: "processed" in states(database).values())
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert "received" in states(database).values()  # it was killed in the middle
    finish(seeded, database)
    assert_each_exactly_once(database, taken)
