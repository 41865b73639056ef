"""`mso-hub connection compare`: what other settings would make of messages that are stored.

Nothing is written but the audit event, and no value leaves here: paths are counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from connectors import registry
from connectors.ehr_hl7v2.config import Config
from hub.entrypoints.cli import common
from hub.entrypoints.cli.connection_file import read_file
from hub.entrypoints.hl7_described import describe, dialect_of
from hub.entrypoints.hub import Hub
from hub.errors import ConfigError
from hub.services import connections, messages, operators
from hub.services.messages import Wanted
from hub.services.operators import stated_reason
from hub.storage import inbox
from hub.storage.session import ScopedSession

CONNECTOR = "ehr_hl7v2"


@dataclass(slots=True)
class Difference:
    """Over all messages looked at: how many would be read otherwise, and in which fields. `fields`
    counts messages by path, `issues_gone` and `issues_new` by code and path."""

    messages: int = 0
    changed: int = 0
    fields: Counter[str] = field(default_factory=Counter)
    issues_gone: Counter[str] = field(default_factory=Counter)
    issues_new: Counter[str] = field(default_factory=Counter)


def compare(hub: Hub, name: str, settings: Path, *, limit: int, reason: str) -> Difference:
    """Read the newest messages of a connection by its settings and by those of a file. Audited."""
    stated = stated_reason(reason)
    proposed, _, _ = read_file(settings)
    after = registry.validate_config(CONNECTOR, proposed)
    if not isinstance(after, Config):
        raise ConfigError("The settings are not those of ehr_hl7v2.", field="connector")

    def work(session: ScopedSession) -> Difference:
        row = connections.named(session, name)
        before, found = dialect_of(row), Difference()
        wanted = Wanted(connection=row.id, kind="hl7v2")
        newest = messages.find(session, hub.crypto, wanted, limit=limit)
        listed = [one for one in newest if one.message.state != "expired"]
        for one in listed:
            content = inbox.raw(one.message, hub.crypto)
            headers = one.message.headers
            _count(found, describe(content, before, headers), describe(content, after, headers))
        operators.record(
            session,
            common.operator(),
            action="read",
            operation="connection compare",
            entity="InboundMessage",
            count=len(listed),
            practice_ids={one.message.practice_id for one in listed},
            reason=stated,
            now=hub.now(),
        )
        return found

    return hub.database.transaction(common.SCOPE, work)


def lines(found: Difference) -> Iterator[str]:
    """The difference as text."""
    yield f"{found.changed} of {found.messages} messages would be read otherwise."
    for heading, counts in (
        ("Fields that differ", found.fields),
        ("Issues that go", found.issues_gone),
        ("Issues that come", found.issues_new),
    ):
        if counts:
            yield ""
            yield heading
            yield from (f"{count:>6}  {path}" for path, count in counts.most_common())


def as_values(found: Difference) -> dict[str, Any]:
    """The difference for JSON."""
    names = ("fields", "issues_gone", "issues_new")
    counts = {name: dict(getattr(found, name).most_common()) for name in names}
    return {"messages": found.messages, "changed": found.changed, **counts}


def _count(found: Difference, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    found.messages += 1
    was, becomes = dict(_fields(before)), dict(_fields(after))
    differing = {key for key in was.keys() | becomes.keys() if was.get(key) != becomes.get(key)}
    old, new = _issues(before), _issues(after)
    found.fields.update({path for path, _ in differing})
    found.issues_gone.update(old - new)
    found.issues_new.update(new - old)
    found.changed += bool(differing or old != new)


def _fields(described: Mapping[str, Any]) -> Iterator[tuple[tuple[str, int], Any]]:
    """Every field of every record by its path and by which record of its kind it is in."""
    seen: Counter[str] = Counter()
    for record in described["records"]:
        kind = record["record"]
        seen[kind] += 1
        yield (f"{kind} key", seen[kind]), record["external_id"]
        for name, value in record["data"].items():
            yield (f"{kind}.{name}", seen[kind]), (value, name in record["cleared"])


def _issues(described: Mapping[str, Any]) -> set[str]:
    return {f"{issue['code']} {issue['path']}".strip() for issue in described["issues"]}
