"""`mso-hub serve --roles web,jobs --processes 2`: one port, one supervisor, no request lost."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hub.entrypoints.hub import open_hub
from hub.settings import Settings
from tests.polling import answers, free_port, wait_until

pytestmark = pytest.mark.end_to_end


class Served:
    """The supervisor, and the ports of what it supervises."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.port, self.metrics = free_port(), free_port(2)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
        ports = {"http_port": self.port, "metrics_port": self.metrics, "log_level": "error"}
        own = {f"HUB_{name.upper()}": str(value) for name, value in {**ports, **settings}.items()}
        command = [sys.executable, "-m", "hub", "serve", "--roles", "web,jobs", "--processes", "2"]
        self.process = subprocess.Popen(command, env=kept | own)

    def workers(self) -> list[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(child) for child in children.read_text().split()]

    def serve(self, number: int) -> bool:
        return answers(self.metrics + number)


@pytest.fixture
def served(migrated_url: str, tmp_path: Path) -> Iterator[Served]:
    settings: dict[str, Any] = {"database_url": migrated_url, "data_dir": tmp_path}
    open_hub(Settings(_env_file=None, **settings)).close()  # writes the key
    started = Served(settings)
    try:
        wait_until(lambda: started.serve(0) and started.serve(1))
        yield started
    finally:
        started.process.kill()
        started.process.wait()


@pytest.mark.parametrize("migrated_url", ["postgresql"], indirect=True)
def test_web_processes_share_a_port_and_what_they_have_in_hand_is_answered(served: Served) -> None:
    for number in (0, 1):
        address = f"http://127.0.0.1:{served.metrics + number}/metrics"
        told = urllib.request.urlopen(address).read()
        assert b"hub_worker_threads" in told
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"http://127.0.0.1:{served.port}/metrics")
    killed, other = served.workers()
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: killed not in served.workers())
    asked = http.client.HTTPConnection("127.0.0.1", served.port)
    asked.request("GET", "/livez")  # by who is left
    assert asked.getresponse().read()
    wait_until(lambda: len(served.workers()) == 2 and served.serve(0))
    assert other in served.workers()

    body = json.dumps({"query": "{ __typename }"}).encode()
    asked.putrequest("POST", "/graphql")
    asked.putheader("Content-Type", "application/json")
    asked.putheader("Content-Length", str(len(body)))
    asked.endheaders(body[:5])
    served.process.send_signal(signal.SIGTERM)
    wait_until(lambda: not answers(served.port))
    asked.send(body[5:])
    assert asked.getresponse().status == 401
    asked.close()
    assert served.process.wait(timeout=60) == 0
