"""Issues: what went wrong with messages, gathered by code and connection. For the MSO."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from hub.entrypoints.console.asking import Desk
from hub.entrypoints.console.views import view
from hub.errors import NotFound, Rejected

DAYS = ("1", "7", "30")
_COUNTS = """query console_issue_groups($since: DateTime!) { messageIssueCounts(since: $since) {
  day connectionId connectionName kind code count } }"""


@dataclass(frozen=True, slots=True)
class Group:
    """What happened in one way: `days` are (day of UTC, count), the oldest first."""

    kind: str
    code: str
    connection_id: str
    connection: str
    days: tuple[tuple[str, int], ...]

    @property
    def count(self) -> int:
        return sum(count for _, count in self.days)


async def issues(desk: Desk, request: Request) -> Response:
    """The groups of some days, the most frequent first."""
    if not desk.is_mso:  # they are counted over all practices
        raise NotFound
    days = request.query_params.get("days", DAYS[1])
    if days not in DAYS:
        raise Rejected(f"days is one of {', '.join(DAYS)}.")
    since = desk.now() - timedelta(days=int(days))
    found = await desk.ask(_COUNTS, since=since.isoformat())
    rows = groups(found.get("messageIssueCounts", []))
    return view(desk, "issues", rows=rows, days=days, choices=DAYS, since=since.isoformat())


def groups(counts: Sequence[Mapping[str, Any]]) -> list[Group]:
    """The counts of days gathered by what is the same."""
    gathered: dict[tuple[str, str, str, str], list[tuple[str, int]]] = {}
    for one in counts:
        key = (one["kind"], one["code"], one["connectionId"], one["connectionName"])
        gathered.setdefault(key, []).append((one["day"], one["count"]))
    found = [Group(*key, tuple(sorted(days))) for key, days in gathered.items()]
    return sorted(found, key=lambda one: (-one.count, one.kind, one.code, one.connection))
