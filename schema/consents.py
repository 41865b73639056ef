"""Consents of patients: the register, recording and revoking."""

from __future__ import annotations

from functools import partial

from hub.domain.agreements import DataClass, Domain, Purpose
from hub.errors import Forbidden
from hub.services import consents
from hub.services.consent_references import opened
from hub.storage import tables
from schema.mapping.declare import EQ, IS_NULL, RANGE, col, enum, one, sealed, stored
from schema.mapping.mutate import Call, Mutation, Payload, row_id
from schema.sensitivity import SENSITIVITY

OPERATIONAL, PHI = DataClass.OPERATIONAL, DataClass.PHI

consent = stored(
    "Consent",
    table=tables.Consent,
    subject="patient_id",
    root="consents",
    order="-grantedOn",
    help="A patient's consent that the MSO sees records with one sensitivity label (42 CFR 2.31), "
    "in force from `startsAt` until before `endsAt` while it is not revoked. It has the label "
    "itself; the MSO sees those in force.",
    fields={
        "sensitivity": SENSITIVITY,
        "purpose": enum(
            OPERATIONAL,
            "ConsentPurpose",
            tuple(purpose.value for purpose in Purpose),
            help="Null: for every one.",
        ),
        "grantedOn": col(PHI),
        "startsAt": col(PHI),
        "endsAt": col(PHI, help="Null: open."),
        "recordedAt": col(OPERATIONAL),
        "recordedBy": col(OPERATIONAL, help="The credential or the operator."),
        "revokedAt": col(OPERATIONAL),
        "revokedBy": col(OPERATIONAL),
    },
    computed={
        "reference": sealed(
            partial(opened, column="reference"),
            "reference",
            PHI,
            identifier=True,
            help="Where the signed document is kept; null once the keys of the practice were "
            "destroyed.",
        ),
        "revocationReference": sealed(
            partial(opened, column="revocation_reference"),
            "revocation_reference",
            PHI,
            identifier=True,
        ),
    },
    links={"practice": one("Practice", "practice_id"), "patient": one("Patient", "patient_id")},
    filters={"practice": EQ, "patient": EQ, "grantedOn": RANGE, "revokedAt": RANGE | IS_NULL},
    orders={"grantedOn": ("granted_on",)},
)


def _keeper(call: Call) -> tuple[str, consents.Actor]:
    """The practice's own apps keep its register: who is shown records by it does not."""
    scope, principal = call.context.scope, call.context.principal
    practice_id = scope.own_practice_id
    if practice_id is None or practice_id not in scope.sensitive_practices(Domain.CLINICAL):
        raise Forbidden("Only a practice's own apps that read labelled records keep its consents.")
    return practice_id, consents.Actor(principal.id, principal.name, scope.purpose)


def _record(call: Call) -> Payload:
    practice_id, actor = _keeper(call)
    given, purpose = call.input, call.input.get("purpose")
    row = consents.record(
        call.session,
        call.context.crypto,
        actor,
        practice_id=practice_id,
        patient_id=row_id(given["patientId"], "Patient"),
        terms=consents.Terms(
            label=given["sensitivity"],
            purpose=None if purpose is None else Purpose(purpose),
            granted_on=given["grantedOn"],
            starts_on=given.get("startsOn"),
            ends_on=given.get("endsOn"),
            reference=given["reference"],
        ),
        now=call.now,
    )
    return {"consent": row.id}


def _revoke(call: Call) -> Payload:
    practice_id, actor = _keeper(call)
    row = consents.revoke(
        call.session,
        call.context.crypto,
        actor,
        practice_id=practice_id,
        consent_id=row_id(call.input["consentId"], "Consent"),
        reference=call.input.get("reference") or "",
        now=call.now,
    )
    return {"consent": row.id}


MUTATIONS: tuple[Mutation, ...] = (
    Mutation(
        "recordConsent",
        {
            "patientId": "ID",
            "sensitivity": "str",
            "purpose": "ConsentPurpose | None",
            "grantedOn": "Date",
            "startsOn": "Date | None",
            "endsOn": "Date | None",
            "reference": "str",
        },
        {"consent": "Consent"},
        _record,
        help="Write down that a patient of the own practice lets the MSO see records with a "
        "sensitivity label, from `startsOn` (`grantedOn`) until before `endsOn` in days of the "
        "practice. `reference` (1 to 200 characters) says where the signed document is.",
    ),
    Mutation(
        "revokeConsent",
        {"consentId": "ID", "reference": "str | None"},
        {"consent": "Consent"},
        _revoke,
        help="End a consent at once, and others that say the same, as a merge may leave them. They "
        "stay in the register.",
    ),
)
