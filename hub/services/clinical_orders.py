"""Clinical orders: placed, changed, held, stopped, replaced (HL7 v2.5.1 §4.5.1, table 0119)."""

from __future__ import annotations

from hub.domain.clinical_orders import ClinicalOrder
from hub.domain.records import Record
from hub.services import care, patients
from hub.services.encounters import visit_of
from hub.services.providers import assign_practitioner
from hub.services.records import (
    ApplyContext,
    Outcome,
    content_of,
    copy_stated,
    digest,
    judge,
    key_of,
    stamp,
)
from hub.storage import clinical_orders as store
from hub.storage import labels, sourced
from hub.storage.session import ScopedSession
from hub.storage.tables import ClinicalOrder as OrderRow
from hub.storage.tables import new_id

COPIED = (
    "group_number",
    "code",
    "code_system",
    "name",
    "priority",
    "ordered_at",
    "starts_at",
    "ends_at",
    "reason",
    "note",
)


def apply_clinical_order(session: ScopedSession, context: ApplyContext, record: Record) -> Outcome:
    """Create or update an order; what the message leaves out stays, its state included.

    An order first heard of in a change is created; where the message gives it no state, that is
    unknown.
    """
    order = content_of(record, ClinicalOrder)
    row = _find(session, context, key_of(record), order)
    content = digest(record)
    outcome = judge(row, record, content)
    if outcome in (Outcome.UNCHANGED, Outcome.STALE):
        return outcome
    patient_id = patients.resolve(session, context, order.patient)
    if row is None:
        row = OrderRow(
            practice_id=context.practice,
            id=new_id(),
            external_id=record.external_id,
            status="unknown",
            ordered_at=record.occurred_at or context.received_at,
        )
    else:
        patients.note_other_patient(context, row.patient_id, patient_id)
    row.patient_id = patient_id
    row.encounter_id = (
        visit_of(session, context, order.visit_number, patient_id) or row.encounter_id
    )
    _change(session, context, row, record)
    status = "cancelled" if record.op == "delete" else order.status
    row.status = status or row.status
    key = row.external_id
    stamp(row, context, record, content)
    row.external_id = key
    session.add(row)
    owner = {"practice_id": row.practice_id, "order_id": row.id}
    is_new = outcome is Outcome.CREATED
    care.apply_roles(session, context, owner, order.care_roles, none_held=is_new)
    if row.sensitivity and not is_new:
        labels.spread(session, row)
    return outcome


def _change(session: ScopedSession, context: ApplyContext, row: OrderRow, record: Record) -> None:
    order = content_of(record, ClinicalOrder)
    row.placer_number = order.placer_number or row.placer_number or ""
    row.filler_number = order.filler_number or row.filler_number or ""
    assign_practitioner(session, context, record, row, practitioner="provider_id")
    copy_stated(row, order, COPIED, record.cleared)
    if order.replaces:
        replaced = named(session, context, placer=order.replaces, filler=order.replaces)
        row.replaces_id = replaced.id if replaced is not None else None


def named(
    session: ScopedSession, context: ApplyContext, *, placer: str, filler: str, code: str = ""
) -> OrderRow | None:
    """The order a message means by its numbers; the one of this code where several share one."""
    rows = store.numbered(
        session, context.practice, context.connection_id, placer=placer, filler=filler
    )
    exact = [row for row in rows if placer and row.placer_number == placer] or rows
    same_code = [row for row in exact if row.code == code]
    found = next(iter(same_code or exact), None)
    if found is not None and found.sensitivity:
        context.labels[found.id] = found.sensitivity
    return found


def _find(
    session: ScopedSession, context: ApplyContext, key: str, order: ClinicalOrder
) -> OrderRow | None:
    """By key; else by the numbers, unless the message itself gives two orders one number."""
    row = sourced.find(session, OrderRow, context.practice, context.connection_id, key)
    if row is not None or key.count("|") > 1:
        return row
    found = named(
        session,
        context,
        placer=order.placer_number,
        filler=order.filler_number,
        code=order.code or "",
    )
    contradicts = (
        found
        and found.placer_number
        and order.placer_number
        not in (
            "",
            found.placer_number,
        )
    )
    return None if contradicts else found
