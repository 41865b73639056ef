"""A new connector's files: its code, its simulator, its page, a fixture and a test.

In a template, lines between ``#: WORDS`` and the next ``#:`` line are kept where one of the words
was chosen (of ``one+two`` both); `string.Template` fills in the rest. A file of which nothing is
kept is not written.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import re
import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from keyword import iskeyword
from pathlib import Path
from string import Template
from typing import Any, Final, Literal

from connectors.sdk.kit.settings_schema import write_committed
from connectors.sdk.scaffold.texts import BY_AUTH, BY_KIND
from hub.errors import ConfigError, Conflict

Kind = Literal["ehr", "payer", "payroll", "supply"]
Auth = Literal["api_key", "oauth2"]

_TEMPLATES: Final = Path(__file__).parent / "templates"
_TEST: Final = "test.py"
_ID: Final = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_IMPORTS: Final = re.compile(r"(?:^from \w+\.[\w.]+ import .+\n)+", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Choice:
    """What a person asked for. `auth` opens the vendor's API; an EHR is not called. With `webhook`
    the vendor also sends events; an EHR always does, and a payer never."""

    kind: Kind
    auth: Auth | None = None
    webhook: bool = False

    def words(self) -> set[str]:
        """The words of the templates' sections that hold. Raises ConfigError for a choice that
        fits no vendor."""
        if self.kind == "ehr" and self.auth is not None:
            raise ConfigError(
                "An EHR is not called: it sends signed events, so leave --auth out.", field="auth"
            )
        if self.kind == "payer" and self.webhook:
            raise ConfigError("A payer is asked and sends nothing; leave --webhook out.",
                              field="webhook")  # fmt: skip
        if self.kind == "ehr":
            return {"ehr", "webhook"}
        found = {self.kind, self.auth or "api_key", "called"}
        found.add("webhook" if self.webhook else "silent")
        return found if self.kind == "payer" else {*found, "pulled"}


def write_connector(id: str, choice: Choice, *, into: Path, package: str) -> list[Path]:
    """Write the package `package` to ``into/<id>``, its fixtures to ``fixtures/<id>`` and its test
    to ``tests``.

    Returns what was written. Raises ConfigError for an id that cannot be one and for a choice that
    fits no vendor, Conflict where something is there already; then nothing is written.
    """
    if not _ID.fullmatch(id) or iskeyword(id) or id in sys.stdlib_module_names:
        raise ConfigError(f'"{id}" can be no id; an id is like payroll_acme.', field="id")
    ours = "." in package
    folder, cases = into / id, (into.parent if ours else into) / "fixtures" / id
    test = (into.parent / "tests" / "connectors" if ours else into / "tests") / f"test_{id}.py"
    words = choice.words() | {"ours" if ours else "elsewhere"}
    for place in (folder, cases, test):
        if place.exists():
            raise Conflict(f"{place} is there already; nothing was written.")
    values = _values(id, package, choice)
    files: dict[Path, str] = {}
    for part in ("common", choice.kind if choice.kind in {"ehr", "payer"} else "source"):
        for template in sorted((_TEMPLATES / part).glob("*.tmpl")):
            kept = "".join(_chosen(template.read_text(encoding="utf-8"), words))
            if not kept.strip():
                continue
            name = template.stem
            place = cases / name if name.endswith(".json") else folder / name
            text = _sorted(Template(kept).substitute(values))
            files[test if name == _TEST else place] = text
            if name.endswith(".json") and not name.endswith(".expected.json"):
                case = name.removesuffix(".json")
                files[cases / f"{case}.meta.toml"] = _meta(text, case, values)
    for file, text in files.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return [*files, write_committed(folder, 1, _schema(into, package))]


def _values(id: str, package: str, choice: Choice) -> dict[str, str]:
    """What the templates' names stand for."""
    return {
        "id": id,
        "ID": id.upper(),
        "package": package,
        "kind": choice.kind,
        "host": f"{id.replace('_', '-')}.example",
        "name": id.replace("_", " ").capitalize(),
        "Class": "".join(part.capitalize() for part in id.split("_")),
        **BY_KIND[choice.kind],
        **(BY_AUTH["signed" if choice.kind == "ehr" else choice.auth or "api_key"]),
    }


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


def _chosen(text: str, words: Collection[str]) -> Iterator[str]:
    """The lines whose section holds: one of its words does, or all of those joined by ``+``."""
    wanted = True
    for line in text.splitlines(keepends=True):
        if line.startswith("#: "):
            ways = line.removeprefix("#: ").split()
            wanted = ways == ["end"] or any(set(way.split("+")) <= set(words) for way in ways)
        elif wanted:
            yield line


def _sorted(text: str) -> str:
    """With the imports in order, where the new package's own come among the others."""
    return _IMPORTS.sub(lambda found: "".join(sorted(found[0].splitlines(keepends=True))), text)


def _meta(content: str, case: str, values: Mapping[str, str]) -> str:
    """Where a fixture comes from, and how it is read: as a page of a stream, as the answer to an
    inquiry, or as a document."""
    facts = {
        "origin": "synthetic",
        "author": "mso-hub",
        "document": f"{values['name']} API, {case}",
        **({"stream": values["streams"]} if case == "page" else {}),
        **({"answers": "inquiry"} if case == "answer" else {}),
        "sha256": hashlib.sha256(content.encode()).hexdigest(),
    }
    return "".join(f"{key} = {json.dumps(text)}\n" for key, text in facts.items())
