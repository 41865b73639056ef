"""Emergency accesses: listed for review, opened, ended and signed."""

from __future__ import annotations

from hub.domain.agreements import DataClass
from hub.errors import Forbidden
from hub.services import emergencies
from hub.storage import tables
from hub.storage.reads.write import global_id, read_global_id
from schema.mapping.declare import EQ, IS_NULL, RANGE, col, one, stored
from schema.mapping.mutate import Call, Mutation, Payload, row_id
from schema.sensitivity import SENSITIVITY

OPERATIONAL, PHI = DataClass.OPERATIONAL, DataClass.PHI

emergency_access = stored(
    "EmergencyAccess",
    table=tables.EmergencyAccess,
    subject="patient_id",
    root="emergencyAccesses",
    order="-startedAt",
    help="Somebody opened the labelled records of one patient in an emergency (break-glass). It "
    "stays in the queue of the practice until it is reviewed, and has a label itself.",
    fields={
        "person": col(OPERATIONAL, help="Who asked, as the practice knows them."),
        "openedBy": col(OPERATIONAL, help="The credential."),
        "reason": col(PHI, identifier=True),
        "startedAt": col(OPERATIONAL),
        "endsAt": col(OPERATIONAL),
        "stoppedAt": col(OPERATIONAL, help="Null until its end is written down."),
        "reviewedAt": col(OPERATIONAL, help="Null while it waits for review."),
        "reviewedBy": col(OPERATIONAL, help="The credential that signed it."),
        "reviewNote": col(PHI, identifier=True),
        "sensitivity": SENSITIVITY,
    },
    links={"practice": one("Practice", "practice_id"), "patient": one("Patient", "patient_id")},
    filters={"practice": EQ, "patient": EQ, "startedAt": RANGE, "reviewedAt": RANGE | IS_NULL},
    orders={"startedAt": ("started_at",)},
)


def _own_practice(call: Call) -> str:
    """Only people of the practice open and sign: no MSO's app does."""
    practice_id = call.context.scope.own_practice_id
    if practice_id is None:
        raise Forbidden("Only a practice's own apps do this.")
    return practice_id


def _start(call: Call) -> Payload:
    given, minutes = call.input, call.input.get("minutes")
    found = read_global_id(given["patient"])
    access_id = emergencies.start(
        call.session,
        call.context.crypto,
        call.context.principal,
        practice_id=_own_practice(call),
        patient=found[1] if found is not None and found[0] == "Patient" else given["patient"],
        person=given["person"],
        reason=given["reason"],
        minutes=emergencies.USUAL_MINUTES if minutes is None else minutes,
        now=call.now,
    )
    return {"emergencyAccessId": global_id("EmergencyAccess", access_id)}


def _stop(call: Call) -> Payload:
    access_id = row_id(call.input["emergencyAccessId"], "EmergencyAccess")
    emergencies.stop(
        call.session,
        call.context.crypto,
        call.context.principal,
        practice_id=_own_practice(call),
        access_id=access_id,
        now=call.now,
    )
    return {"emergencyAccessId": call.input["emergencyAccessId"]}


def _review(call: Call) -> Payload:
    access_id = row_id(call.input["emergencyAccessId"], "EmergencyAccess")
    emergencies.review(
        call.session,
        call.context.principal,
        practice_id=_own_practice(call),
        access_id=access_id,
        note=call.input["note"],
        now=call.now,
    )
    return {"emergencyAccess": access_id}


_PAYLOAD = {"emergencyAccessId": "ID"}
"""The row itself has a label: who opened it sees it while it lasts, in requests that name it."""
MUTATIONS: tuple[Mutation, ...] = (
    Mutation(
        "breakGlass",
        {"patient": "str", "person": "str", "reason": "str", "minutes": "int | None"},
        _PAYLOAD,
        _start,
        right="break_glass",
        reason="reason",
        dry_run=False,
        help="Open the records with a sensitivity label of one patient of the own practice, for 1 "
        "to 60 minutes (30). `patient` is a Patient's id or a record number, `person` who asks. A "
        "query sees them that names the access in `extensions.emergencyAccess`; each is audited "
        "with the reason, and the practice reviews it.",
    ),
    Mutation(
        "endEmergencyAccess",
        {"emergencyAccessId": "ID"},
        _PAYLOAD,
        _stop,
        right="break_glass",
        help="End an emergency access of this credential before its time.",
    ),
    Mutation(
        "reviewEmergencyAccess",
        {"emergencyAccessId": "ID", "note": "str"},
        {"emergencyAccess": "EmergencyAccess"},
        _review,
        reason="note",
        help="Sign that an emergency access was looked at, once it is over; by another credential "
        "of the practice that may read labelled records.",
    ),
)
