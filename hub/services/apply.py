"""Applying canonical records to the store: one handler per type of data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from uuid import UUID, uuid5

from hub.domain.claims import Charge
from hub.domain.clinical_documents import ClinicalDocument
from hub.domain.clinical_orders import ClinicalOrder
from hub.domain.coverage import CoverageList
from hub.domain.encounters import Encounter
from hub.domain.immunizations import Immunization
from hub.domain.observations import ObservationReport
from hub.domain.patient_details import PatientDetails
from hub.domain.patients import Patient, PatientMerge, PatientUnmerge
from hub.domain.payroll import PayPeriod, PayrollRun, PayStatement
from hub.domain.practitioners import PractitionerEntry, PractitionerList
from hub.domain.records import Issue, Record
from hub.domain.scheduling import Appointment, Practitioner
from hub.domain.supply import (
    Item,
    Offer,
    OrderAcknowledged,
    OrderCredited,
    OrderInvoiced,
    OrderShipped,
    SupplierTerms,
)
from hub.domain.supply_bids import Bid
from hub.domain.workforce import Employment, Worker
from hub.errors import Rejected
from hub.services import (
    bids,
    claims,
    clinical_documents,
    clinical_orders,
    coverage,
    encounters,
    immunizations,
    merges,
    observations,
    orders,
    patient_details,
    patients,
    payroll,
    practitioners,
    providers,
    scheduling,
    supply,
    workforce,
)
from hub.services.records import ApplyContext, Deferred, Outcome
from hub.storage import connections, inbox
from hub.storage.session import ScopedSession

__all__ = ["HANDLERS", "ApplyContext", "Outcome", "apply", "route_entity"]

Handler = Callable[[ScopedSession, ApplyContext, Record], Outcome]

HANDLERS: Mapping[type, Handler] = {
    Patient: patients.apply_patient,
    PatientDetails: patient_details.apply_details,
    PatientMerge: merges.apply_merge,
    PatientUnmerge: merges.apply_unmerge,
    CoverageList: coverage.apply_coverage_list,
    Appointment: scheduling.apply_appointment,
    Practitioner: providers.apply_practitioner,
    PractitionerEntry: practitioners.apply_entry,
    PractitionerList: practitioners.apply_list,
    Encounter: encounters.apply_encounter,
    ClinicalOrder: clinical_orders.apply_clinical_order,
    ClinicalDocument: clinical_documents.apply_clinical_document,
    Immunization: immunizations.apply_immunization,
    ObservationReport: observations.apply_report,
    Charge: claims.apply_charge,
    Worker: workforce.apply_worker,
    Employment: workforce.apply_employment,
    PayPeriod: payroll.apply_pay_period,
    PayrollRun: payroll.apply_payroll_run,
    PayStatement: payroll.apply_pay_statement,
    Item: supply.apply_item,
    Offer: supply.apply_offer,
    SupplierTerms: supply.apply_terms,
    OrderAcknowledged: orders.apply_order_event,
    OrderShipped: orders.apply_order_event,
    OrderInvoiced: orders.apply_order_event,
    OrderCredited: orders.apply_order_event,
    Bid: bids.apply_bid,
}
"""Type of the data of a record to the function that applies it."""

_ISSUES = UUID("9f0c1f0e-6a3e-4c0b-9d0a-6f1f2f2d7a10")


def apply(
    session: ScopedSession, context: ApplyContext, record: Record, *, among_others: bool = False
) -> Outcome:
    """Write what a record says, in the caller's transaction; the same record again writes nothing.

    Raises TypeError for data of a kind nobody handles. A record that cannot be applied leaves
    nothing but issues behind. Issues, those of the record included, are stored once with the
    message or sync run of the context and appended to ``context.issues``.

    `among_others`: records of other messages share the transaction, and a record that cannot be
    applied raises Rejected, since it is not undone by itself. The issues are left to the caller, as
    rows in ``context.unsaved``.
    """
    handler = HANDLERS.get(type(record.data))
    if handler is None:
        raise TypeError(f"nothing applies a record of {type(record.data).__name__}")
    before = len(context.issues)
    try:
        with nullcontext() if among_others else session.begin_nested():
            outcome = handler(session, context, record)
    except Rejected as error:
        if among_others:
            raise
        del context.issues[before:]
        context.report(error.reason, error.path, str(error))
        outcome = Outcome.DEFERRED if isinstance(error, Deferred) else Outcome.REJECTED
    context.issues[before:before] = record.issues
    rows = [_row(context, record, issue) for issue in context.issues[before:]]
    if among_others:
        context.unsaved.extend(rows)
    else:
        inbox.save_issues(session, rows)
    return outcome


def _row(context: ApplyContext, record: Record, issue: Issue) -> dict[str, object]:
    """The id is made of the content, so that a replay of the same message adds nothing."""
    parts = (
        context.inbox_id,
        context.sync_run_id,
        type(record.data).__name__,
        record.external_id,
        issue.code,
        issue.path,
        issue.text,
    )
    return {
        "id": str(uuid5(_ISSUES, repr(parts))),
        "inbox_id": context.inbox_id,
        "sync_run_id": context.sync_run_id,
        "practice_id": context.practice_id,
        "code": issue.code,
        "path": issue.path,
        "text": issue.text,
        "recorded_at": context.received_at,
    }


def route_entity(session: ScopedSession, connection_id: str, code: str) -> str | None:
    """The practice that a connection calls `code` (payroll company, facility), or None.

    A connection of one practice without any routing of its own means that practice by every name.
    """
    named = connections.practices(session, connection_id)
    if named:
        return named.get(code)
    connection = connections.get(session, connection_id)
    return connection.practice_id if connection is not None else None
