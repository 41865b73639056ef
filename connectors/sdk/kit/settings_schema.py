"""The JSON Schema of a connector's settings as committed, and what a change of it breaks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hub.errors import ConfigError

SCHEMA_FILE = "config.schema.json"
_TEXTS = {"title", "description", "examples", "default"}
"""What says nothing about which settings are valid."""


def read_committed(folder: Path) -> tuple[int, dict[str, Any]] | None:
    """The version and the schema that lie beside a connector; None if there are none."""
    file = folder / SCHEMA_FILE
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        return int(found["config_version"]), dict(found["schema"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_committed(folder: Path, version: int, schema: Mapping[str, Any]) -> Path:
    """Write the schema of `version` beside a connector.

    Raises ConfigError where settings valid under the one that lies there may not be valid any
    more, and the version is the same.
    """
    stored = read_committed(folder)
    if stored is not None and stored[0] == version:
        found = list(breaking(stored[1], schema))
        if found:
            raise ConfigError(
                f"Settings that are stored may no longer hold: {'; '.join(found)}."
                " Raise config_version in connector.toml.",
                field="config_version",
            )
    file = folder / SCHEMA_FILE
    text = json.dumps({"config_version": version, "schema": schema}, indent=2, ensure_ascii=False)
    file.write_text(text + "\n", encoding="utf-8")
    return file


def breaking(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """What settings valid under `old` may break under `new`; nothing where one is only added."""
    tables = {"": new, **new.get("$defs", {})}
    for table, before in {"": old, **old.get("$defs", {})}.items():
        after = tables.get(table)
        if after is None:
            continue  # whoever referred to it refers to something else, which is told
        prefix = f"{table}." if table else ""
        if "properties" not in before and _rule(before) != _rule(after):
            yield f"{table} takes other values"
        properties = after.get("properties", {})
        for name, rule in before.get("properties", {}).items():
            if name not in properties:
                yield f"{prefix}{name} is gone"
            elif _rule(rule) != _rule(properties[name]):
                yield f"{prefix}{name} takes other values"
        for name in after.get("required", ()):
            if name not in before.get("required", ()):
                yield f"{prefix}{name} is required"


def _rule(schema: Any) -> Any:
    """A schema without what only describes."""
    if isinstance(schema, Mapping):
        return {key: _rule(value) for key, value in schema.items() if key not in _TEXTS}
    if isinstance(schema, list):
        return [_rule(value) for value in schema]
    return schema
