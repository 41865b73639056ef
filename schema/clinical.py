"""Clinical orders."""

from __future__ import annotations

from hub.domain.agreements import DataClass
from hub.domain.clinical_orders import ClinicalOrderStatus
from hub.storage import tables
from schema.mapping.declare import EQ, RANGE, col, enum, many, one, stored

OPERATIONAL, PHI = DataClass.OPERATIONAL, DataClass.PHI

clinical_order = stored(
    "ClinicalOrder",
    table=tables.ClinicalOrder,
    subject="patient_id",
    root="clinicalOrders",
    order="-orderedAt",
    help="What was asked of a laboratory, an imaging site or a pharmacy (HL7 v2.5.1 chapter 4).",
    fields={
        "placerNumber": col(PHI, identifier=True, help="The number of who asked (ORC-2)."),
        "fillerNumber": col(PHI, identifier=True, help="The number of who does it (ORC-3)."),
        "groupNumber": col(PHI, identifier=True),
        "status": enum(PHI, "ClinicalOrderStatus", ClinicalOrderStatus),
        "code": col(PHI),
        "codeSystem": col(PHI),
        "name": col(PHI),
        "priority": col(PHI, help="HL7 table 0485 or as sent."),
        "orderedAt": col(PHI),
        "startsAt": col(PHI),
        "endsAt": col(PHI),
        "reason": col(PHI, identifier=True),
        "note": col(PHI, identifier=True),
        "receivedAt": col(OPERATIONAL),
    },
    links={
        "practice": one("Practice", "practice_id"),
        "patient": one("Patient", "patient_id"),
        "encounter": one("Encounter", "encounter_id"),
        "provider": one("Provider", "provider_id", help="Who ordered it (ORC-12)."),
        "replaces": one("ClinicalOrder", "replaces_id"),
        "observations": many("Observation", "order_id", order="-observedAt"),
    },
    filters={"practice": EQ, "patient": EQ, "code": EQ, "status": EQ, "orderedAt": RANGE},
    orders={"orderedAt": ("ordered_at",)},
)
