"""What was done in visits, and who takes part in care."""

from __future__ import annotations

from hub.domain.agreements import DataClass
from hub.storage import tables
from hub.storage.reads.parts import INHERITED
from schema.mapping.declare import EQ, RANGE, col, many, one, stored
from schema.sensitivity import SENSITIVITY
from schema.times import precision

OPERATIONAL, PHI = DataClass.OPERATIONAL, DataClass.PHI

procedure = stored(
    "Procedure",
    table=tables.Procedure,
    subject="patient_id",
    root="procedures",
    order="-performedAt",
    help="A procedure of a visit or of a charge (HL7 v2.5.1 §6.5.4 PR1).",
    fields={
        "position": col(PHI),
        "code": col(PHI),
        "name": col(PHI),
        "codeSystem": col(PHI),
        "type": col(PHI, help="HL7 table 0230."),
        "priority": col(PHI, help="1 is primary (HL7 table 0418)."),
        "performedAt": col(PHI),
        "performedAtPrecision": precision("performedAt"),
        "minutes": col(PHI, help="How long it took."),
        "modifiers": col(PHI),
        "diagnosisCode": col(PHI, help="What it was done for (PR1-15)."),
        "sensitivity": SENSITIVITY,
    },
    links={
        "practice": one("Practice", "practice_id"),
        "patient": one("Patient", "patient_id"),
        "encounter": one("Encounter", "encounter_id"),
        "charge": one("Charge", "charge_id", help="The charge that states it."),
        "provider": one("Provider", "provider_id", help="Who did it (PR1-11, PR1-12)."),
        "careRoles": many("CareRole", "procedure_id", order="role", help="Who else took part."),
    },
    filters={"practice": EQ, "patient": EQ, "code": EQ, "performedAt": RANGE},
    orders={"performedAt": ("performed_at",), "position": ("position",)},
)

care_role = stored(
    "CareRole",
    table=tables.CareRole,
    subject=INHERITED,
    node=False,
    order="role",
    help="A practitioner in one role of a patient, visit, order or procedure (ROL, PRT, PV1).",
    fields={
        "role": col(PHI, help="HL7 table 0443 or 0912, or as sent: AD, CP, RP …"),
        "roleName": col(PHI),
        "startsAt": col(PHI),
        "startsAtPrecision": precision("startsAt"),
        "endsAt": col(PHI),
        "endsAtPrecision": precision("endsAt"),
    },
    links={"provider": one("Provider", "provider_id")},
    orders={"role": ("role",)},
)
