"""Who may send HL7 v2 for which practices: the table the listener checks every message against."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

from connectors.ehr_hl7v2.config import Config
from connectors.ehr_hl7v2.receiving import Limits
from hub.errors import ConfigError

LOOPBACK = ("127.0.0.0/8", "::1/128")
_PEERS_KEPT = 4096


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end: the address and the names of a verified client certificate
    (`hub.entrypoints.mllp_tls.names_of`); `transport` is empty for MLLP."""

    address: str
    certificate: frozenset[str] = frozenset()
    transport: str = ""


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
class Forward:
    """What of a connection goes on to the destination `connection_id`: types such as ``ADT`` or
    ``ADT^A04``; none named means all. `full` says that too much waits for it, and what is then done
    with what would go on to it."""

    connection_id: str
    types: frozenset[str] = frozenset()
    full: Literal["refuse", "park"] | None = None

    def takes(self, type: str, message_type: str) -> bool:
        return not self.types or type in self.types or message_type in self.types


@dataclass(frozen=True, slots=True)
class Hl7Connection:
    """One sending system. `facilities` maps MSH-4.1 as sent; `peers` are the networks (CIDR) it may
    send from, by default only this machine; `certificates` the names of client certificates, one of
    which it must show if any are given; `processing_ids` are the MSH-11 values taken here;
    `forwards` say what of it goes on to other systems."""

    connection_id: str
    sending_application: str
    facilities: Mapping[str, Facility]
    config: Config
    peers: tuple[str, ...] = LOOPBACK
    processing_ids: frozenset[str] = frozenset({"P"})
    certificates: frozenset[str] = frozenset()
    forwards: tuple[Forward, ...] = ()


@dataclass(frozen=True, slots=True)
class Routes:
    """Every connection of the listener; built anew when a connection changes. `unusable` are those
    whose settings no longer hold, with what is wrong: their senders are not known."""

    connections: tuple[Hl7Connection, ...]
    unusable: Mapping[str, ConfigError] = field(default_factory=dict)
    _of_peer: dict[Peer, tuple[Hl7Connection, ...]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    outlines: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    """What `hl7_outlines` found by these routes."""

    def of(self, peer: Peer) -> tuple[Hl7Connection, ...]:
        """The connections a peer may use. A certificate that some of them name binds it to those;
        a connection that names certificates takes no other peer."""
        found = self._of_peer.get(peer)
        if found is None:
            near = [one for one in self.connections if is_within(peer.address, one.peers)]
            bound = [one for one in near if one.certificates & peer.certificate]
            found = tuple(bound or [one for one in near if not one.certificates])
            if len(self._of_peer) >= _PEERS_KEPT:
                self._of_peer.clear()
            self._of_peer[peer] = found
        return found

    def find(self, sending_application: str, peer: Peer) -> Hl7Connection | None:
        """The connection of MSH-3.1 that this peer may use."""
        for connection in self.of(peer):
            if connection.sending_application == sending_application:
                return connection
        return None

    def knows_address(self, address: str) -> bool:
        """Whether any connection may send from this address; others need not be listened to."""
        return any(is_within(address, connection.peers) for connection in self.connections)

    def connections_from(self, address: str) -> int:
        """How many connections of an address are served at once, whoever it turns out to be."""
        near = [one for one in self.connections if is_within(address, one.peers)]
        return max((one.config.receiving.limits.connections for one in near), default=1)

    def limits(self, peer: Peer) -> Limits:
        """What a peer may ask before it is known which of its connections it uses: the most that
        one of them allows."""
        limits = [connection.config.receiving.limits for connection in self.of(peer)]
        if len(limits) < 2:
            return limits[0] if limits else Limits()
        rates = [one.messages_per_second for one in limits]
        return Limits(
            connections=max(one.connections for one in limits),
            messages_per_second=None if None in rates else max(rate or 0 for rate in rates),
            burst=max(one.burst for one in limits),
            frame_bytes=max(one.frame_bytes for one in limits),
        )


@lru_cache(maxsize=4096)
def is_within(address: str, networks: tuple[str, ...]) -> bool:
    """Whether an address lies in one of the networks; IPv4 mapped into IPv6 counts as IPv4."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return any((mapped or parsed) in ipaddress.ip_network(network) for network in networks)
