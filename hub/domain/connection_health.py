"""One word for how a connection is doing, from what is known of its last work and of what waits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

PULLED_EVERY = timedelta(hours=1)
"""How often a vendor is read that does not push."""
READ_WITHIN = timedelta(minutes=15)
"""What arrived, or is to be sent, and still waits after this time is late."""
NEEDS_A_PERSON = frozenset({"needs_reauth", "needs_scope", "invalid_config", "error"})


class Health(StrEnum):
    """From "never ran" to "switched off"; DELAYED is later than its interval, ERROR twice that."""

    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    ON_TIME = "on_time"
    ON_TRACK = "on_track"
    DELAYED = "delayed"
    ERROR = "error"
    ACTION_REQUIRED = "action_required"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class Facts:
    """What decides about one connection; all moments are aware.

    `interval` is that of its schedule, None for one that is only pushed to or asked when needed:
    silence means nothing there. `succeeded_at` is when it last did what it is for, `waiting_since`
    when the oldest item arrived that is not dealt with.
    """

    status: str
    paused: bool
    created_at: datetime
    running: bool = False
    succeeded_at: datetime | None = None
    waiting_since: datetime | None = None
    interval: timedelta | None = None


def health(facts: Facts, now: datetime) -> Health:
    """The word for a connection at `now`."""
    if facts.paused:
        return Health.DISABLED
    if facts.status in NEEDS_A_PERSON:
        return Health.ACTION_REQUIRED
    if facts.running:
        return Health.IN_PROGRESS
    troubled = facts.status != "ok"
    if facts.succeeded_at is None and facts.waiting_since is None and not troubled:
        return Health.PENDING
    late = lateness(facts, now)
    if late > 2:
        return Health.ERROR
    if late > 1:
        return Health.DELAYED
    return Health.ON_TRACK if troubled else Health.ON_TIME


def lateness(facts: Facts, now: datetime) -> float:
    """How many intervals have passed without success; above 1 it is late."""
    late = 0.0
    if facts.waiting_since is not None:
        late = (now - facts.waiting_since) / READ_WITHIN
    if facts.interval is not None:
        since = facts.succeeded_at or facts.created_at
        late = max(late, (now - since) / facts.interval)
    return late
