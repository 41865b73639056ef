"""A new connector's files: a source over REST with its simulator, page and first fixture.

In a template, lines between ``#: WORD`` and the next ``#:`` line are kept where WORD is the kind or
the way in that was chosen; `string.Template` fills in the rest.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import re
import sys
from collections.abc import Collection, Iterator, Mapping
from keyword import iskeyword
from pathlib import Path
from string import Template
from typing import Any, Final, Literal

from connectors.sdk.kit.settings_schema import write_committed
from hub.errors import ConfigError, Conflict

Kind = Literal["payroll", "supply"]
Auth = Literal["api_key", "oauth2"]

_TEMPLATES: Final = Path(__file__).parent / "templates"
_FIXTURE: Final = "page.json"
_FIXTURES: Final = {_FIXTURE, "page.expected.json"}
_ID: Final = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_IMPORTS: Final = re.compile(r"(?:^from \w+\.[\w.]+ import .+\n)+", re.MULTILINE)
_BY_KIND: Final = {
    "payroll": {
        "streams": "payroll_runs",
        "fields": "`company`, `period`, `check_date`, `state`, `gross`, `net` and `cost` become a "
        "`PayrollRun`.",
        "code": "`unknown_value` | a state the map lacks: add it in `parse.py` with a fixture",
    },
    "supply": {
        "streams": "offers",
        "fields": "`gtin`, `name`, `category`, `pack_units`, `pack_code` and `price` become an "
        "`Offer`.",
        "code": "`gtin_check_digit` | the vendor's GTIN is wrong: ask the vendor",
    },
}
_BY_AUTH: Final = {
    "api_key": {
        "door": "an API key",
        "credentials": "An API key from the vendor's console, given as a reference: `env:NAME` or "
        "`file:PATH`.",
    },
    "oauth2": {
        "door": "OAuth 2.0 client credentials",
        "credentials": "OAuth 2.0 client credentials (RFC 6749 §4.4); the secret is given as a "
        "reference: `env:NAME` or `file:PATH`.",
    },
}


def write_connector(id: str, *, kind: Kind, auth: Auth, into: Path, package: str) -> list[Path]:
    """Write the package `package` to ``into/<id>`` and its fixture to ``fixtures/<id>``.

    Returns what was written. Raises ConfigError for an id that cannot be one, Conflict where
    something is there already; then nothing is written.
    """
    if not _ID.fullmatch(id) or iskeyword(id) or id in sys.stdlib_module_names:
        raise ConfigError(f'"{id}" can be no id; an id is like payroll_acme.', field="id")
    folder, cases = into / id, _fixtures(into, package) / id
    for place in (folder, cases):
        if place.exists():
            raise Conflict(f"{place} is there already; nothing was written.")
    host = f"{id.replace('_', '-')}.example"
    values = {
        "id": id,
        "ID": id.upper(),
        "package": package,
        "kind": kind,
        "host": host,
        "name": id.replace("_", " ").capitalize(),
        "Class": "".join(part.capitalize() for part in id.split("_")),
        **_BY_KIND[kind],
        **_BY_AUTH[auth],
    }
    files: dict[Path, str] = {}
    for template in sorted(_TEMPLATES.glob("*.tmpl")):
        kept = "".join(_chosen(template.read_text(encoding="utf-8"), {kind, auth}))
        place = cases if template.stem in _FIXTURES else folder
        files[place / template.stem] = _sorted(Template(kept).substitute(values))
    files[cases / "page.meta.toml"] = _meta(files[cases / _FIXTURE], values)
    for file, text in files.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return [*files, write_committed(folder, 1, _schema(into, package))]


def _schema(into: Path, package: str) -> dict[str, Any]:
    """The settings of a package just written, which is forgotten again: it may be changed yet."""
    path, bytecode = list(sys.path), sys.dont_write_bytecode
    sys.path.insert(0, str((into.parent if "." in package else into).resolve()))
    sys.dont_write_bytecode = True
    importlib.invalidate_caches()
    try:
        config = importlib.import_module(f"{package}.config").Config
        found: dict[str, Any] = config.model_json_schema()
        return found
    finally:
        sys.path[:], sys.dont_write_bytecode = path, bytecode
        for name in [n for n in sys.modules if n == package or n.startswith(f"{package}.")]:
            del sys.modules[name]


def _fixtures(into: Path, package: str) -> Path:
    """Beside the folder of this project's own connectors, and inside another one."""
    return (into.parent if "." in package else into) / "fixtures"


def _chosen(text: str, words: Collection[str]) -> Iterator[str]:
    wanted = True
    for line in text.splitlines(keepends=True):
        if line.startswith("#: "):
            word = line.removeprefix("#: ").strip()
            wanted = word == "end" or word in words
        elif wanted:
            yield line


def _sorted(text: str) -> str:
    """With the imports in order, where the new package's own come among the others."""
    return _IMPORTS.sub(lambda found: "".join(sorted(found[0].splitlines(keepends=True))), text)


def _meta(page: str, values: Mapping[str, str]) -> str:
    """Where the fixture comes from."""
    facts = {
        "origin": "synthetic",
        "author": "mso-hub",
        "document": f"{values['name']} API, GET /v1/{values['streams']}",
        "stream": values["streams"],
        "sha256": hashlib.sha256(page.encode()).hexdigest(),
    }
    return "".join(f"{key} = {json.dumps(text)}\n" for key, text in facts.items())
