"""Five processes on one database, some killed while messages come in: one effect each."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from connectors.sdk.hl7v2.client import MllpClient
from hub.domain.agreements import unrestricted_scope
from hub.entrypoints.hub import open_hub
from hub.settings import Settings
from hub.storage.session import Database
from hub.storage.tables import InboundMessage, JobRow, Patient
from tests.polling import free_port, wait_until

pytestmark = pytest.mark.end_to_end
SCOPE = unrestricted_scope("test")
LONGEST = 120.0
MESSAGES = 80


class Processes:
    """`mso-hub serve` with one role each, killed and started again by name."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str) -> None:
        role = name.partition(" ")[0]
        command = [sys.executable, "-m", "hub", "serve", "--roles", role]
        self.running[name] = subprocess.Popen(command, env=self.environment)

    def end(self, name: str, how: signal.Signals) -> None:
        process = self.running.pop(name)
        process.send_signal(how)
        process.wait(timeout=LONGEST)

    def replace(self, name: str, how: signal.Signals) -> None:
        self.end(name, how)
        self.start(name)

    def kill(self) -> None:
        for process in self.running.values():
            process.kill()
            process.wait()


@pytest.fixture
def database(
    cluster: dict[str, Any], tmp_path: Path, seed_hub: Callable[..., Any]
) -> Iterator[Database]:
    hub = open_hub(Settings(data_dir=tmp_path, **cluster), migrate=True)
    seed_hub(hub, "http://127.0.0.1:9")
    yield hub.database
    hub.close()


@pytest.fixture
def processes(cluster: dict[str, Any], tmp_path: Path) -> Iterator[Processes]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("HUB_")}
    settings = {
        "data_dir": str(tmp_path),
        "http_port": "0",
        "mllp_port": str(free_port()),
        "job_lease_seconds": "2",
        "log_level": "error",
        **cluster,
    }
    started = Processes({**clean, **{f"HUB_{k.upper()}": v for k, v in settings.items()}})
    yield started
    started.kill()


def send_all(port: int, messages: list[bytes], taken: list[str]) -> None:
    """Send each message until it is answered; note those that were accepted."""
    with MllpClient(
        "127.0.0.1", port, timeout=10, attempts=2000, pause=lambda _: time.sleep(0.05)
    ) as client:
        for content in messages:
            if client.send(content).code == "AA":
                taken.append(content.split(b"|", 10)[9].decode())


def count(database: Database, *where: Any) -> int:
    with database.read(SCOPE) as session:
        statement = select(func.count()).select_from(InboundMessage).where(*where)
        return session.scalar(statement) or 0


def test_each_acknowledged_message_has_one_effect_whoever_is_killed(
    database: Database, processes: Processes, message: Callable[..., bytes]
) -> None:
    names = ("web 1", "web 2", "mllp", "jobs 1", "jobs 2")
    for name in names:
        processes.start(name)
    taken: list[str] = []
    port = int(processes.environment["HUB_MLLP_PORT"])
    contents = [message(number) for number in range(MESSAGES)]
    sender = threading.Thread(target=send_all, args=(port, contents, taken), daemon=True)
    sender.start()
    faults = [
        ("jobs 1", signal.SIGKILL),
        ("mllp", signal.SIGKILL),
        ("web 1", signal.SIGKILL),
        ("jobs 2", signal.SIGTERM),
        ("jobs 1", signal.SIGTERM),
        ("jobs 2", signal.SIGKILL),
    ]
    for number, (name, how) in enumerate(faults, start=1):
        wait_until(lambda least=number: len(taken) >= least * MESSAGES // 10)
        processes.replace(name, how)
    sender.join(LONGEST)
    assert sorted(taken) == sorted(content.split(b"|", 10)[9].decode() for content in contents)
    wait_until(lambda: count(database, InboundMessage.state == "processed") == MESSAGES)
    assert count(database) == MESSAGES
    with database.read(SCOPE) as session:
        jobs = session.scalars(select(JobRow).where(JobRow.unique_key.is_not(None))).all()
        patients = session.scalar(select(func.count()).select_from(Patient))
    ours = [job for job in jobs if "inbox_id" in job.args]
    assert len(ours) == len({job.args["inbox_id"] for job in ours}) == MESSAGES
    wait_until(lambda: all(p.poll() is None for p in processes.running.values()))
    assert {job.state for job in ours} == {"done"}
    assert patients == MESSAGES
