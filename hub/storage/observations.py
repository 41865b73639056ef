"""What results said before."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select

from hub.storage.session import ScopedSession
from hub.storage.tables import Observation, ObservationVersion


def versions_replaced_at(session: ScopedSession, row: Observation, moment: datetime) -> int:
    """How many versions of a result were replaced at one moment (aware)."""
    waiting = sum(
        isinstance(one, ObservationVersion)
        and (one.observation_id, one.replaced_at) == (row.id, moment)
        for one in session.new
    )
    found = select(func.count()).where(
        ObservationVersion.practice_id == row.practice_id,
        ObservationVersion.observation_id == row.id,
        ObservationVersion.replaced_at == moment,
    )
    with session.no_autoflush:  # the result itself is being changed, and is written once
        return waiting + (session.scalar(found) or 0)
