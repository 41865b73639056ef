"""The base of every connector's settings model and the type of its secrets."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, WithJsonSchema

from hub.domain.times import zone_named


class ConnectorConfig(BaseModel):
    """Settings of one connection. Unknown keys are errors; secrets are references, never values."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def addresses(self) -> dict[str, Any]:
        """The settings that say where the connection's secrets are sent, by name; all of them
        where none is marked, since any may."""
        fields = type(self).model_fields.items()
        marked = {name: getattr(self, name) for name, field in fields if ADDRESS in field.metadata}
        return marked or self.model_dump()


ADDRESS = "address"
"""Stands beside the type of a setting that says where the connection's secrets are sent: kept ones
are not sent to another."""

SECRET_SCHEMES = ("secret://", "env:", "file:")


def _secret_reference(value: str) -> str:
    if not value.startswith(SECRET_SCHEMES):
        raise ValueError(
            "must be a reference (secret://…, env:NAME or file:PATH), never the secret itself"
        )
    return value


Secret = Annotated[
    str,
    AfterValidator(_secret_reference),
    WithJsonSchema({"type": "string", "format": "secret-reference", "writeOnly": True}),
]
"""A reference to a secret: ``secret://conn/<connection>/<name>``, ``env:NAME`` or ``file:PATH``."""


def _base_url(value: str) -> str:
    parts = urlsplit(value)
    if not parts.hostname or parts.query or parts.fragment or parts.username:
        raise ValueError(
            "must be an address like https://api.vendor.example without query or login"
        )
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname)):
        raise ValueError("must begin with https:// (plain http only to a simulator on loopback)")
    return value.rstrip("/")


def is_loopback(host: str) -> bool:
    """True for localhost and loopback addresses."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


BaseUrl = Annotated[str, AfterValidator(_base_url), ADDRESS]
"""A vendor's address: https, or http on loopback for a simulator; no trailing slash."""


def _time_zone(value: str) -> str:
    if zone_named(value) is None:
        raise ValueError("must be an IANA time zone such as America/Chicago")
    return value


TimeZone = Annotated[str, AfterValidator(_time_zone)]
"""The name of an IANA time zone."""
