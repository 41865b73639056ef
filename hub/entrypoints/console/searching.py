"""The search box of messages: `qualifier:value`, each narrowing the search; quotes hold spaces.

What is about a patient never reaches an address: the box is sent as a form, and what it says of
anybody stays in the answer to it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from hub.errors import Rejected

STATES = ("received", "processed", "ignored", "quarantined", "refused", "expired")
_WORD = re.compile(r'\s*(?:([A-Za-z]+):)?(?:"([^"]*)"|(\S+))')
_LENGTH = re.compile(r"(\d{1,5})(min|h|d)")
_UNITS = {"min": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
_PATIENT = ("mrn", "patient")
_QUALIFIERS = {
    "ctl": "ctl", "type": "type", "conn": "conn", "status": "status", "err": "err",
    "after": "since", "before": "until",
}  # fmt: skip
"""As typed → as the address says it; `after` of an address is where its page begins."""
WAITING = "waiting"


@dataclass(frozen=True, slots=True)
class Search:
    """`given` goes into the address; `patient` does not."""

    given: Mapping[str, str] = field(default_factory=dict)
    patient: str = ""


def read_search(text: str) -> Search:
    """What somebody typed. Raises Rejected, in words that repeat nothing of it."""
    given: dict[str, str] = {}
    patient = ""
    for name, quoted, plain in _WORD.findall(text.strip()):  # spaces at its end take long
        value = (quoted or plain).strip()
        known = name.lower() if value else ""
        if known in _PATIENT:
            patient = value
        elif known in _QUALIFIERS:
            given[_QUALIFIERS[known]] = value
        else:
            raise Rejected(
                "Say what to look for: ctl: type: conn: status: err: after: before:, or mrn: for "
                "a patient."
            )
    return Search(given, patient)


def where_of(
    given: Mapping[str, str], connections: Mapping[str, str], now: datetime
) -> dict[str, object]:
    """The filter of `inboundMessages` for the parameters of an address; `connections` are ids by
    name. Raises Rejected."""
    where: dict[str, object] = {}
    for parameter, name in (("ctl", "controlId"), ("type", "messageType"), ("err", "faultCode")):
        if given.get(parameter):
            where[name] = {"eq": given[parameter]}
    if status := given.get("status", "").lower():
        where["state"] = {"eq": _state(status)}
    if wanted := given.get("conn", "").lower():
        found = [row_id for name, row_id in connections.items() if wanted in name.lower()]
        where["connection"] = {"in": found}
    times = {"gte": given.get("since"), "lt": given.get("until")}
    received = {end: moment_said(said, now) for end, said in times.items() if said}
    if received:
        where["receivedAt"] = received
    return where


def _state(word: str) -> str:
    if word == WAITING:
        return "RECEIVED"
    if word not in STATES:
        raise Rejected(f"status: is one of {', '.join((WAITING, *STATES))}.")
    return word.upper()


def moment_said(said: str, now: datetime) -> str:
    """`2h`, `3d`, or a day or moment in ISO 8601, of UTC where it says nothing else."""
    if length := _LENGTH.fullmatch(said):
        return (now - int(length[1]) * _UNITS[length[2]]).isoformat()
    try:
        at = datetime.fromisoformat(said)
    except ValueError:
        raise Rejected(
            "after: and before: are like 2h, 3d, 2026-03-01 or 2026-03-01T14:30."
        ) from None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).isoformat()
