"""Where a request may go, decided at the moment it connects.

The text of an address proves nothing: a listed name may resolve to an address inside our own
network. So the name is resolved here, every address it has is checked, and the connection goes to
the very address that was checked.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import Iterable
from functools import cache
from typing import Any

import httpcore2
import httpx2

from hub.errors import ConfigError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052 §2.1
_REFUSED = tuple(
    ipaddress.ip_network(network)
    for network in (
        "192.0.0.0/24",  # IETF protocol assignments, RFC 6890
        "192.88.99.0/24",  # the former 6to4 relays, RFC 7526
        "168.63.129.16/32",  # the host of a virtual machine in Azure
        "fec0::/10",  # site-local, RFC 3879
    )
)


def may_connect(address: str, *, allow_loopback: bool = False) -> bool:
    """True for a public unicast address; for loopback only where that is allowed.

    An IPv4 address inside an IPv6 one (mapped, NAT64, 6to4, Teredo) counts as itself.
    """
    found: Address = ipaddress.ip_address(address.partition("%")[0])
    if found.is_loopback:
        return allow_loopback
    inner = _embedded(found)
    if inner is not None:
        return may_connect(str(inner))
    listed = any(found in network for network in _REFUSED if network.version == found.version)
    return found.is_global and not (found.is_multicast or found.is_reserved or listed)


def _embedded(address: Address) -> Address | None:
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None)


class GuardedBackend(httpcore2.NetworkBackend):
    """Opens connections to addresses that `may_connect` allows, and to no other."""

    def __init__(self, *, allow_loopback: bool = False) -> None:
        self._allow_loopback = allow_loopback
        self._network = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        """Raises ConfigError where one of the name's addresses may not be reached."""
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise httpcore2.ConnectError("the name does not resolve") from error
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        if not all(may_connect(a, allow_loopback=self._allow_loopback) for a in addresses):
            raise ConfigError(
                "The name of the vendor leads to an address that is not a public one.",
                field="base_url",
                hint="Check the name; vendors are reached at public addresses only.",
            )
        for address in addresses[:-1]:
            try:
                return self._network.connect_tcp(
                    address, port, timeout, local_address, socket_options
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                continue
        return self._network.connect_tcp(
            addresses[-1], port, timeout, local_address, socket_options
        )


def guarded_transport(*, allow_loopback: bool = False) -> httpx2.HTTPTransport:
    """httpx2's transport over `GuardedBackend`.

    httpx2 offers no setting for it: the backend of its pool is replaced, which a test watches.
    """
    transport = httpx2.HTTPTransport(verify=_trust(), trust_env=False)
    backend = GuardedBackend(allow_loopback=allow_loopback)
    transport._pool._network_backend = backend
    return transport


@cache
def _trust() -> ssl.SSLContext:
    """Read once: it takes tens of milliseconds to read every public authority."""
    return httpx2.create_ssl_context(trust_env=False)
