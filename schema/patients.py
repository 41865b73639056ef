"""Patients and their identifiers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from hub.domain.agreements import DataClass
from hub.domain.patients import Sex
from hub.storage import tables
from schema.mapping.declare import EQ, PREFIX, RANGE, batch, col, enum, many, one, stored
from schema.sensitivity import SENSITIVITY
from schema.sourced import source
from schema.times import precision

OPERATIONAL, PHI = DataClass.OPERATIONAL, DataClass.PHI


def ages(rows: Sequence[Mapping[str, Any]], now: datetime) -> list[int | None]:
    """Completed years at `now` (UTC), or at death."""
    found: list[int | None] = []
    for row in rows:
        born, until = row["birth_date"], (row["deceased_at"] or now).date()
        if born is None:
            found.append(None)
            continue
        had_birthday = (until.month, until.day) >= (born.month, born.day)
        found.append(until.year - born.year - (not had_birthday))
    return found


patient = stored(
    "Patient",
    table=tables.Patient,
    subject="id",
    root="patients",
    order="name",
    help="A person as one practice knows them.",
    facets=source(PHI),
    fields={
        "familyName": col(PHI, identifier=True),
        "givenName": col(PHI, identifier=True),
        "middleName": col(PHI, identifier=True),
        "birthDate": col(PHI),
        "birthDateStated": col(
            PHI,
            help="The year or month of birth (1950, 1950-07) where no day is known.",
        ),
        "sex": enum(PHI, "Sex", Sex),
        "phone": col(PHI, identifier=True),
        "email": col(PHI, identifier=True),
        "line1": col(PHI, identifier=True),
        "line2": col(PHI, identifier=True),
        "city": col(PHI),
        "state": col(PHI),
        "postalCode": col(PHI),
        "language": col(PHI),
        "deceasedAt": col(PHI),
        "deceasedAtPrecision": precision("deceasedAt"),
        "deceased": col(PHI, help="Known to have died, with or without a time (PID-30)."),
        "race": col(PHI, help="HL7 table 0005 or as sent."),
        "ethnicity": col(PHI, help="HL7 table 0189 or as sent."),
        "maritalStatus": col(PHI, help="HL7 table 0002."),
        "publicityCode": col(PHI, help="HL7 table 0215: whether the patient may be contacted."),
        "protected": col(PHI, help="The patient asks for care with whom the record is shown to."),
        "status": enum(OPERATIONAL, "PatientStatus", ("active", "merged", "inactive")),
        "receivedAt": col(OPERATIONAL, help="When the latest message about this row arrived."),
        "sensitivity": SENSITIVITY,
    },
    computed={
        "age": batch(
            ages,
            PHI,
            needs=("birth_date", "deceased_at"),
            returns="int | None",
            help="Completed years, today or at death.",
        ),
    },
    links={
        "practice": one("Practice", "practice_id"),
        "mergedInto": one("Patient", "merged_into_id"),
        "primaryProvider": one("Provider", "primary_provider_id"),
        "names": many("PatientName", "patient_id", order="position"),
        "addresses": many("PatientAddress", "patient_id", order="position"),
        "telecoms": many("PatientTelecom", "patient_id", order="position"),
        "contacts": many("PatientContact", "patient_id", order="position"),
        "guarantors": many("Guarantor", "patient_id", order="position"),
        "allergies": many("Allergy", "patient_id", order="position"),
        "diagnoses": many("Diagnosis", "patient_id", order="-diagnosedAt"),
        "procedures": many("Procedure", "patient_id", order="-performedAt"),
        "careRoles": many(
            "CareRole", "patient_id", order="role", help="Who takes part in the patient's care."
        ),
        "identifiers": many("PatientIdentifier", "patient_id"),
        "appointments": many("Appointment", "patient_id", order="startsAt"),
        "encounters": many("Encounter", "patient_id", order="-startsAt"),
        "observations": many("Observation", "patient_id", order="-observedAt"),
        "clinicalOrders": many("ClinicalOrder", "patient_id", order="-orderedAt"),
        "clinicalDocuments": many("ClinicalDocument", "patient_id", order="-activityAt"),
        "immunizations": many("Immunization", "patient_id", order="-administeredOn"),
        "coverages": many("Coverage", "patient_id", order="priority"),
        "eligibilityChecks": many("EligibilityCheck", "patient_id", order="-requestedAt"),
        "charges": many("Charge", "patient_id", order="-serviceDate"),
        "consents": many("Consent", "patient_id", order="-grantedOn"),
    },
    filters={
        "practice": EQ,
        "familyName": PREFIX,
        "givenName": PREFIX,
        "birthDate": RANGE,
        "status": EQ,
    },
    orders={"name": ("family_name", "given_name")},
)

patient_identifier = stored(
    "PatientIdentifier",
    table=tables.PatientIdentifier,
    subject="patient_id",
    help="One identifier of a patient: assigning authority, type (HL7 table 0203) and value.",
    fields={
        "authority": col(PHI, identifier=True),
        "type": col(OPERATIONAL),
        "value": col(PHI, identifier=True),
        "sensitivity": SENSITIVITY,
        "effectiveOn": col(PHI, help="When it began to hold (CX-7)."),
        "expiresOn": col(PHI, help="When it ceases to hold (CX-8)."),
    },
    links={"patient": one("Patient", "patient_id")},
)
