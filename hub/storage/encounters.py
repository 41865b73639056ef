"""Queries on visits and where their patients were."""

from __future__ import annotations

from collections.abc import Sequence

from hub.storage import known
from hub.storage.session import ScopedSession
from hub.storage.tables import EncounterStay


def stays(session: ScopedSession, practice_id: str, encounter_id: str) -> Sequence[EncounterStay]:
    """Every stay of a visit, cancelled ones included, in the order of time."""
    owner = {"practice_id": practice_id, "encounter_id": encounter_id}
    return known.owned_by(session, EncounterStay, owner, EncounterStay.starts_at, EncounterStay.id)
