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
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from keyword import iskeyword
from pathlib import Path
from string import Template
from typing import Final, Literal

from connectors.registry import GROUP, Registry
from connectors.sdk.kit.expected import expectation, write_expectation
from connectors.sdk.kit.settings_schema import write_committed
from connectors.sdk.kit.subject import Subject
from connectors.sdk.scaffold.shown import Shown
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


def write_connector(
    id: str, choice: Choice, *, into: Path, package: str, sample: bytes | None = None
) -> list[Path]:
    """Write the package `package` to ``into/<id>``, its fixtures to ``fixtures/<id>`` and its test
    to ``tests``.

    Its rows are like those of `sample`, a page of the vendor's documentation, with other values.
    Returns what was written. Raises ConfigError for an id that cannot be one, for a choice that
    fits no vendor and for a sample that shows no rows, Conflict where something is there already;
    then nothing is written.
    """
    if not _ID.fullmatch(id) or iskeyword(id) or id in sys.stdlib_module_names:
        raise ConfigError(f'"{id}" can be no id; an id is like payroll_acme.', field="id")
    ours = "." in package
    folder, cases = into / id, (into.parent if ours else into) / "fixtures" / id
    test = (into.parent / "tests" / "connectors" if ours else into / "tests") / f"test_{id}.py"
    words = choice.words() | {"ours" if ours else "elsewhere", "plain", "paged", "timed"}
    values = _values(id, package, choice)
    shown = None if sample is None else Shown(sample, choice.kind, values["name"])
    if shown is not None:
        words = (
            words - {choice.kind if choice.kind != "ehr" else "", "plain", "paged", "timed"}
        ) | shown.words()
        values |= shown.values()
    for place in (folder, cases, test):
        if place.exists():
            raise Conflict(f"{place} is there already; nothing was written.")
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
    if shown is not None:
        files |= shown.files(folder, cases, values["event"] if "webhook" in words else "")
    for file in [file for file in files if file.parent == cases]:
        if not file.name.endswith(".expected.json"):
            files[cases / f"{file.stem}.meta.toml"] = _meta(files[file], file.stem, values)
    for file, text in files.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    with forgotten(into.parent if ours else into, package):
        config = importlib.import_module(f"{package}.config").Config
        files[write_committed(folder, 1, config.model_json_schema())] = ""
        if shown is not None:
            found = Registry(into / "none", plugins=[EntryPoint(id, package, GROUP)])
            for case in shown.cases(cases):
                write_expectation(case, expectation(Subject(found, id, cases), case))
    return list(files)


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
        "time_key": "updated_at",
        "Row": "PatientRow",
        **(BY_AUTH["signed" if choice.kind == "ehr" else choice.auth or "api_key"]),
    }


@contextmanager
def forgotten(folder: Path, package: str) -> Iterator[None]:
    """A package just written can be imported meanwhile, and is then forgotten: it may be changed
    yet."""
    path, bytecode = list(sys.path), sys.dont_write_bytecode
    sys.path.insert(0, str(folder.resolve()))
    sys.dont_write_bytecode = True
    importlib.invalidate_caches()
    try:
        yield
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
