"""What is kept for a while and then deleted: outcomes of mutations, reports of checks, exports,
events."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import delete

from hub.services import checks, exports
from hub.storage import epochs, events
from hub.storage.session import ScopedSession
from hub.storage.tables import MutationOutcome

KEEP_OUTCOMES = timedelta(days=30)
KEEP_EVENTS = timedelta(days=1)


def prune_events(session: ScopedSession, *, now: datetime) -> bool:
    """Delete some of the events older than a day; True if there may be more."""
    return events.prune(session, before=now - KEEP_EVENTS)


def prune(session: ScopedSession, *, now: datetime) -> list[str]:
    """Delete outcomes and reports older than 30 days, exports older than a week and what is left of
    events older than a day; returns the ids of the exports whose files are still needed."""
    before = (now - KEEP_OUTCOMES).date()
    session.execute(delete(MutationOutcome).where(MutationOutcome.recorded_on < before))
    checks.prune(session, now=now)
    prune_events(session, now=now)
    epochs.fold(session)
    return exports.prune(session, now=now)
