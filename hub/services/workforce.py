"""Workers and employments as payroll vendors state them."""

from __future__ import annotations

from hub.domain.records import Record
from hub.domain.workforce import Employment, Worker
from hub.services.records import (
    ApplyContext,
    Deferred,
    Outcome,
    content_of,
    digest,
    judge,
    key_of,
    refuse_delete,
    stamp,
)
from hub.storage import sourced
from hub.storage.session import ScopedSession
from hub.storage.tables import Employment as EmploymentRow
from hub.storage.tables import Worker as WorkerRow

OF_WORKER = (
    "employee_number",
    "family_name",
    "given_name",
    "preferred_name",
    "email",
    "npi",
    "tax_id_last4",
)
OF_EMPLOYMENT = (
    "status",
    "status_text",
    "type",
    "is_contractor",
    "title",
    "department",
    "starts_on",
    "ends_on",
)


def apply_worker(session: ScopedSession, context: ApplyContext, record: Record) -> Outcome:
    """Create or replace a worker; a worker is never deleted, an employment ends."""
    refuse_delete(record)
    worker = content_of(record, Worker)
    row = sourced.find(session, WorkerRow, context.practice, context.connection_id, key_of(record))
    content = digest(record)
    outcome = judge(row, record, content)
    if outcome in (Outcome.UNCHANGED, Outcome.STALE):
        return outcome
    if row is None:
        row = WorkerRow(practice_id=context.practice)
        session.add(row)
    for name in OF_WORKER:
        setattr(row, name, getattr(worker, name))
    stamp(row, context, record, content)
    return outcome


def apply_employment(session: ScopedSession, context: ApplyContext, record: Record) -> Outcome:
    """Create or replace an employment; Deferred until its worker is known."""
    refuse_delete(record)
    employment = content_of(record, Employment)
    worker_id = worker_of(session, context, employment.worker_external_id)
    row = sourced.find(
        session, EmploymentRow, context.practice, context.connection_id, key_of(record)
    )
    content = digest(record)
    outcome = judge(row, record, content)
    if outcome in (Outcome.UNCHANGED, Outcome.STALE):
        return outcome
    if row is None:
        row = EmploymentRow(practice_id=context.practice)
        session.add(row)
    row.worker_id = worker_id
    for name in OF_EMPLOYMENT:
        setattr(row, name, getattr(employment, name))
    pay = employment.compensation
    row.pay_rate, row.pay_per = (pay.rate, pay.per) if pay else (None, "")
    if pay is not None:
        row.currency = pay.currency
    stamp(row, context, record, content)
    return outcome


def worker_of(session: ScopedSession, context: ApplyContext, external_id: str) -> str:
    """The id of a worker by the vendor's key; raises Deferred if it is not known yet."""
    found = sourced.id_of(session, WorkerRow, context.practice, context.connection_id, external_id)
    if found is None:
        raise Deferred(
            "The worker is not known yet; the record is applied once the worker is.",
            reason="unknown_worker",
            path="worker_external_id",
        )
    return found
