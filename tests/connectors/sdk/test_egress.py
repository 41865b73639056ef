"""Which addresses a vendor's name may lead to, and that requests go through that check."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from connectors.sdk.egress import guarded_transport, may_connect
from connectors.sdk.http import Http
from hub.errors import ConfigError, Transient


class Clock:
    def now(self) -> datetime:
        return datetime(2026, 3, 2, 15, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "::1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.169.254",
        "168.63.129.16",
        "192.0.0.8",
        "192.88.99.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "240.0.0.1",
        "::",
        "fe80::1%eth0",
        "fc00::1",
        "fec0::1",
        "ff02::1",
        "::ffff:10.0.0.1",
        "::ffff:127.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "2001:0:4136:e378:8000:63bf:f5ff:fffe",
    ],
)
def test_an_address_that_is_not_public_may_not_be_reached(address: str) -> None:
    assert not may_connect(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_a_public_address_may_be_reached(address: str) -> None:
    assert may_connect(address)


def test_loopback_may_be_reached_where_it_is_allowed_and_a_private_address_not_even_there() -> None:
    assert may_connect("127.0.0.1", allow_loopback=True)
    assert not may_connect("10.1.2.3", allow_loopback=True)
    assert not may_connect("::ffff:127.0.0.1", allow_loopback=True)


@pytest.fixture
def inside() -> Iterator[tuple[int, list[str]]]:
    """A server on loopback: its port, and the paths it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port, asked
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def resolved(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Names and the one address each resolves to."""
    names: dict[str, str] = {}
    real = socket.getaddrinfo

    def resolve(host: str, *more: Any, **options: Any) -> Any:
        return real(names.get(host, host), *more, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return names


def http(*, allow_loopback: bool = False) -> Http:
    return Http(
        egress=("*.vendor.example",), clock=Clock(), allow_loopback=allow_loopback, timeout=2
    )


def refused(client: Http, url: str) -> str:
    with pytest.raises(ConfigError) as error:
        client.request("GET", url)
    client.close()
    assert error.value.field == "base_url"
    return str(error.value)


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "169.254.169.254"])
def test_a_listed_name_that_leads_inside_is_not_connected_to(
    inside: tuple[int, list[str]], resolved: dict[str, str], address: str
) -> None:
    port, asked = inside
    resolved["api.vendor.example"] = address
    text = refused(http(), f"https://api.vendor.example:{port}/x")
    assert "not a public one" in text
    assert address not in text
    assert asked == []


def test_a_name_that_does_not_resolve_is_tried_again_later(resolved: dict[str, str]) -> None:
    resolved["api.vendor.example"] = "no-such-name.invalid"
    client = http()
    with pytest.raises(Transient):
        client.request("GET", "https://api.vendor.example/")
    client.close()


@pytest.mark.parametrize(
    "url",
    [
        "http://api.vendor.example/",
        "https://api.vendor.example.evil.example/",
        "https://vendor.example/",
        "https://169.254.169.254/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://localhost./",
        "https://api.vendor.example@169.254.169.254/",
    ],
)
def test_an_address_off_the_list_or_without_tls_is_refused(url: str) -> None:
    refused(http(), url)


def test_a_simulator_on_loopback_is_reached_where_that_is_allowed(
    inside: tuple[int, list[str]],
) -> None:
    port, asked = inside
    client = http(allow_loopback=True)
    assert client.request("GET", f"http://127.0.0.1:{port}/x").status_code == 200
    client.close()
    assert asked == ["/x"]
    refused(http(), f"http://127.0.0.1:{port}/x")
    assert asked == ["/x"]


def test_clients_verify_with_authorities_that_are_read_once() -> None:
    first, second = (guarded_transport()._pool._ssl_context for _ in range(2))
    assert first is second
    assert first is not None
    assert (first.verify_mode, first.check_hostname) == (ssl.CERT_REQUIRED, True)
