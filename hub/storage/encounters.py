"""Queries on visits and where their patients were."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from hub.storage.session import ScopedSession
from hub.storage.tables import EncounterStay


def stays(session: ScopedSession, practice_id: str, encounter_id: str) -> Sequence[EncounterStay]:
    """Every stay of a visit, cancelled ones included, in the order of time."""
    return session.scalars(
        select(EncounterStay)
        .where(EncounterStay.practice_id == practice_id, EncounterStay.encounter_id == encounter_id)
        .order_by(EncounterStay.starts_at, EncounterStay.id)
    ).all()
