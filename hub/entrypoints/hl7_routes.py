"""Who may send HL7 v2 for which practices: the table the listener checks every message against."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from connectors.ehr_hl7v2.config import Config

LOOPBACK = ("127.0.0.0/8", "::1/128")


@dataclass(frozen=True, slots=True)
class Facility:
    """What MSH-4 stands for on one connection.

    `zone` is the practice's IANA zone, for times without offset; where `receiving_facility` is
    given, MSH-6 must equal it.
    """

    practice_id: str
    zone: str
    receiving_facility: str | None = None


@dataclass(frozen=True, slots=True)
class Hl7Connection:
    """One sending system. `facilities` maps MSH-4.1 as sent; `peers` are the networks (CIDR) it may
    send from, by default only this machine; `processing_ids` are the MSH-11 values taken here."""

    connection_id: str
    sending_application: str
    facilities: Mapping[str, Facility]
    config: Config
    peers: tuple[str, ...] = LOOPBACK
    processing_ids: frozenset[str] = frozenset({"P"})


@dataclass(frozen=True, slots=True)
class Routes:
    """Every connection of the listener; built anew when a connection changes."""

    connections: tuple[Hl7Connection, ...]
    _by_application: dict[str, list[Hl7Connection]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        table: dict[str, list[Hl7Connection]] = {}
        for connection in self.connections:
            table.setdefault(connection.sending_application, []).append(connection)
        object.__setattr__(self, "_by_application", table)

    def find(self, sending_application: str, peer: str) -> Hl7Connection | None:
        """The connection of MSH-3.1 that may send from the address `peer`."""
        for connection in self._by_application.get(sending_application, ()):
            if is_within(peer, connection.peers):
                return connection
        return None

    def knows_peer(self, peer: str) -> bool:
        """Whether any connection may send from this address; others need not be listened to."""
        return any(is_within(peer, connection.peers) for connection in self.connections)


@lru_cache(maxsize=4096)
def is_within(peer: str, networks: tuple[str, ...]) -> bool:
    """Whether an address lies in one of the networks; IPv4 mapped into IPv6 counts as IPv4."""
    try:
        address = ipaddress.ip_address(peer.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return any((mapped or address) in ipaddress.ip_network(network) for network in networks)
