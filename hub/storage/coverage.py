"""Queries on payers and coverages."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import select

from hub.storage import known, patients
from hub.storage.session import ScopedSession
from hub.storage.tables import Coverage, Payer

_ASKED, _PAYERS = "coverages asked for", "payers"


def of_patient(session: ScopedSession, practice_id: str, patient_id: str) -> Sequence[Coverage]:
    """Every coverage the patient has or had, by priority. One who was added in this transaction
    has none when first asked for."""
    asked: set[tuple[str, str]] = session.info.setdefault(_ASKED, set())
    if patients.is_new(session, practice_id, patient_id) and (practice_id, patient_id) not in asked:
        asked.add((practice_id, patient_id))
        return ()
    owner = {"practice_id": practice_id, "patient_id": patient_id}
    order = (Coverage.status, Coverage.priority, Coverage.id)
    return known.owned_by(session, Coverage, owner, *order)


def payer_ids(session: ScopedSession, codes: Collection[str]) -> dict[str, str]:
    """Payers of the directory by code; unknown codes are left out. Each is looked up once in a
    transaction."""
    found: dict[str, str | None] = session.info.setdefault(_PAYERS, {})
    missing = set(codes) - found.keys()
    if missing:
        with session.no_autoflush:  # nothing that writes payers asks for them
            rows = session.execute(select(Payer.code, Payer.id).where(Payer.code.in_(missing)))
        found.update(dict.fromkeys(missing))
        found.update({code: payer_id for code, payer_id in rows})  # noqa: C416 - no tuples to mypy
    return {code: payer for code in codes if (payer := found[code]) is not None}
