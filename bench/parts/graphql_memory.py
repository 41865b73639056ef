"""What processes of `mso-hub serve --roles web` hold in memory, at their start and after load."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.parts.graphql_data import ROLE_URL
from bench.parts.graphql_load import CONNECTIONS, Running, bodies, load_for, wait_until_it_answers
from bench.parts.graphql_queries import ASKED

PORT = 8798
LOAD_SECONDS = 3.0
"""Of each kind of requests: shorter, and fewer documents would be kept."""
OTHERS_SECONDS = 2.0
"""After the first answer; the other processes start meanwhile."""
_POINTS = str(10**9)


@dataclass(frozen=True)
class Held:
    """Megabytes of a process: `resident` counts what it shares with others in full,
    `proportional` by its share."""

    resident: float
    proportional: float


def memory(count: int, ids: list[str], key: str) -> tuple[Held, Held]:
    """What the process that holds most of so many does, after the first answer and after all kinds
    of requests."""
    with _serving(count) as process:
        running = Running("hub", process, PORT, bodies("hub", ids), key)
        wait_until_it_answers(running)
        time.sleep(OTHERS_SECONDS)
        started = _most(process.pid, count)
        for kind in ASKED:
            asyncio.run(load_for(running, kind, LOAD_SECONDS, CONNECTIONS))
        return started, _most(process.pid, count)


@contextmanager
def _serving(count: int) -> Iterator[subprocess.Popen[bytes]]:
    with tempfile.TemporaryDirectory() as folder:
        own = {
            "DATABASE_URL": ROLE_URL,
            "DATA_DIR": folder,
            "KEY": bytes(range(32)).hex(),
            "HTTP_PORT": str(PORT),
            "GRAPHQL_COST_MAXIMUM": _POINTS,
            "GRAPHQL_RESTORE_RATE": _POINTS,
            "LOG_LEVEL": "error",
        }
        environment = {**os.environ, **{f"HUB_{name}": value for name, value in own.items()}}
        command = [sys.executable, "-m", "hub", "serve", "--roles", "web"]
        process = subprocess.Popen([*command, "--processes", str(count)], env=environment)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(timeout=30)


def _most(process: int, count: int) -> Held:
    """Of the process alone, or of those it supervises."""
    found = [process]
    if count > 1:
        children = Path(f"/proc/{process}/task/{process}/children").read_text()
        found = [int(child) for child in children.split()]
    return max((_held(each) for each in found), key=lambda held: held.proportional)


def _held(process: int) -> Held:
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()[1:]
    kib = {
        name: int(value.split()[0]) for name, _, value in (line.partition(":") for line in lines)
    }
    return Held(kib["Rss"] * 1024 / 1e6, kib["Pss"] * 1024 / 1e6)
