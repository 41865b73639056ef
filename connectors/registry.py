"""The connectors of this installation: manifests are read at once, code is imported on first use.

A connector is a folder beside this file with a ``connector.toml``, or a package that another
distribution offers under the entry point group ``msohub.connectors`` (name = id, value = package).
One that cannot be read or imported is listed with the reason in `Manifest.broken`; the others stay
up.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from connectors.sdk.base import (
    Connector,
    DocumentParser,
    EligibilityClient,
    MessageAuthor,
    MessageSender,
    OrderPlacer,
    Source,
)
from connectors.sdk.config import ConnectorConfig
from connectors.sdk.manifest import (
    MANIFEST,
    Manifest,
    WebhookManifest,
    broken_manifest,
    read_manifest,
)
from hub.errors import ConfigError, NotFound

__all__ = [
    "GROUP",
    "Manifest",
    "Registry",
    "WebhookManifest",
    "at",
    "config_schema",
    "folder",
    "get",
    "installed",
    "load",
    "manifests",
    "package",
    "validate_config",
]

GROUP = "msohub.connectors"

_PROTOCOLS: Mapping[str, type] = {
    "source": Source,
    "document_parser": DocumentParser,
    "eligibility": EligibilityClient,
    "order_placer": OrderPlacer,
    "message_sender": MessageSender,
    "message_author": MessageAuthor,
}


@dataclass(slots=True)
class _Entry:
    """One known connector; `connector` is filled on first use, `manifest.broken` on failure."""

    manifest: Manifest
    package: str
    folder: Path
    connector: Connector | None = None


class Registry:
    """The connectors below `root` (the package named `package`) and those of `plugins`.

    A plugin cannot replace a connector of the same id: the first one found stays.
    """

    def __init__(
        self, root: Path, *, package: str = "connectors", plugins: Iterable[EntryPoint] = ()
    ) -> None:
        self._entries: dict[str, _Entry] = {}
        for file in sorted(root.glob(f"*/{MANIFEST}")):
            self._add(file.parent.name, f"{package}.{file.parent.name}", file.parent)
        for plugin in sorted(plugins, key=lambda plugin: plugin.name):
            if plugin.name not in self._entries:
                self._add(plugin.name, plugin.value, _folder_of(plugin.value))

    def _add(self, id: str, package: str, folder: Path) -> None:
        try:
            manifest = read_manifest(folder / MANIFEST, id)
        except ConfigError as error:
            manifest = broken_manifest(id, str(error))
        self._entries[id] = _Entry(manifest, package, folder)

    def manifests(self) -> tuple[Manifest, ...]:
        """Every connector by id, broken ones too; imports nothing."""
        return tuple(self._entries[id].manifest for id in sorted(self._entries))

    def sources(self) -> frozenset[str]:
        """The ids of the connectors that have streams to read and can be loaded."""
        listed = (entry.manifest for entry in self._entries.values())
        return frozenset(m.id for m in listed if "source" in m.capabilities and not m.broken)

    def get(self, id: str) -> Manifest:
        """The manifest of `id`; NotFound names ids that look alike."""
        return self._entry(id).manifest

    def folder(self, id: str) -> Path:
        """Where the connector's README and manifest lie."""
        return self._entry(id).folder

    def package(self, id: str) -> str:
        """The import name of the connector's package."""
        return self._entry(id).package

    def load(self, id: str) -> Connector:
        """The connector object, imported on first use.

        Raises NotFound, or ConfigError with the reason where the connector is broken; the reason
        then stands in its manifest.
        """
        entry = self._entry(id)
        if entry.connector is None and not entry.manifest.broken:
            try:
                entry.connector = _import(entry)
            except (
                Exception
            ) as error:  # a stranger's module may raise anything while it is imported
                reason = str(error) if isinstance(error, ConfigError) else _sentence(entry, error)
                entry.manifest = replace(entry.manifest, broken=reason)
                raise ConfigError(reason, hint="See `mso-hub connector list`.") from error
        if entry.connector is None:
            raise ConfigError(entry.manifest.broken, hint="See `mso-hub connector list`.")
        return entry.connector

    def validate_config(self, id: str, values: Mapping[str, Any]) -> ConnectorConfig:
        """The connector's settings from plain values.

        Raises ConfigError whose `field` is the first wrong key; no text repeats a value.
        """
        model = self.load(id).Config
        try:
            return model.model_validate(dict(values))
        except ValidationError as error:
            # Not `from error`: pydantic's text repeats the input, which may be a misplaced secret.
            raise _config_error(error, tuple(model.model_fields)) from None

    def config_schema(self, id: str) -> dict[str, Any]:
        """The JSON Schema of the connector's settings; secrets carry ``"writeOnly": true``."""
        return self.load(id).Config.model_json_schema()

    def _entry(self, id: str) -> _Entry:
        if id in self._entries:
            return self._entries[id]
        near = difflib.get_close_matches(id, self._entries, n=3) or sorted(self._entries)
        text = f'There is no connector "{id}". Near names: {", ".join(near) or "none"}.'
        raise NotFound(text, sought=id)


def _import(entry: _Entry) -> Connector:
    module = importlib.import_module(f"{entry.package}.connector")
    connector: Connector | None = getattr(module, "connector", None)
    if connector is None:
        raise ConfigError(f'{module.__name__} has no object named "connector".')
    for capability in entry.manifest.capabilities:
        if not isinstance(connector, _PROTOCOLS[capability]):
            raise ConfigError(
                f"{module.__name__} lists the capability {capability} and lacks its methods."
            )
    return connector


def _sentence(entry: _Entry, error: Exception) -> str:
    return f"{entry.package} cannot be imported: {type(error).__name__}: {error}"


def _folder_of(package: str) -> Path:
    """Where a plugin's package lies, without importing it (only top-level names are looked up)."""
    top, *rest = package.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        spec = None
    places = list(spec.submodule_search_locations or ()) if spec else []
    return Path(places[0] if places else top, *rest)


def _config_error(error: ValidationError, known: tuple[str, ...]) -> ConfigError:
    faults = [
        (".".join(str(part) for part in fault["loc"]), fault)
        for fault in error.errors(include_url=False, include_input=False)
    ]
    field = faults[0][0]
    text = " ".join(
        f"The setting {key} {_rule(fault)}.".replace("?.", "?") for key, fault in faults
    )
    near = difflib.get_close_matches(field, known, n=1) or ["one of " + ", ".join(known)]
    unknown = faults[0][1]["type"] == "extra_forbidden"
    hint = f"Did you mean {near[0]}?" if unknown else f"Correct {field}."
    return ConfigError(text, field=field, hint=hint)


def _rule(fault: Any) -> str:
    """The broken rule in words; pydantic's own text only where it cannot contain the value."""
    kind = fault["type"]
    if kind == "missing":
        return "is missing"
    if kind == "extra_forbidden":
        return "is not known to this connector"
    if kind == "value_error":
        return str(fault["ctx"]["error"])
    told = fault.get("ctx", {})
    if kind == "literal_error":
        return f"must be {told['expected']}"
    for limit, words in _LIMITS.items():
        if limit in told:
            return f"must {words} {told[limit]}"
    return f"breaks the rule {kind}"


_LIMITS = {
    "ge": "be at least",
    "gt": "be more than",
    "le": "be at most",
    "lt": "be less than",
    "min_length": "have a length of at least",
    "max_length": "have a length of at most",
}


def at(folder: Path, id: str) -> Registry:
    """A registry of one connector that is not installed: the package `id` in `folder`, which then
    is on the import path."""
    sys.path.insert(0, str(folder.resolve()))
    return Registry(folder / "none", plugins=[EntryPoint(id, id, GROUP)])


@cache
def installed() -> Registry:
    """The connectors of this installation."""
    return Registry(Path(__file__).parent, plugins=entry_points(group=GROUP))


def manifests() -> tuple[Manifest, ...]:
    """`Registry.manifests` of this installation."""
    return installed().manifests()


def sources() -> frozenset[str]:
    """`Registry.sources` of this installation."""
    return installed().sources()


def get(id: str) -> Manifest:
    """`Registry.get` of this installation."""
    return installed().get(id)


def folder(id: str) -> Path:
    """`Registry.folder` of this installation."""
    return installed().folder(id)


def package(id: str) -> str:
    """`Registry.package` of this installation."""
    return installed().package(id)


def load(id: str) -> Connector:
    """`Registry.load` of this installation."""
    return installed().load(id)


def validate_config(id: str, values: Mapping[str, Any]) -> ConnectorConfig:
    """`Registry.validate_config` of this installation."""
    return installed().validate_config(id, values)


def config_schema(id: str) -> dict[str, Any]:
    """`Registry.config_schema` of this installation."""
    return installed().config_schema(id)
