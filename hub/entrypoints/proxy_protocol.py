"""The PROXY protocol, versions 1 and 2 (haproxy.org, "The PROXY protocol"): who is behind a proxy.

Read byte-exactly from the bare socket, so that nothing of the TLS handshake or the first frame
behind it is taken away.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket

_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_LONGEST_LINE = 107
_LONGEST_BODY = 2048
_FAMILIES = {0x11: (4, 12), 0x21: (16, 36)}


class NoProxyHeader(OSError):
    """A proxy that sent no readable header; the connection ends."""


async def read_origin(connection: socket.socket, proxy: str) -> str:
    """The address of the client behind the proxy; the proxy's own (`proxy`) where it speaks for
    itself (LOCAL, UNKNOWN). Raises NoProxyHeader or OSError."""
    start = await _exactly(connection, len(_SIGNATURE))
    if start == _SIGNATURE:
        return await _version_2(connection, proxy)
    if start.startswith(b"PROXY "):
        return await _version_1(connection, start, proxy)
    raise NoProxyHeader("The proxy sent no PROXY header.")


async def _version_1(connection: socket.socket, line: bytes, proxy: str) -> str:
    while not line.endswith(b"\r\n"):
        if len(line) >= _LONGEST_LINE:
            raise NoProxyHeader("The PROXY line is too long.")
        line += await _exactly(connection, 1)
    parts = line.decode("ascii", "replace").split()
    if len(parts) >= 2 and parts[1] == "UNKNOWN":
        return proxy
    if len(parts) != 6 or parts[1] not in {"TCP4", "TCP6"}:
        raise NoProxyHeader("The PROXY line cannot be read.")
    return _address(parts[2])


async def _version_2(connection: socket.socket, proxy: str) -> str:
    kind, family, *size = await _exactly(connection, 4)
    length = int.from_bytes(bytes(size))
    if kind >> 4 != 2 or length > _LONGEST_BODY:
        raise NoProxyHeader("The PROXY header is not of version 2.")
    body = await _exactly(connection, length)
    if kind & 0x0F == 0:
        return proxy
    width, least = _FAMILIES.get(family, (0, 0))
    if not width or length < least:
        raise NoProxyHeader("The PROXY header names no TCP address.")
    return str(ipaddress.ip_address(body[:width]))


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError as error:
        raise NoProxyHeader("The PROXY line names no address.") from error


async def _exactly(connection: socket.socket, count: int) -> bytes:
    loop, found = asyncio.get_running_loop(), b""
    while len(found) < count:
        more = await loop.sock_recv(connection, count - len(found))
        if not more:
            raise NoProxyHeader("The proxy closed the connection.")
        found += more
    return found
