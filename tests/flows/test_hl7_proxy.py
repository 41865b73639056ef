"""A real proxy before the listener: its PROXY header, of both versions, names the sender, on plain
TCP and before TLS, and its health checks are no senders."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from connectors.sdk.hl7v2.acks import read_ack
from hub.storage.tables import InboundMessage
from tests.flows.hl7_desk import LONGEST, Desk, Sender, adt
from tests.polling import wait_until

HAPROXY = os.environ.get("HUB_TEST_HAPROXY") or shutil.which("haproxy")
pytestmark = [
    pytest.mark.end_to_end,
    pytest.mark.skipif(HAPROXY is None, reason="HAProxy is not installed"),
]
KNOWN, STRANGER = "127.0.5.7", "127.0.6.7"
CONFIGURATION = """
defaults
  mode tcp
  timeout connect 5s
  timeout client 30s
  timeout server 30s
frontend senders
  bind 127.0.0.1:{port}
  default_backend hub
backend hub
  server hub 127.0.0.1:{hub} {options} check inter 100ms
"""


@contextmanager
def proxy(folder: Path, hub: int, options: str) -> Iterator[int]:
    """HAProxy before the hub's port; the port it listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    file = folder / "haproxy.cfg"
    file.write_text(CONFIGURATION.format(port=port, hub=hub, options=options))
    process = subprocess.Popen([str(HAPROXY), "-db", "-f", str(file)], stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: _listens(port))
        yield port
    finally:
        process.kill()
        process.wait()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), LONGEST).close()
    except OSError:
        return False
    return True


def said(port: int, source: str, tls: ssl.SSLContext | None, control_id: str) -> str:
    """What a sender at an address is answered; empty where it is not listened to."""
    plain = socket.create_connection(("127.0.0.1", port), LONGEST, (source, 0))
    try:
        with plain if tls is None else tls.wrap_socket(plain, server_hostname="127.0.0.1") as bare:
            sender = Sender(bare)
            sender.send(adt(control_id))
            found = read_ack(sender.receive())
            return found[0] if found else ""
    except (ConnectionError, ssl.SSLError):
        return ""
    finally:
        plain.close()


@pytest.mark.parametrize("options", ["send-proxy", "send-proxy-v2"])
@pytest.mark.parametrize("secure", [False, True])
def test_a_proxy_says_who_sends(
    desk: Callable[..., Desk],
    authority: Callable[[str], Any],
    tmp_path: Path,
    options: str,
    secure: bool,
) -> None:
    settings: dict[str, Any] = {"mllp_proxies": "127.0.0.1/32"}
    tls = None
    if secure:
        own = authority("own")
        pair = own.issue("listener")
        settings |= {"mllp_tls_certificate": pair, "mllp_tls_key": pair}
        tls = own.client()
    at = desk(
        options=settings, routing={"sending_application": "DESKEHR", "peers": [f"{KNOWN}/32"]}
    )
    with proxy(tmp_path, at.service.mllp_port, options) as port:
        assert said(port, KNOWN, tls, "C1") == "AA"
        assert said(port, STRANGER, tls, "C2") == ""
    assert at.states() == {"C1": "received"}
    assert [row.source for row in at.rows(InboundMessage)] == ["mllp:ehr|DESKEHR|NORTH"]
