"""Audit events and the chain they make: each row has a digest over itself and the digest before it.

Events carry no values: types, counts, opaque ids and keyed digests of patients.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple

import orjson

from hub.storage.tables.base import new_ordered_id

PARTITION = "main"


class Head(NamedTuple):
    """The digest of the last event, and its number in the chain; 0 if there is none."""

    digest: str
    sequence: int


NO_EVENTS = Head("0" * 64, 0)


class Event(NamedTuple):
    """Who did what for which purpose.

    `action` is read, write or execute; `outcome` success, denied or failed; `entities` counts rows
    per type; `subjects` are keyed digests of patients, never ids or values; `reason` a fixed text.
    """

    now: datetime
    principal_id: str
    principal_name: str
    purpose: str
    action: str
    outcome: str
    operation: str = ""
    entities: Mapping[str, int] = MappingProxyType({})
    practice_ids: Iterable[str] = ()
    subjects: Iterable[str] = ()
    reason: str = ""


def chained(events: Sequence[Event], head: Head) -> tuple[list[dict[str, Any]], Head]:
    """The rows of events that follow `head`, in their order, and the head after them."""
    digest, sequence = head
    rows = []
    for event in events:
        sequence += 1
        row = _row(event, sequence)
        row["digest"] = digest = digest_of(digest, row)
        rows.append(row)
    return rows, Head(digest, sequence)


def digest_of(previous: str, row: Mapping[str, Any]) -> str:
    """SHA-256 of the digest before and the event as JSON with sorted keys."""
    body = {**row, "recorded_at": row["recorded_at"].isoformat()}
    canonical = orjson.dumps(body, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(previous.encode() + canonical).hexdigest()


def _row(event: Event, sequence: int) -> dict[str, Any]:
    return {
        "sequence": sequence,
        "id": new_ordered_id(event.now),
        "recorded_at": event.now,
        "principal_id": event.principal_id,
        "principal_name": event.principal_name,
        "purpose": event.purpose,
        "action": event.action,
        "outcome": event.outcome,
        "operation": event.operation,
        "entities": dict(event.entities),
        "practice_ids": sorted(event.practice_ids),
        "subjects": sorted(event.subjects),
        "reason": event.reason,
    }
