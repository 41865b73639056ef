"""The lists of a patient, each replaced whole by a message that states it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hub.domain.content import content_hash
from hub.domain.patient_details import PatientDetails
from hub.domain.patients import Address, PersonName
from hub.domain.records import Record
from hub.services import care, patients
from hub.services.records import ApplyContext, Outcome, content_of, refuse_delete
from hub.storage import patients as store
from hub.storage import tables
from hub.storage.patient_details import replace_list
from hub.storage.session import ScopedSession

Rows = list[dict[str, Any]]


def apply_details(session: ScopedSession, context: ApplyContext, record: Record) -> Outcome:
    """Replace the lists stated; those the message leaves out stay. As fresh as the patient."""
    refuse_delete(record)
    details = content_of(record, PatientDetails)
    row = store.get(session, context.practice, patients.resolve(session, context, details.patient))
    stated, stored = record.occurred_at, row.occurred_at
    if stated is not None and stored is not None and stated < stored:
        return Outcome.STALE
    content = content_hash(details)
    if row.details_hash == content:
        return Outcome.UNCHANGED
    none_held = not row.details_hash and store.is_new(session, row.practice_id, row.id)
    row.details_hash = content
    owner = {"practice_id": row.practice_id, "patient_id": row.id}
    changed = [
        replace_list(session, table, owner, rows, none_held=none_held)
        for table, rows in _stated(details)
    ]
    changed.append(
        care.apply_roles(session, context, owner, details.care_roles, none_held=none_held)
    )
    return Outcome.CHANGED if any(changed) else Outcome.UNCHANGED


def _stated(details: PatientDetails) -> Iterator[tuple[type[Any], Rows]]:
    if details.names is not None:
        yield tables.PatientName, [_name(one.name) | {"use": one.use} for one in details.names]
    if details.addresses is not None:
        yield (
            tables.PatientAddress,
            [_address(one.address) | {"use": one.use} for one in details.addresses],
        )
    if details.telecoms is not None:
        yield tables.PatientTelecom, [_copied(one) for one in details.telecoms]
    if details.contacts is not None:
        yield tables.PatientContact, [_person(one) for one in details.contacts]
    if details.guarantors is not None:
        yield tables.Guarantor, [_person(one) for one in details.guarantors]
    if details.allergies is not None:
        yield (
            tables.Allergy,
            [_copied(one) | {"reactions": list(one.reactions)} for one in details.allergies],
        )


def _copied(one: Any) -> dict[str, Any]:
    """The plain fields of a frozen dataclass, by column."""
    return {
        name: getattr(one, name) for name in one.__slots__ if name not in {"name", "address"}
    } | ({"name": one.name} if isinstance(getattr(one, "name", None), str) else {})


def _person(one: Any) -> dict[str, Any]:
    return _copied(one) | _name(one.name or PersonName("")) | _address(one.address or Address())


def _name(name: PersonName) -> dict[str, Any]:
    return {
        "family_name": name.family,
        "given_name": name.given,
        "middle_name": name.middle,
        "suffix": name.suffix,
        "prefix": name.prefix,
    }


def _address(address: Address) -> dict[str, Any]:
    return {name: getattr(address, name) for name in address.__slots__}
