"""Results: each OBX is a row, replaced by corrections (HL7 v2.5.1 §7.4, table 0085)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, NamedTuple

from hub.domain.content import content_hash
from hub.domain.observations import Observation, ObservationReport
from hub.domain.records import Record
from hub.errors import Rejected
from hub.services import clinical_orders, patients
from hub.services.encounters import visit_of
from hub.services.records import (
    ApplyContext,
    Outcome,
    content_of,
    judge,
    key_of,
    stamp,
    strongest,
)
from hub.storage import observations as store
from hub.storage import sourced
from hub.storage.session import ScopedSession
from hub.storage.tables import Observation as ObservationRow
from hub.storage.tables import ObservationVersion
from hub.storage.tables.base import new_ordered_id

EARLY = frozenset({"registered", "preliminary"})
SETTLED = frozenset({"final", "corrected"})
RETRACTED = frozenset({"deleted", "wrong_patient"})
COPIED = (
    "code",
    "code_system",
    "name",
    "value_type",
    "value_text",
    "value_number",
    "unit",
    "reference_range",
    "abnormal_flags",
    "note",
    "value_code",
    "value_code_system",
    "method",
    "performer",
)
VERSIONED = (
    "status",
    "value_text",
    "value_number",
    "unit",
    "reference_range",
    "abnormal_flags",
    "note",
    "observed_at",
    "observed_at_precision",
)


class _Owner(NamedTuple):
    """What a report's results belong to."""

    patient_id: str
    encounter_id: str | None
    order_id: str | None


def apply_report(session: ScopedSession, context: ApplyContext, record: Record) -> Outcome:
    """Apply every observation of a report; those a later report leaves out stay as they are.

    A retraction (D, W) keeps the value for the record and changes the status; W is an issue too.
    """
    report = content_of(record, ObservationReport)
    key_of(record)
    if not report.observations:
        raise Rejected("The report has no results.", reason="empty_report", path="OBX")
    patient_id = patients.resolve(session, context, report.patient)
    encounter_id = visit_of(session, context, report.visit_number, patient_id)
    order = clinical_orders.named(
        session,
        context,
        placer=report.placer_number,
        filler=report.filler_number,
        code=report.code,
    )
    owner = _Owner(
        patient_id,
        encounter_id,
        order.id if order is not None and order.patient_id == patient_id else None,
    )
    return strongest(
        [
            _apply_one(session, context, record, report, owner, key, observation)
            for key, observation in _keyed(context, report)
        ]
    )


def _keyed(context: ApplyContext, report: ObservationReport) -> Iterator[tuple[str, Observation]]:
    """Keys unique within the report: a repeated one is numbered by its position."""
    seen: Counter[str] = Counter()
    for observation in report.observations:
        seen[observation.key] += 1
        count = seen[observation.key]
        if count == 2:
            context.report(
                "repeated_observation", "OBX-4", "Results share code and sub-id; all were kept."
            )
        yield (f"{observation.key}#{count}" if count > 1 else observation.key), observation


def _apply_one(
    session: ScopedSession,
    context: ApplyContext,
    record: Record,
    report: ObservationReport,
    owner: _Owner,
    key: str,
    observation: Observation,
) -> Outcome:
    patient_id, encounter_id, order_id = owner
    external_id = f"{record.external_id}/{key}"
    row = sourced.find(
        session, ObservationRow, context.practice, context.connection_id, external_id
    )
    status = "deleted" if record.op == "delete" else observation.status
    content = content_hash(
        (observation, report.patient, report.name), record.op, encounter_id or "", order_id or ""
    )
    outcome = judge(row, record, content)
    if outcome in (Outcome.UNCHANGED, Outcome.STALE):
        return outcome
    if row is not None and row.status in SETTLED and status in EARLY:
        context.report(
            "result_settled", "OBX-11", "A final result was stated as preliminary; it stays."
        )
        return Outcome.STALE
    if status == "wrong_patient":
        context.report(
            "wrong_patient", "OBX-11", "A result was withdrawn as another patient's; review both."
        )
    before = None if row is None else _said(row)
    if row is None:
        row = ObservationRow(practice_id=context.practice, report_key=record.external_id)
        session.add(row)
        _copy(row, context, record, report, observation)
    elif status not in RETRACTED:
        patients.note_other_patient(context, row.patient_id, patient_id)
        _copy(row, context, record, report, observation)
    row.patient_id = patient_id
    row.encounter_id = encounter_id or row.encounter_id
    row.order_id = order_id or row.order_id
    row.status = status
    if before is not None and before != _said(row):
        _keep_version(session, context, row, before)
    stamp(row, context, record, content)
    row.external_id = external_id
    return outcome


def _said(row: ObservationRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in VERSIONED}


def _keep_version(
    session: ScopedSession, context: ApplyContext, row: ObservationRow, before: dict[str, Any]
) -> None:
    """Keep what a result said until now, and the message that said so.

    Messages may come at one moment: then the ids sort as they were applied.
    """
    at = context.received_at
    same = store.versions_replaced_at(session, row, at)
    session.add(
        ObservationVersion(
            id=new_ordered_id(at + timedelta(microseconds=same)),
            practice_id=row.practice_id,
            observation_id=row.id,
            received_at=row.received_at,
            inbox_id=row.inbox_id,
            replaced_at=at,
            **before,
        )
    )


def _copy(
    row: ObservationRow,
    context: ApplyContext,
    record: Record,
    report: ObservationReport,
    observation: Observation,
) -> None:
    row.report_name, row.specimen = report.name, report.specimen
    row.parent_report_key, row.parent_code = report.parent_number, report.parent_code
    stands = observation.value_stands and row.observed_at is not None
    if observation.observed_at or not stands:
        row.observed_at_precision = observation.observed_at_precision
        row.observed_at = observation.observed_at or record.occurred_at or context.received_at
    for name in COPIED:
        value = getattr(observation, name)
        if value or not stands:
            setattr(row, name, value)
