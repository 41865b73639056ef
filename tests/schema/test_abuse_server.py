"""A hub in a process of its own answers its clients while others send it hostile requests."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from hub.auth.credentials import create_client
from hub.domain.agreements import PrincipalKind, unrestricted_scope
from hub.entrypoints.hub import open_hub
from hub.settings import Settings
from tests.polling import answers, free_port, wait_until

pytestmark = pytest.mark.end_to_end
SCOPE = unrestricted_scope("test")
LONGEST = 60.0
ANSWERS = 40
HOSTILE = [
    b'{"query": "{ practices { nodes { ' + b"id " * 950 + b'} } }"}',
    b'{"query": "' + b"{ a " * 3_000 + b'"}',
    b'{"query": "{ a }", "variables": {"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}}",
    b'{"query": "{ a }", "a": 1, "a": 2}',
    b'{"query": "' + b"x" * 20_000_000 + b'"}',
    b'{"query": "query A { a }", "operationName": "' + b"A" * 200_000 + b'"}',
]


@dataclass
class Server:
    url: str
    process: subprocess.Popen[bytes]
    keys: list[str]

    def ask(self, key: str) -> object:
        """What a well-behaved client gets as data."""
        headers = {"Authorization": f"Bearer {key}"}
        body = {"query": "{ practices { totalCount } }"}
        with httpx2.Client(trust_env=False, verify=False, timeout=LONGEST) as http:
            return http.post(self.url, json=body, headers=headers).json().get("data")

    def post(self, body: bytes, key: str) -> int:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
        with httpx2.Client(trust_env=False, verify=False, timeout=LONGEST) as http:
            try:
                return http.post(self.url, content=body, headers=headers).status_code
            except (httpx2.WriteError, httpx2.ReadError):
                return 413  # closed while the body was still being sent


@contextmanager
def serving(data_dir: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("HUB_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "hub", "serve", "--roles", "web"],
        env={
            **clean,
            "HUB_DATA_DIR": str(data_dir),
            "HUB_HTTP_PORT": str(port),
            "HUB_LOG_LEVEL": "error",
        },
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def server(data_dir: Path) -> Iterator[Server]:
    hub = open_hub(Settings(_env_file=None, data_dir=data_dir), exclusive=True, migrate=True)
    try:
        keys = [
            hub.database.transaction(
                SCOPE,
                lambda s, name=name: create_client(
                    s, name, PrincipalKind.MSO_APP, now=hub.now(), developer=True
                ),
            )[1]
            for name in ("good", "hostile")
        ]
    finally:
        hub.close()
    port = free_port()
    with serving(data_dir, port) as process:
        made = Server(f"http://127.0.0.1:{port}/graphql", process, keys)
        wait_until(lambda: answers(port))
        yield made


def test_a_client_is_answered_while_others_attack(server: Server) -> None:
    good, hostile = server.keys
    over = threading.Event()
    refused: list[int] = []

    def attack(first: int) -> None:
        number = first
        while not over.is_set():
            refused.append(server.post(HOSTILE[number % len(HOSTILE)], hostile))
            number += 1

    attackers = [threading.Thread(target=attack, args=(number,)) for number in range(4)]
    for attacker in attackers:
        attacker.start()
    try:
        answered = [server.ask(good) for _ in range(ANSWERS)]
        deadline = time.monotonic() + LONGEST
        while len(refused) < 2 * len(HOSTILE) and time.monotonic() < deadline:
            answered.append(server.ask(good))
    finally:
        over.set()
        for attacker in attackers:
            attacker.join()
    assert answered == [{"practices": {"totalCount": 0}}] * len(answered)
    assert len(refused) >= 2 * len(HOSTILE)
    assert set(refused) <= {200, 400, 413, 429}  # 200 carries errors for application/json
    assert server.process.poll() is None
