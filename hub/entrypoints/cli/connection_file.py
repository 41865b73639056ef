"""The file and the options a connection is added from: settings, routing, practices, secrets."""

from __future__ import annotations

import getpass
import json
import sys
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import typer

from hub.errors import ConfigError
from hub.settings import environment


def read_file(path: Path) -> tuple[dict[str, Any], dict[str, Any], dict[str, str] | None]:
    """The settings of a TOML or JSON file, its table ``routing`` and, if there is one, its table
    ``practices``: the other side's names for practices and what the hub calls those.

    Raises ConfigError in one sentence; no text repeats a value.
    """
    try:
        text = path.read_text(encoding="utf-8")
        values = json.loads(text) if path.suffix.lower() == ".json" else tomllib.loads(text)
    except (ValueError, OSError) as error:
        raise ConfigError(f"{path} is no readable TOML or JSON file.", field="config") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path} must hold one table of settings.", field="config")
    practices = values.pop("practices", None)
    named = practices.values() if isinstance(practices, dict) else [practices]
    if practices is not None and not all(isinstance(one, str) for one in named):
        raise ConfigError("[practices] maps names to practices.", field="practices")
    return values, values.pop("routing", {}), practices


def pairs(texts: Iterable[str], option: str) -> dict[str, str]:
    """``NAME=VALUE`` options as a mapping; anything else is wrong usage."""
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name or not value:
            raise typer.BadParameter("must be NAME=VALUE.", param_hint=option)
        found[name] = value
    return found


def read_secrets(sources: Mapping[str, str]) -> dict[str, str]:
    """The secrets behind ``env:VARIABLE`` and ``-`` (asked for, or one line of stdin each)."""
    found = {}
    for name, source in sources.items():
        if source == "-":
            asked = sys.stdin.isatty()
            value = getpass.getpass(f"{name}: ") if asked else sys.stdin.readline().rstrip("\r\n")
        elif source.startswith("env:"):
            value = environment(source.removeprefix("env:")) or ""
        else:
            raise typer.BadParameter(
                "must be NAME=env:VARIABLE or NAME=-, never the secret itself.",
                param_hint="--secret",
            )
        if not value:
            raise ConfigError(f"The secret {name} is empty.", field=name, hint="Give it a value.")
        found[name] = value
    return found
