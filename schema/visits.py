"""Appointments, encounters, observations and charges."""

from __future__ import annotations

from hub.domain.agreements import DataClass
from hub.domain.encounters import EncounterClass, EncounterStatus, StayKind
from hub.domain.observations import ObservationStatus
from hub.domain.scheduling import AppointmentStatus, ResourceKind
from hub.storage import tables
from hub.storage.reads.parts import INHERITED
from schema.mapping.declare import EQ, RANGE, col, enum, many, one, stored
from schema.sensitivity import SENSITIVITY
from schema.sourced import source
from schema.times import precision

OPERATIONAL, PHI, FINANCIAL = DataClass.OPERATIONAL, DataClass.PHI, DataClass.FINANCIAL

appointment = stored(
    "Appointment",
    table=tables.Appointment,
    subject="patient_id",
    root="appointments",
    order="startsAt",
    help="A booked time (HL7 v2.5.1 chapter 10).",
    facets=source(PHI),
    fields={
        "status": enum(PHI, "AppointmentStatus", AppointmentStatus),
        "startsAt": col(PHI),
        "minutes": col(OPERATIONAL),
        "location": col(OPERATIONAL),
        "serviceCode": col(PHI),
        "reason": col(PHI, identifier=True),
        "typeCode": col(PHI, help="HL7 table 0277 or as sent (SCH-8)."),
        "note": col(PHI, identifier=True),
        "receivedAt": col(OPERATIONAL),
        "sensitivity": SENSITIVITY,
    },
    links={
        "practice": one("Practice", "practice_id"),
        "patient": one("Patient", "patient_id"),
        "provider": one("Provider", "provider_id"),
        "resources": many("AppointmentResource", "appointment_id", order="position"),
        "eligibilityChecks": many("EligibilityCheck", "appointment_id", order="-requestedAt"),
    },
    filters={
        "practice": EQ,
        "patient": EQ,
        "provider": EQ,
        "status": EQ,
        "startsAt": RANGE,
    },
    orders={"startsAt": ("starts_at",)},
    measures=("minutes",),
)

appointment_resource = stored(
    "AppointmentResource",
    table=tables.AppointmentResource,
    subject=INHERITED,
    node=False,
    help="A service, person, place or thing that an appointment takes up (AIS, AIP, AIL, AIG).",
    fields={
        "position": col(OPERATIONAL),
        "kind": enum(OPERATIONAL, "ResourceKind", ResourceKind),
        "code": col(PHI),
        "name": col(PHI),
        "role": col(OPERATIONAL),
        "startsAt": col(PHI),
        "minutes": col(OPERATIONAL),
    },
    links={"provider": one("Provider", "provider_id")},
    orders={"position": ("position",)},
)

encounter = stored(
    "Encounter",
    table=tables.Encounter,
    subject="patient_id",
    root="encounters",
    order="-startsAt",
    help="A visit (HL7 v2.5.1 §3.4.9 PV1).",
    facets=source(PHI),
    fields={
        "status": enum(PHI, "EncounterStatus", EncounterStatus),
        "encounterClass": enum(PHI, "EncounterClass", EncounterClass),
        "location": col(PHI),
        "startsAt": col(PHI),
        "startsAtPrecision": precision("startsAt"),
        "endsAt": col(PHI),
        "endsAtPrecision": precision("endsAt"),
        "dischargeDisposition": col(PHI),
        "admissionType": col(PHI, help="HL7 table 0007."),
        "hospitalService": col(PHI, help="HL7 table 0069."),
        "admitSource": col(PHI, help="HL7 table 0023."),
        "reason": col(PHI, identifier=True, help="Why the patient came (PV2-3)."),
        "receivedAt": col(OPERATIONAL),
        "sensitivity": SENSITIVITY,
    },
    links={
        "practice": one("Practice", "practice_id"),
        "patient": one("Patient", "patient_id"),
        "provider": one("Provider", "provider_id"),
        "precededBy": one(
            "Encounter", "preceded_by_id", help="The visit this one continues (A06, A07: MRG-5)."
        ),
        "diagnoses": many("Diagnosis", "encounter_id", order="position"),
        "procedures": many("Procedure", "encounter_id", order="-performedAt"),
        "careRoles": many(
            "CareRole", "encounter_id", order="role", help="Who takes part besides the attending."
        ),
        "stays": many("EncounterStay", "encounter_id", order="startsAt"),
        "observations": many("Observation", "encounter_id", order="-observedAt"),
        "clinicalDocuments": many("ClinicalDocument", "encounter_id", order="-activityAt"),
        "immunizations": many("Immunization", "encounter_id", order="-administeredOn"),
        "clinicalOrders": many("ClinicalOrder", "encounter_id", order="-orderedAt"),
        "charges": many("Charge", "encounter_id", order="-serviceDate"),
    },
    filters={"practice": EQ, "patient": EQ, "status": EQ, "startsAt": RANGE},
    orders={"startsAt": ("starts_at",)},
)

encounter_stay = stored(
    "EncounterStay",
    table=tables.EncounterStay,
    subject=INHERITED,
    node=False,
    help="Where a visit's patient was, or that they were on leave, from one moment to the next.",
    fields={
        "kind": enum(PHI, "StayKind", StayKind),
        "location": col(PHI),
        "startsAt": col(PHI),
        "startsAtPrecision": precision("startsAt"),
        "endsAt": col(PHI),
        "endsAtPrecision": precision("endsAt"),
        "cancelled": col(PHI, help="A move that was taken back (A12, A52, A53)."),
    },
    orders={"startsAt": ("starts_at",)},
)

observation = stored(
    "Observation",
    table=tables.Observation,
    subject="patient_id",
    root="observations",
    order="-observedAt",
    help="One result (HL7 v2.5.1 §7.4.2 OBX).",
    facets=source(PHI),
    fields={
        "reportName": col(PHI),
        "code": col(PHI),
        "codeSystem": col(PHI),
        "name": col(PHI),
        "valueType": col(PHI),
        "valueText": col(PHI, identifier=True, help="The value as sent."),
        "valueNumber": col(PHI, help="The value as an exact decimal, where it is numeric."),
        "valueCode": col(PHI, help="The code of a coded value."),
        "valueCodeSystem": col(PHI),
        "unit": col(PHI),
        "referenceRange": col(PHI),
        "abnormalFlags": col(PHI),
        "status": enum(PHI, "ObservationStatus", ObservationStatus),
        "observedAt": col(PHI),
        "observedAtPrecision": precision("observedAt"),
        "note": col(PHI, identifier=True),
        "method": col(PHI),
        "specimen": col(PHI, help="What was examined (SPM-4, OBR-15)."),
        "performer": col(OPERATIONAL, help="Who examined it (OBX-23, OBX-15)."),
        "reportKey": col(PHI, identifier=True, help="The number of its report (OBR-3)."),
        "parentReportKey": col(
            PHI, identifier=True, help="The report that this one refines (OBR-29)."
        ),
        "parentCode": col(PHI, help="The result there that this one refines (OBR-26)."),
        "receivedAt": col(OPERATIONAL),
        "sensitivity": SENSITIVITY,
    },
    links={
        "practice": one("Practice", "practice_id"),
        "patient": one("Patient", "patient_id"),
        "encounter": one("Encounter", "encounter_id"),
        "versions": many(
            "ObservationVersion",
            "observation_id",
            order="replacedAt",
            help="What it said before it was corrected or withdrawn.",
        ),
        "order": one("ClinicalOrder", "order_id", help="The order it answers."),
    },
    filters={"practice": EQ, "patient": EQ, "code": EQ, "status": EQ, "observedAt": RANGE},
    orders={"observedAt": ("observed_at",)},
)

observation_version = stored(
    "ObservationVersion",
    table=tables.ObservationVersion,
    subject=INHERITED,
    node=False,
    help="What a result said before it was corrected or withdrawn.",
    fields={
        "status": enum(PHI, "ObservationStatus", ObservationStatus),
        "valueText": col(PHI, identifier=True),
        "valueNumber": col(PHI),
        "unit": col(PHI),
        "referenceRange": col(PHI),
        "abnormalFlags": col(PHI),
        "note": col(PHI, identifier=True),
        "observedAt": col(PHI),
        "observedAtPrecision": precision("observedAt"),
        "receivedAt": col(OPERATIONAL),
        "replacedAt": col(OPERATIONAL),
    },
    orders={"replacedAt": ("replaced_at",)},
)

charge = stored(
    "Charge",
    table=tables.Charge,
    subject="patient_id",
    root="charges",
    order="-serviceDate",
    help="One financial transaction of a visit (HL7 v2.5.1 §6.5.1 FT1).",
    facets=source(PHI),
    fields={
        "kind": enum(PHI, "ChargeKind", ("charge", "credit", "payment", "adjustment")),
        "serviceDate": col(PHI),
        "procedureCode": col(PHI),
        "procedureSystem": col(PHI),
        "modifiers": col(PHI),
        "quantity": col(PHI),
        "amount": col(FINANCIAL, help="The extended amount (FT1-11)."),
        "currency": col(FINANCIAL),
        "diagnosisCodes": col(PHI),
        "performerNpi": col(OPERATIONAL),
        "receivedAt": col(OPERATIONAL),
        "sensitivity": SENSITIVITY,
    },
    links={
        "practice": one("Practice", "practice_id"),
        "patient": one("Patient", "patient_id"),
        "encounter": one("Encounter", "encounter_id"),
        "procedures": many("Procedure", "charge_id", order="position"),
    },
    filters={"practice": EQ, "patient": EQ, "kind": EQ, "serviceDate": RANGE},
    orders={"serviceDate": ("service_date",)},
    measures=("amount",),
)
