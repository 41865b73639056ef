"""Payers, coverages and eligibility checks with their benefits."""

from __future__ import annotations

from hub.domain.agreements import DataClass
from hub.domain.eligibility import Outcome
from hub.storage import tables
from hub.storage.reads.parts import INHERITED, Access
from schema.mapping.declare import EQ, PREFIX, RANGE, col, enum, many, one, stored
from schema.sensitivity import SENSITIVITY
from schema.sourced import source

OPERATIONAL, PHI = DataClass.OPERATIONAL, DataClass.PHI

payer = stored(
    "Payer",
    table=tables.Payer,
    access=Access.CATALOGUE,
    root="payers",
    help="An entry of the payer directory.",
    fields={
        "code": col(OPERATIONAL),
        "name": col(OPERATIONAL),
        "routeId": col(OPERATIONAL, help="The id on the wire."),
        "enrollment": col(OPERATIONAL),
    },
    filters={"code": EQ, "name": PREFIX},
)

coverage = stored(
    "Coverage",
    table=tables.Coverage,
    subject="patient_id",
    root="coverages",
    order="payerCode",
    help="Insurance coverage of a patient (HL7 v2.5.1 §6.5.6 IN1).",
    facets=source(PHI),
    fields={
        "priority": col(PHI, help="1 is primary."),
        "status": col(PHI),
        "payerCode": col(PHI),
        "payerName": col(PHI),
        "planName": col(PHI),
        "planType": col(PHI, help="HL7 table 0086 or as sent (IN1-15)."),
        "groupNumber": col(PHI, identifier=True),
        "memberId": col(PHI, identifier=True),
        "relationship": col(PHI),
        "subscriberFamilyName": col(PHI, identifier=True),
        "subscriberGivenName": col(PHI, identifier=True),
        "subscriberBirthDate": col(PHI),
        "startsOn": col(PHI),
        "endsOn": col(PHI),
        "receivedAt": col(OPERATIONAL),
        "sensitivity": SENSITIVITY,
    },
    links={
        "practice": one("Practice", "practice_id"),
        "patient": one("Patient", "patient_id"),
        "payer": one("Payer", "payer_id"),
    },
    filters={"practice": EQ, "patient": EQ, "payerCode": EQ, "status": EQ},
    orders={"payerCode": ("payer_code",), "priority": ("priority",)},
)

eligibility_check = stored(
    "EligibilityCheck",
    table=tables.EligibilityCheck,
    subject="patient_id",
    root="eligibilityChecks",
    order="-requestedAt",
    help="One question to a payer and its answer (X12 270/271).",
    fields={
        "serviceDate": col(PHI),
        "serviceType": col(PHI, help="X12 service type code."),
        "status": col(OPERATIONAL, help="Where the question stands: queued, sent, done …"),
        "outcome": enum(PHI, "EligibilityOutcome", Outcome),
        "rejectCode": col(PHI, help="AAA03 of the first rejection."),
        "rejectClass": col(PHI),
        "message": col(PHI, identifier=True),
        "planName": col(PHI),
        "insuranceType": col(PHI),
        "coverageFrom": col(PHI),
        "coverageTo": col(PHI),
        "trace": col(OPERATIONAL, help="Our TRN02."),
        "attempts": col(OPERATIONAL),
        "requestedAt": col(OPERATIONAL),
        "asOf": col(OPERATIONAL, help="When the payer answered."),
        "sensitivity": SENSITIVITY,
    },
    links={
        "practice": one("Practice", "practice_id"),
        "patient": one("Patient", "patient_id"),
        "coverage": one("Coverage", "coverage_id"),
        "appointment": one("Appointment", "appointment_id"),
        "payer": one("Payer", "payer_id"),
        "benefits": many("EligibilityBenefit", "check_id", order="position"),
    },
    filters={
        "practice": EQ,
        "patient": EQ,
        "payer": EQ,
        "status": EQ,
        "outcome": EQ,
        "serviceDate": RANGE,
        "requestedAt": RANGE,
    },
    orders={"requestedAt": ("requested_at",)},
)

eligibility_benefit = stored(
    "EligibilityBenefit",
    table=tables.EligibilityBenefit,
    subject=INHERITED,
    node=False,
    order="position",
    help="One EB segment of an answer.",
    fields={
        "position": col(OPERATIONAL),
        "kind": col(PHI, help="EB01."),
        "level": col(PHI, help="EB02."),
        "serviceTypes": col(PHI),
        "planName": col(PHI),
        "period": col(PHI, help="EB06."),
        "amount": col(PHI),
        "percent": col(PHI, help="The patient's share, 0 to 1."),
        "network": col(PHI, help="Y, N, W or U."),
        "message": col(PHI, identifier=True),
    },
    orders={"position": ("position",)},
)
