"""The manifest of a connector: what `connector.toml` says, read without importing any code."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from connectors.sdk.base import ConnectorKind
from hub.errors import ConfigError

CONTRACT = "1"
"""The version of `connectors.sdk.base` this hub speaks."""

MANIFEST = "connector.toml"

Capability = Literal[
    "source", "document_parser", "eligibility", "order_placer", "message_sender", "message_author"
]
Word = Annotated[str, Field(min_length=1)]
Host = Annotated[str, Field(pattern=r"^(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)+$")]


@dataclass(frozen=True, slots=True)
class WebhookManifest:
    """How the vendor signs webhooks: a scheme of `connectors.sdk.signatures`, its parameters.

    Every key of ``[webhook]`` that is not a field here goes to `params` as it stands.
    """

    scheme: str
    params: Mapping[str, str | int | bool] = field(default_factory=dict)
    max_body_bytes: int = 262_144
    content_types: tuple[str, ...] = ("application/json",)


@dataclass(frozen=True, slots=True)
class Exemption:
    """A check of the conformance kit that the connector need not pass yet, why, and until when."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    check: Word
    reason: Word
    until: date


def _gather_params(value: Any) -> Any:
    """Move the free keys of ``[webhook]`` into `params`."""
    if not isinstance(value, dict):
        return value
    named = {
        key: value[key] for key in ("scheme", "max_body_bytes", "content_types") if key in value
    }
    free = {key: item for key, item in value.items() if key not in named}
    return {**named, "params": free}


@dataclass(frozen=True, slots=True)
class Manifest:
    """One connector as listed. `broken` is empty, or says in a sentence why it is unusable."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$")]
    name: Word
    kind: ConnectorKind | Literal["unknown"]
    contract: Word
    version: Word
    config_version: Annotated[int, Field(ge=1)]
    owners: Annotated[tuple[Word, ...], Field(min_length=1)]
    tier: Word
    lifecycle: Literal["alpha", "beta", "stable", "deprecated"]
    homepage: str
    egress: tuple[Host, ...]
    capabilities: tuple[Capability, ...]
    webhook: Annotated[WebhookManifest, BeforeValidator(_gather_params)] | None = None
    exempt: tuple[Exemption, ...] = ()
    broken: str = ""


_ADAPTER = TypeAdapter(Manifest)


def read_manifest(file: Path, id: str) -> Manifest:
    """Read ``connector.toml``; `id` is the folder's or entry point's name, to be repeated there.

    Raises ConfigError with a sentence that names the file and the key.
    """
    where = f"{file.parent.name}/{file.name}"
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{where} is not TOML: {error}.", hint="Correct the file.") from error
    except OSError as error:
        raise ConfigError(f"{where} cannot be read.", hint="Add the manifest.") from error
    content.setdefault("homepage", "")
    try:
        manifest = _ADAPTER.validate_python(content)
    except ValidationError as error:
        raise _refusal(where, error) from error
    for key, ok, rule in (
        ("id", manifest.id == id, f'must be "{id}", as the folder is named'),
        ("kind", manifest.kind != "unknown", "must be ehr, payer, payroll or supply"),
        ("contract", manifest.contract == CONTRACT, f'must be "{CONTRACT}", which this hub speaks'),
        ("broken", manifest.broken == "", "is not a key of a manifest"),
    ):
        if not ok:
            raise ConfigError(f"{where}: the key {key} {rule}.", field=key, hint="Correct the key.")
    return manifest


def broken_manifest(id: str, reason: str) -> Manifest:
    """The listing of a connector whose manifest cannot be read."""
    return Manifest(
        id=id, name=id, kind="unknown", contract=CONTRACT, version="0", config_version=1,
        owners=(), tier="unknown", lifecycle="alpha", homepage="", egress=(), capabilities=(),
        broken=reason,
    )  # fmt: skip


def _refusal(where: str, error: ValidationError) -> ConfigError:
    first = error.errors(include_url=False, include_input=False)[0]
    key = ".".join(str(part) for part in first["loc"] if not str(part).startswith("function-"))
    rule = {
        "missing": "is missing",
        "unexpected_keyword_argument": "is not a key of a manifest",
        "extra_forbidden": "is not a key of a manifest",
    }.get(first["type"], f"is not valid ({first['msg'][0].lower()}{first['msg'][1:]})")
    return ConfigError(f"{where}: the key {key} {rule}.", field=key, hint="Correct the key.")
