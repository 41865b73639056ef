"""Queries on clinical orders."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import or_, select

from hub.storage.session import ScopedSession
from hub.storage.tables import ClinicalOrder


def numbered(
    session: ScopedSession, practice_id: str, connection_id: str, *, placer: str, filler: str
) -> Sequence[ClinicalOrder]:
    """Orders that a connection named by one of these numbers; an empty number names none."""
    named = []
    if placer:
        named.append(ClinicalOrder.placer_number == placer)
    if filler:
        named.append(ClinicalOrder.filler_number == filler)
    if not named:
        return []
    return session.scalars(
        select(ClinicalOrder)
        .where(
            ClinicalOrder.practice_id == practice_id,
            ClinicalOrder.connection_id == connection_id,
            or_(*named),
        )
        .order_by(ClinicalOrder.ordered_at, ClinicalOrder.external_id, ClinicalOrder.id)
    ).all()
