"""The envelope in which connectors hand over what they read.

A connector turns bytes into `Record`s and never stores them; the engine applies each record through
the handler registered for the type of its `data` (`hub/services/apply.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal


@dataclass(frozen=True, slots=True)
class Issue:
    """Something in a message that was not understood or looks wrong.

    `path` locates it (``PID-7``, ``2110C EB03``, ``$.workers[3].ssn``); `text` names the rule in a
    sentence and never quotes the value.
    """

    code: str
    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Record:
    """One canonical object as a source stated it at one moment.

    `data` is a frozen dataclass of `hub.domain`; `external_id` is the source's own key, stable over
    time; `occurred_at` is when the source says it became true (aware, None if unknown);
    `source_version` orders updates where the source numbers them. `sensitivity` is its label
    (`hub.domain.sensitivity`): None if the source says nothing, empty if it takes one back.
    `cleared` names the fields of `data` (one of a list by its number, as in
    ``identifiers[1].expires_on``) that are None since the source cleared them, where None
    alone means that it did not say.
    """

    external_id: str
    data: object
    occurred_at: datetime | None = None
    source_version: str | None = None
    op: Literal["upsert", "delete"] = "upsert"
    issues: tuple[Issue, ...] = ()
    sensitivity: str | None = None
    cleared: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RejectedRecord:
    """A record of a page that could not be read; `raw` is kept in quarantine."""

    ref: str
    issue: Issue
    raw: bytes


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a stream has been read: versioned, opaque JSON values, at most 4 KiB, no id lists."""

    version: int
    values: Mapping[str, str | int | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a stream. `complete` is true on the last page of a run."""

    records: tuple[Record, ...]
    cursor: Cursor | None
    complete: bool
    rejected: tuple[RejectedRecord, ...] = ()
