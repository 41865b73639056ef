"""Checks that read a connector's files and settings and call nothing."""

from __future__ import annotations

import ast
import dataclasses
import hashlib
import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from connectors.sdk.kit.model import check
from connectors.sdk.kit.settings_schema import SCHEMA_FILE, breaking, read_committed
from connectors.sdk.kit.subject import Subject, beside
from connectors.sdk.signatures import scheme_from_manifest
from hub.errors import ConfigError

HEADINGS = (
    "What it syncs",
    "Prerequisites",
    "Credentials",
    "Configuration",
    "Test the connection",
    "Field map",
    "Webhooks",
    "Limits and schedule",
    "Known gaps",
    "Troubleshooting by code",
    "Data and privacy",
    "Changelog",
    "Remove",
)
_BANNED_MODULES = {
    "aiohttp", "asyncio", "concurrent", "http", "httpx", "multiprocessing", "requests", "socket",
    "subprocess", "threading",
}  # fmt: skip
_BANNED_CALLS = {
    ("os", "environ"), ("os", "getenv"), ("time", "sleep"), ("datetime", "now"),
    ("datetime", "today"), ("datetime", "utcnow"), ("date", "today"), ("httpx2", "Client"),
    ("httpx2", "get"), ("httpx2", "post"), ("httpx2", "request"),
}  # fmt: skip
_SECRET_NAME = re.compile(r"(^|_)(key|keys|token|secret|secrets|password|passphrase)$")


@check(
    "every",
    "The manifest says what the registry and the console need, and the code offers what it lists.",
    "Correct connector.toml; connectors/README.md lists its keys.",
)
def manifest_valid(subject: Subject) -> Iterator[str]:
    manifest = subject.manifest
    if not re.fullmatch(r"\d+\.\d+\.\d+", manifest.version):
        yield "version is not of the form 1.2.3"
    if manifest.homepage and urlsplit(manifest.homepage).scheme != "https":
        yield "homepage is no https address"
    if not manifest.capabilities:
        yield "capabilities is empty, so that nothing would call the connector"
    if "http" in subject.scopes and not manifest.egress:
        yield "egress is empty, so that no vendor could be reached"
    if manifest.webhook is not None:
        try:
            scheme_from_manifest({"scheme": manifest.webhook.scheme, **manifest.webhook.params})
        except ConfigError as error:
            yield f"[webhook] cannot be used: {error}"


@check(
    "every",
    "The code keeps to Ctx: no clock, environment, thread, sleep, file or HTTP client of its own.",
    "Take time, secrets and HTTP from Ctx, and leave waiting to the engine.",
)
def import_is_pure(subject: Subject) -> Iterator[str]:
    for file, text in subject.sources():
        for node in ast.walk(ast.parse(text)):
            what = _banned(node)
            if what:
                yield f"{file.name}, line {getattr(node, 'lineno', 0)}: {what}"


def _banned(node: ast.AST) -> str:
    if isinstance(node, ast.Import):
        names = [alias.name.partition(".")[0] for alias in node.names]
        return next((f"imports {name}" for name in names if name in _BANNED_MODULES), "")
    if isinstance(node, ast.ImportFrom):
        module = (node.module or "").partition(".")[0]
        if module in _BANNED_MODULES:
            return f"imports {module}"
        named = {(module, alias.name) for alias in node.names} & _BANNED_CALLS
        return next((f"imports {module}.{name}" for module, name in named), "")
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        found = (node.value.id, node.attr)
        return ".".join(found) if found in _BANNED_CALLS else ""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "open":
        return "opens a file"
    return ""


@check(
    "every",
    "A connector whose code is broken is still listed with its reason, and takes no other along:"
    " its package runs nothing when it is found.",
    "Leave a docstring in __init__.py, and import where something is used.",
)
def list_without_import(subject: Subject) -> Iterator[str]:
    file = subject.folder / "__init__.py"
    if not file.is_file():
        yield "there is no __init__.py, so that it is no package"
        return
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        is_future = isinstance(node, ast.ImportFrom) and node.module == "__future__"
        if not is_text and not is_future:
            yield f"__init__.py, line {node.lineno}: runs code when the package is found"


@check(
    "every",
    "A release takes the settings that are stored, or says by config_version that it does not.",
    "Run `mso-hub connector schema ID --write`, which says whether config_version must be raised.",
)
def config_schema_committed(subject: Subject) -> Iterator[str]:
    stored = read_committed(subject.folder)
    if stored is None:
        yield f"there is no {SCHEMA_FILE} to compare the settings with"
        return
    version, schema = stored
    if version != subject.manifest.config_version:
        yield f"{SCHEMA_FILE} is that of config_version {version}"
    elif schema != subject.registry.config_schema(subject.id):
        breaks = breaking(schema, subject.registry.config_schema(subject.id))
        yield f"{SCHEMA_FILE} is not what Config says now"
        yield from (f"settings that are stored may no longer hold: {what}" for what in breaks)


@check(
    "every",
    "A misspelt setting is refused by name instead of being ignored.",
    "Derive Config and every table in it from ConnectorConfig.",
)
def config_rejects_unknown_keys(subject: Subject) -> Iterator[str]:
    unknown = "kit_unknown_key"
    try:
        subject.registry.validate_config(subject.id, {**subject.fit.config("kit"), unknown: "1"})
    except ConfigError as error:
        if error.field != unknown:
            yield f"an unknown key was refused without naming it (named: {error.field})"
    else:
        yield "an unknown key was accepted"
    for name, part in _objects(subject.registry.config_schema(subject.id)):
        if part.get("properties") and part.get("additionalProperties") is not False:
            yield f"the table {name} accepts unknown keys"


@check(
    "every",
    "What opens a door is stored as a reference and shown as ***.",
    "Give the setting the type Secret of connectors.sdk.config.",
)
def secret_fields_marked(subject: Subject) -> Iterator[str]:
    for table, part in _objects(subject.registry.config_schema(subject.id)):
        for name, field in part.get("properties", {}).items():
            forms = [*field.get("anyOf", []), field, field.get("items", {})]
            texts = [form for form in forms if form.get("type") == "string"]
            if _SECRET_NAME.search(name) and texts and not any(t.get("writeOnly") for t in texts):
                yield f"{name} of {table} takes plain text"


def _objects(schema: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield "the settings", schema
    yield from schema.get("$defs", {}).items()


@check(
    "every",
    "The page for whoever connects a practice answers every question, in one order.",
    "Write the section; a connector without webhooks says so under Webhooks.",
)
def readme_headings_complete(subject: Subject) -> Iterator[str]:
    page = subject.folder / "README.md"
    if not page.is_file():
        yield "there is no README.md"
        return
    found = tuple(re.findall(r"^## (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE))
    missing = [name for name in HEADINGS if name not in found]
    if missing:
        yield f"README.md lacks {', '.join(missing)}"
    elif found != HEADINGS:
        yield "README.md has other headings, or has them in another order"


@check(
    "every",
    "Every fixture says where it comes from and is the very bytes that were meant; none is real.",
    'Write <case>.meta.toml with origin = "synthetic", author, document and the right sha256.',
)
def fixture_provenance(subject: Subject) -> Iterator[str]:
    cases = subject.cases()
    if not cases:
        yield "there is no fixture"
    known = {case.name.partition(".")[0] for case in cases}
    for note in sorted(subject.fixtures.glob("*.*.*")) if subject.fixtures else ():
        if note.name.partition(".")[0] not in known:
            yield f"{note.name} stands beside no fixture"
    for case in cases:
        file = beside(case, ".meta.toml")
        if not file.is_file():
            yield f"{case.name} has no {file.name}"
            continue
        meta = tomllib.loads(file.read_text(encoding="utf-8"))
        if meta.get("origin") != "synthetic":
            yield f'{file.name} does not say origin = "synthetic"'
        for key in ("author", "document"):
            if not meta.get(key):
                yield f"{file.name} names no {key}"
        if meta.get("sha256") != hashlib.sha256(case.read_bytes()).hexdigest():
            digest = hashlib.sha256(case.read_bytes()).hexdigest()
            yield f"{case.name} is not the file that {file.name} states: its sha256 is {digest}"


@check(
    "source",
    "What a source offers is known without credentials and is the same every time.",
    "Declare the streams as constants; `pii` and `depends_on` name what exists.",
)
def streams_static(subject: Subject) -> Iterator[str]:
    first, second = subject.source.streams(), subject.source.streams()
    if tuple(first) != tuple(second):
        yield "two questions for the streams got two answers"
    names = [spec.name for spec in first]
    if len(set(names)) < len(names):
        yield "two streams have one name"
    for spec in first:
        known = {f.name for f in dataclasses.fields(spec.record)}
        if lost := set(spec.pii) - known:
            yield f"{spec.name}: pii names {', '.join(sorted(lost))}, which its record lacks"
        if lost := set(spec.depends_on) - set(names):
            yield f"{spec.name} depends on {', '.join(sorted(lost))}, which is no stream"
        if spec.mode == "incremental" and not spec.cursor_field:
            yield f"{spec.name} is incremental and names no cursor_field"


CHECKS = (
    manifest_valid,
    import_is_pure,
    list_without_import,
    config_schema_committed,
    config_rejects_unknown_keys,
    secret_fields_marked,
    readme_headings_complete,
    fixture_provenance,
    streams_static,
)
