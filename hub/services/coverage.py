"""Coverages: a message's insurance segments are the patient's whole list (HL7 v2.5.1 §6.5.6)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hub.domain.content import content_hash
from hub.domain.coverage import Coverage, CoverageList
from hub.domain.records import Record
from hub.services import patients
from hub.services.records import (
    ApplyContext,
    Outcome,
    content_of,
    label_below,
    stamp,
    stamps,
)
from hub.storage import coverage as store
from hub.storage.session import ScopedSession
from hub.storage.tables import Coverage as CoverageRow

COPIED = (
    "priority",
    "payer_code",
    "payer_name",
    "plan_name",
    "plan_type",
    "group_number",
    "member_id",
    "relationship",
    "subscriber_birth_date",
    "starts_on",
    "ends_on",
)


def apply_coverage_list(session: ScopedSession, context: ApplyContext, record: Record) -> Outcome:
    """Replace the patient's coverages; an empty list ends them all.

    A coverage keeps its row as long as payer and member id stay. One that is no longer listed
    becomes inactive and is kept, since eligibility checks refer to it. The list's freshness stands
    on its rows.
    """
    snapshot = content_of(record, CoverageList)
    listed = () if record.op == "delete" else snapshot.coverages
    patient_id = patients.resolve(session, context, snapshot.patient)
    rows = store.of_patient(session, context.practice, patient_id)
    content = content_hash(listed)
    outcome = _judge(rows, record, content, listed)
    if outcome in (Outcome.UNCHANGED, Outcome.STALE):
        return outcome
    payers = store.payer_ids(session, [coverage.payer_code for coverage in listed])
    if any(coverage.payer_code not in payers for coverage in listed):
        context.report(
            "unknown_payer",
            "IN1-3",
            "A payer is not in the payer directory; eligibility cannot be asked until it is.",
        )
    left, new = list(rows), []
    for coverage in listed:
        row = _take(left, coverage)
        values = _values(coverage, patient_id, payers.get(coverage.payer_code))
        if row is None:
            new.append(values | stamps(context, record, content))
            continue
        for name, value in values.items():
            setattr(row, name, value)
        stamp(row, context, record, content)
    owned = {
        "practice_id": context.practice,
        "sensitivity": label_below(context, record, [patient_id]),
    }
    session.add_new(CoverageRow, [owned | values for values in new])
    for row in left:
        row.status = "inactive"
        stamp(row, context, record, content)
    return outcome


def _judge(
    rows: Sequence[CoverageRow], record: Record, content: str, listed: Sequence[Coverage]
) -> Outcome:
    """As `records.judge`; the rows share hash and time unless a merge mixed two lists."""
    if not rows:
        return Outcome.CREATED if listed else Outcome.UNCHANGED
    times = [row.occurred_at for row in rows if row.occurred_at is not None]
    newest = max(times, default=None)
    if all(row.content_hash == content for row in rows):
        if newest and record.occurred_at and record.occurred_at > newest:
            for row in rows:
                row.occurred_at = record.occurred_at
        return Outcome.UNCHANGED
    if newest and record.occurred_at and record.occurred_at < newest:
        return Outcome.STALE
    return Outcome.CHANGED


def _take(left: list[CoverageRow], coverage: Coverage) -> CoverageRow | None:
    """Remove and return the row of the same membership, active ones first."""
    for row in left:
        if (row.payer_code, row.member_id) == (coverage.payer_code, coverage.member_id):
            left.remove(row)
            return row
    return None


def _values(coverage: Coverage, patient_id: str, payer_id: str | None) -> dict[str, Any]:
    """What a row says of its coverage, by column."""
    subscriber = coverage.subscriber_name
    return {
        "patient_id": patient_id,
        "payer_id": payer_id,
        "status": "active",
        "subscriber_family_name": subscriber.family if subscriber else "",
        "subscriber_given_name": subscriber.given if subscriber else "",
        **{name: getattr(coverage, name) for name in COPIED},
    }
