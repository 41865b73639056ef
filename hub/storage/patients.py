"""Queries on patients and their identifiers; all within one practice."""

from __future__ import annotations

from collections.abc import Container, Iterable

from sqlalchemy import select

from hub.domain.patients import Identifier
from hub.domain.patients_matching import Holder
from hub.storage import known
from hub.storage.session import ScopedSession
from hub.storage.tables import Patient, PatientIdentifier

_NEW = "new patients"
_DATES = ("effective_on", "expires_on")


def find_holders(
    session: ScopedSession, practice_id: str, identifiers: Iterable[Identifier]
) -> list[Holder]:
    """Stored identifiers with the value of one of `identifiers`, whatever authority and type."""
    values = {identifier.value for identifier in identifiers}
    ahead = known.of(session, practice_id)
    if ahead is not None and (held := ahead.holders_of(values)) is not None:
        return held
    rows = session.execute(
        select(
            PatientIdentifier.authority,
            PatientIdentifier.type,
            PatientIdentifier.value,
            PatientIdentifier.patient_id,
        ).where(PatientIdentifier.practice_id == practice_id, PatientIdentifier.value.in_(values))
    )
    return [
        Holder(Identifier(authority, type_, value), patient_id)
        for authority, type_, value, patient_id in rows
    ]


def get(session: ScopedSession, practice_id: str, patient_id: str) -> Patient:
    """A patient that is known to exist, added in this transaction or before."""
    added: Patient | None = session.info.get(_NEW, {}).get((practice_id, patient_id))
    if added is not None and added in session:
        return added
    return session.get_one(Patient, (practice_id, patient_id))


def add(session: ScopedSession, patient: Patient) -> None:
    """Add a patient, whose id is given."""
    session.add(patient)
    session.info.setdefault(_NEW, {})[patient.practice_id, patient.id] = patient


def is_new(session: ScopedSession, practice_id: str, patient_id: str) -> bool:
    """Added in this transaction, and no merge gave rows to it."""
    return (practice_id, patient_id) in session.info.get(_NEW, ())


def is_given_rows(session: ScopedSession, practice_id: str, patient_id: str) -> None:
    """From now on a patient added in this transaction has rows of others."""
    session.info.get(_NEW, {}).pop((practice_id, patient_id), None)


def live(session: ScopedSession, practice_id: str, patient_id: str) -> Patient:
    """The patient, or the one it was merged into in the end."""
    row = get(session, practice_id, patient_id)
    seen = {row.id}
    while row.merged_into_id is not None and row.merged_into_id not in seen:
        row = get(session, practice_id, row.merged_into_id)
        seen.add(row.id)
    return row


def merge_chain(session: ScopedSession, practice_id: str, patient_id: str) -> tuple[str, ...]:
    """The patient, then whom it was merged into, and so on; the last one is live."""
    chain = [patient_id]
    while True:
        into = get(session, practice_id, chain[-1]).merged_into_id
        if into is None or into in chain:
            return tuple(chain)
        chain.append(into)


def add_identifiers(
    session: ScopedSession,
    practice_id: str,
    patient_id: str,
    identifiers: Iterable[Identifier],
    *,
    label: str = "",
) -> None:
    """Add identifiers to a patient; `label` is the patient's own."""
    identifiers = list(identifiers)
    if (ahead := known.of(session, practice_id)) is not None:
        ahead.learn(patient_id, identifiers)
    session.add_new(
        PatientIdentifier,
        [
            {
                "practice_id": practice_id,
                "patient_id": patient_id,
                "authority": identifier.authority,
                "type": identifier.type,
                "value": identifier.value,
                "sensitivity": label,
                "effective_on": identifier.effective_on,
                "expires_on": identifier.expires_on,
            }
            for identifier in identifiers
        ],
    )


def date_identifiers(
    session: ScopedSession,
    practice_id: str,
    patient_id: str,
    identifiers: Iterable[Identifier],
    cleared: Container[str] = (),
) -> None:
    """Write when identifiers of a patient hold, for those that say it; others keep what they have,
    but for what the source `cleared`, as in ``identifiers[1].expires_on``."""
    dated = {}
    for number, one in enumerate(identifiers, start=1):
        gone = {name for name in _DATES if f"identifiers[{number}].{name}" in cleared}
        if gone or one.effective_on or one.expires_on:
            dated[one] = one, gone
    if not dated:
        return
    session.flush()
    held = select(PatientIdentifier).where(
        PatientIdentifier.practice_id == practice_id,
        PatientIdentifier.patient_id == patient_id,
        PatientIdentifier.value.in_({one.value for one in dated}),
    )
    for row in session.scalars(held):
        said = dated.get(Identifier(row.authority, row.type, row.value))
        if said is not None:
            stated, gone = said
            for name in _DATES:
                if getattr(stated, name) or name in gone:
                    setattr(row, name, getattr(stated, name))
