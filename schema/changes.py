"""What a new schema may change of the released one (`schema/released.graphql`).

What breaks a client is refused unless it was deprecated for 90 days or a decision record allows it
by name; what may surprise one needs a line in the changelog. Everything else is free.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from graphql import GraphQLSchema, build_schema
from graphql.utilities import BreakingChange, DangerousChange, find_schema_changes

DEPRECATED_FOR = timedelta(days=90)
RELEASED = Path(__file__).parent / "released.graphql"
_FRONT_MATTER = re.compile(r"\A---\n(.*?)\n---\n", re.DOTALL)
_ALLOWS = re.compile(r"^allows:\s*\[(.*)\]\s*$", re.MULTILINE)
_DAY = re.compile(r"\b(\d{4}-\d{2}-\d{2})\b")
_MEMBER = re.compile(r"\b(\w+)\.(\w+)(?:\((\w+):\))?")
_NAME = re.compile(r"@?\b(?!Field\b|Argument\b|Enum\b|Directive\b|A\b|An\b|Standard\b)\w+")


@dataclass(frozen=True, slots=True)
class Refused:
    """A change that may not be released as it is; `place` is its schema coordinate."""

    place: str
    change: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.change} {self.remedy}"


def refused(
    base: str, head: str, *, allowed: Collection[str], changelog: str, today: date
) -> list[Refused]:
    """The changes from `base` to `head` (SDL) that may not be released.

    `allowed` are the coordinates that decision records name, `changelog` the text of the version
    under way, `today` the day by which deprecations are old enough.
    """
    before = build_schema(base)
    found = []
    for change in find_schema_changes(before, build_schema(head)):
        place = coordinate(change.description)
        if place in allowed:
            continue
        if isinstance(change, BreakingChange) and not _is_retired(before, place, today):
            remedy = (
                f"Deprecate it for {DEPRECATED_FOR.days} days, with the date in the reason, or "
                f'allow "{place}" in a decision record.'
            )
            found.append(Refused(place, change.description, remedy))
        if isinstance(change, DangerousChange) and place not in changelog:
            remedy = f"Name `{place}` in the changelog."
            found.append(Refused(place, change.description, remedy))
    return found


def coordinate(description: str) -> str:
    """The schema coordinate a change is about: ``Type.field``, ``Type.field(argument:)``,
    ``Enum.VALUE``, ``@directive`` or a type's name."""
    member = _MEMBER.search(description)
    if member is not None:
        return member[0]
    name = _NAME.search(description)
    return name[0] if name is not None else description


def allowed_by(pages: Iterable[str]) -> set[str]:
    """The coordinates that decision records allow: ``allows: [Type.field]`` in front matter."""
    found: set[str] = set()
    for page in pages:
        front = _FRONT_MATTER.match(page)
        listed = _ALLOWS.search(front[1]) if front else None
        if listed is not None:
            found |= {item.strip().strip("\"'") for item in listed[1].split(",")} - {""}
    return found


def version_under_way(changelog: str) -> str:
    """The first section of a changelog: what the next release changes."""
    sections = re.split(r"^## ", changelog, flags=re.MULTILINE)
    return sections[1] if len(sections) > 1 else ""


def _is_retired(before: GraphQLSchema, place: str, today: date) -> bool:
    """True for what was deprecated long enough ago in the released schema."""
    day = _DAY.search(_deprecation(before, place))
    return day is not None and date.fromisoformat(day[1]) + DEPRECATED_FOR <= today


def _deprecation(schema: GraphQLSchema, place: str) -> str:
    parts = _MEMBER.fullmatch(place)
    owner: Any = schema.get_type(parts[1]) if parts else None
    if parts is None or owner is None:
        return ""
    members = getattr(owner, "fields", None) or getattr(owner, "values", {})
    member = members.get(parts[2])
    if member is not None and parts[3]:
        member = member.args.get(parts[3])
    return getattr(member, "deprecation_reason", None) or ""
