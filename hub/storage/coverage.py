"""Queries on payers and coverages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import select

from hub.storage.session import ScopedSession
from hub.storage.tables import Coverage, Payer


def of_patient(session: ScopedSession, practice_id: str, patient_id: str) -> Sequence[Coverage]:
    """Every coverage the patient has or had, by priority."""
    return session.scalars(
        select(Coverage)
        .where(Coverage.practice_id == practice_id, Coverage.patient_id == patient_id)
        .order_by(Coverage.status, Coverage.priority, Coverage.id)
    ).all()


def payer_ids(session: ScopedSession, codes: Iterable[str]) -> dict[str, str]:
    """Payers of the directory by code; unknown codes are left out."""
    rows = session.execute(select(Payer.code, Payer.id).where(Payer.code.in_(set(codes))))
    return {code: payer_id for code, payer_id in rows}  # noqa: C416 - rows are no tuples to mypy
