"""A sensitivity label and the rows below the one that got it.

What belongs to a labelled patient, visit, order, appointment or charge is labelled with it, as it
would tell of it; what has another label by then has the one that stands for both, or a consent to
one would show the other. It keeps the label when the one above loses its own, until its source
takes it back: a record that was labelled for a reason of its own looks no different.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, case, select, update

from hub.domain.sensitivity import RESTRICTED
from hub.storage.session import ScopedSession
from hub.storage.tables import (
    Appointment,
    Base,
    Charge,
    ClinicalOrder,
    Consent,
    Encounter,
    Labelled,
    Patient,
    PatientIdentifier,
    PracticeOwned,
)

_POINTERS: dict[type[Any], str] = {
    Patient: "patient_id",
    Encounter: "encounter_id",
    ClinicalOrder: "order_id",
    Appointment: "appointment_id",
    Charge: "charge_id",
}


def spread(
    session: ScopedSession, row: Patient | Encounter | ClinicalOrder | Appointment | Charge
) -> None:
    """Label what belongs to a labelled row."""
    session.flush()
    pointer = _POINTERS[type(row)]
    _label(session, row, pointer, lambda column: column == row.id)
    if isinstance(row, Encounter):  # and what answers its orders without naming the visit
        orders = select(ClinicalOrder.id).where(
            ClinicalOrder.practice_id == row.practice_id, ClinicalOrder.encounter_id == row.id
        )
        _label(session, row, _POINTERS[ClinicalOrder], lambda column: column.in_(orders))


def _label(session: ScopedSession, row: Any, pointer: str, belongs: Any) -> None:
    for mapper in Base.registry.mappers:
        table: Any = mapper.class_
        if not issubclass(table, Labelled) or not issubclass(table, PracticeOwned):
            continue
        if pointer not in mapper.columns or table is Consent:  # whose label is what it is about
            continue
        mine: ColumnElement[bool] = belongs(getattr(table, pointer))
        session.execute(
            update(table)
            .where(
                table.practice_id == row.practice_id,
                mine,
                table.sensitivity.not_in((row.sensitivity, RESTRICTED)),
            )
            .values(sensitivity=case((table.sensitivity == "", row.sensitivity), else_=RESTRICTED))
        )


def labelled_patient(session: ScopedSession, practice_id: str, values: Collection[str]) -> bool:
    """Whether one of these identifiers is of a patient with a label."""
    labelled = (
        select(PatientIdentifier.id)
        .join(
            Patient,
            (Patient.practice_id == PatientIdentifier.practice_id)
            & (Patient.id == PatientIdentifier.patient_id),
        )
        .where(
            PatientIdentifier.practice_id == practice_id,
            PatientIdentifier.value.in_(values),
            Patient.sensitivity != "",
        )
    )
    return bool(values) and session.scalars(labelled.limit(1)).first() is not None
