"""What the settings and the routing of a connection may say, whoever enters them."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from connectors import registry
from hub.entrypoints.mllp_tls import canonical_name
from hub.errors import ConfigError
from hub.services.appointment_notices import EVENTS
from hub.services.outbound import DESTINATION

_SHORT = "secret://"
_ROUTING = {
    "sending_application",
    "peers",
    "processing_ids",
    "receiving_facilities",
    "certificates",
}
_PROCESSING_IDS = {"P", "T", "D"}


@dataclass(frozen=True, slots=True)
class Checked:
    """Settings and routing as their connector takes them; `moved` if an address they name is not
    the one before, so that kept secrets would be sent elsewhere."""

    config: dict[str, Any]
    routing: dict[str, Any]
    moved: bool = False


def checked(
    connector_id: str,
    config: Mapping[str, Any],
    routing: object,
    secrets: Collection[str],
    connection_id: str,
    *,
    before: Mapping[str, Any] | None = None,
) -> Checked:
    """What a connection is to be set to; `secrets` are the names of those given with it, `before`
    the settings it has. Raises ConfigError naming the setting, NotFound for an unknown connector.
    """
    taken = check_routing(connector_id, routing)
    filled = _refer_to_secrets(connector_id, config, connection_id, secrets)
    addresses = registry.validate_config(connector_id, filled).addresses()
    moved = before is not None and _addresses_of(connector_id, before) != addresses
    return Checked(filled, taken, moved)


def _addresses_of(connector_id: str, config: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """None for settings that the connector no longer takes: nobody knows where those led."""
    try:
        return registry.validate_config(connector_id, config).addresses()
    except ConfigError:
        return None


def check_routing(connector_id: str, routing: object) -> dict[str, Any]:
    """Who may send over a connection of the HL7 connector, and what is forwarded to a destination;
    others have no routing."""
    if connector_id == DESTINATION:
        return _check_forwarding(routing)
    if connector_id != "ehr_hl7v2":
        if routing:
            raise ConfigError(f"{connector_id} has no [routing]; remove it.", field="routing")
        return {}
    if not isinstance(routing, dict) or not isinstance(routing.get("sending_application"), str):
        raise ConfigError(
            "routing needs sending_application, which is the sender's MSH-3.",
            field="routing.sending_application",
        )
    if unknown := sorted(set(routing) - _ROUTING):
        raise ConfigError(
            f"[routing] has no {unknown[0]}; it takes {', '.join(sorted(_ROUTING))}.",
            field=f"routing.{unknown[0]}",
        )
    for key in ("peers", "processing_ids", "certificates"):
        if not _is_list_of_text(routing.get(key, [])):
            raise ConfigError(f"{key} must be a list of texts.", field=f"routing.{key}")
    if wrong := sorted(set(routing.get("processing_ids", ())) - _PROCESSING_IDS):
        raise ConfigError(
            f"processing_ids are P, T and D (MSH-11), not {wrong[0]}.",
            field="routing.processing_ids",
        )
    facilities = routing.get("receiving_facilities", {})
    if not isinstance(facilities, dict) or not _is_list_of_text(list(facilities.values())):
        raise ConfigError(
            "receiving_facilities maps the sender's MSH-4 to the MSH-6 it must send.",
            field="routing.receiving_facilities",
        )
    try:
        for peer in routing.get("peers", ()):
            ipaddress.ip_network(peer)
    except ValueError as error:
        raise ConfigError(
            "peers must be networks like 10.1.0.0/16.", field="routing.peers"
        ) from error
    try:
        for name in routing.get("certificates", ()):
            canonical_name(name)
    except ValueError as error:
        raise ConfigError(
            "certificates must be names like dns:ehr.example or sha256:FINGERPRINT.",
            field="routing.certificates",
        ) from error
    return routing


def _check_forwarding(routing: object) -> dict[str, Any]:
    """What a destination is sent: ``[[routing.forward]]`` with `from` and perhaps `types`, and
    ``[[routing.appointments]]`` with `from` and perhaps `events`."""
    if not isinstance(routing, dict) or set(routing) - {"forward", "appointments"}:
        raise ConfigError(
            "[routing] of a destination takes [[routing.forward]] and [[routing.appointments]].",
            field="routing",
        )
    _check_appointments(routing.get("appointments", []))
    rules = routing.get("forward", [])
    if not isinstance(rules, list):
        raise ConfigError("[[routing.forward]] is a list of rules.", field="routing.forward")
    for rule in rules:
        sound = isinstance(rule, dict) and set(rule) <= {"from", "types"}
        if not sound or not isinstance(rule.get("from"), str):
            raise ConfigError(
                "Each [[routing.forward]] names a connection in `from`, and perhaps `types`.",
                field="routing.forward",
            )
        if not _is_list_of_text(rule.get("types", [])):
            raise ConfigError(
                'types must be a list like ["ADT", "SIU^S12"].', field="routing.forward.types"
            )
    return routing


def _check_appointments(rules: object) -> None:
    for rule in rules if isinstance(rules, list) else [None]:
        known = isinstance(rule, dict) and set(rule) <= {"from", "events"}
        if not isinstance(rule, dict) or not known or not isinstance(rule.get("from"), str):
            raise ConfigError(
                "Each [[routing.appointments]] names a connection in `from`, and perhaps `events`.",
                field="routing.appointments",
            )
        events = rule.get("events", [])
        if not _is_list_of_text(events) or set(events) - set(EVENTS):
            raise ConfigError(
                f"events must be a list of {', '.join(EVENTS)}.",
                field="routing.appointments.events",
            )


def _is_list_of_text(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _refer_to_secrets(
    connector_id: str, config: Mapping[str, Any], connection_id: str, names: Iterable[str]
) -> dict[str, Any]:
    """The settings with references to this connection's secrets.

    A secret named like a setting fills it where the file leaves it out; ``secret://NAME`` in the
    file stands for any other.
    """
    properties = registry.config_schema(connector_id).get("properties", {})
    filled = {key: _expanded(value, connection_id) for key, value in config.items()}
    for name in names:
        if name in properties and name not in filled:
            reference = f"{_SHORT}conn/{connection_id}/{name}"
            is_list = properties[name].get("type") == "array"
            filled[name] = [reference] if is_list else reference
    return filled


def _expanded(value: Any, connection_id: str) -> Any:
    if isinstance(value, list):
        return [_expanded(item, connection_id) for item in value]
    if isinstance(value, str) and value.startswith(_SHORT):
        name = value.removeprefix(_SHORT)
        return value if "/" in name else f"{_SHORT}conn/{connection_id}/{name}"
    return value
