"""Who saw a patient, for those who may see the patient: the practice's own accounting."""

from __future__ import annotations

from typing import Annotated

import strawberry
from strawberry.scalars import JSON

from hub.domain.agreements import DataClass
from hub.errors import Forbidden, NotFound, Rejected
from hub.services import accesses
from hub.storage import audit
from hub.storage.reads.write import global_id
from hub.storage.session import ScopedSession
from schema.common import DateTime
from schema.context import Context
from schema.mapping.mutate import row_id

MOST = 1000


@strawberry.type(description="One audit event about a patient: who, when, for which purpose.")
class PatientAccess:
    event_id: strawberry.ID = strawberry.field(description="Of the AuditEvent.")
    recorded_at: DateTime
    principal_id: str
    principal_name: str
    purpose: str
    action: str = strawberry.field(description="read, write or execute.")
    outcome: str = strawberry.field(description="success, denied or failed.")
    operation: str = strawberry.field(
        description="The name of the operation, or the digest of its document."
    )
    reason: str = strawberry.field(description="Why, where it was stated; in an emergency always.")
    entities: JSON = strawberry.field(
        description="Rows by type that the whole answer had, of all its patients."
    )


def _accesses(
    info: strawberry.Info[Context, None],
    patient_id: strawberry.ID,
    since: DateTime | None = None,
    until: DateTime | None = None,
    first: Annotated[int, strawberry.argument(description="1 to 1000.")] = 100,
) -> list[PatientAccess]:
    context = info.context
    if DataClass.PHI not in context.scope.classes:
        raise Forbidden("This credential may not look for patients.")
    if not 1 <= first <= MOST:
        raise Rejected(f"`first` must be between 1 and {MOST}.", path="first")
    wanted = accesses.Wanted(row_id(patient_id, "Patient"), since=since, until=until)
    return context.database.transaction(
        context.scope, lambda session: _found(session, context, wanted, first)
    )


def _found(
    session: ScopedSession, context: Context, wanted: accesses.Wanted, first: int
) -> list[PatientAccess]:
    try:
        events = accesses.told(session, context.crypto, wanted, limit=first)
    except NotFound:
        raise NotFound from None  # in the one text for what is missing and what is foreign
    entities = {"AuditEvent": len(events)}
    looked = context.audit_event("patientAccesses", "read", "success", entities=entities)
    audit.append_all(session, [looked])
    return [_shown(event) for event in events]


def _shown(told: accesses.Told) -> PatientAccess:
    event = told.event
    return PatientAccess(
        event_id=strawberry.ID(global_id("AuditEvent", event.id)),
        recorded_at=event.recorded_at,  # type: ignore[arg-type]
        principal_id=event.principal_id,
        principal_name=event.principal_name,
        purpose=event.purpose,
        action=event.action,
        outcome=event.outcome,
        operation=event.operation,
        reason=told.reason,
        entities=told.entities,  # type: ignore[arg-type]
    )


@strawberry.type
class Query:
    patient_accesses: list[PatientAccess] = strawberry.field(
        resolver=_accesses,
        description="Who read or changed what the hub holds of a patient or of records merged into "
        "theirs, newest first. Of accesses to labelled records only who may read those of the "
        "practice is told. Asking is audited.",
    )
