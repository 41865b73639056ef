"""Clinical orders, documents and immunizations."""

from __future__ import annotations

from hub.domain.agreements import DataClass
from hub.domain.clinical_documents import DocumentAvailability, DocumentCompletion
from hub.domain.clinical_orders import ClinicalOrderStatus
from hub.domain.immunizations import ImmunizationStatus
from hub.storage import tables
from hub.storage.reads.parts import INHERITED
from schema.mapping.declare import EQ, RANGE, batch, col, enum, many, one, stored
from schema.sensitivity import SENSITIVITY
from schema.sourced import source
from schema.times import precision

OPERATIONAL, PHI = DataClass.OPERATIONAL, DataClass.PHI

clinical_order = stored(
    "ClinicalOrder",
    table=tables.ClinicalOrder,
    subject="patient_id",
    root="clinicalOrders",
    order="-orderedAt",
    help="What was asked of a laboratory, an imaging site or a pharmacy (HL7 v2.5.1 chapter 4).",
    facets=source(PHI),
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
        "sensitivity": SENSITIVITY,
    },
    links={
        "practice": one("Practice", "practice_id"),
        "patient": one("Patient", "patient_id"),
        "encounter": one("Encounter", "encounter_id"),
        "provider": one("Provider", "provider_id", help="Who ordered it (ORC-12)."),
        "replaces": one("ClinicalOrder", "replaces_id"),
        "observations": many("Observation", "order_id", order="-observedAt"),
        "careRoles": many("CareRole", "order_id", order="role"),
    },
    filters={"practice": EQ, "patient": EQ, "code": EQ, "status": EQ, "orderedAt": RANGE},
    orders={"orderedAt": ("ordered_at",)},
)

clinical_document = stored(
    "ClinicalDocument",
    table=tables.ClinicalDocument,
    subject="patient_id",
    root="clinicalDocuments",
    order="-activityAt",
    help="A note, letter or report about a patient (HL7 v2.5.1 chapter 9).",
    facets=source(PHI),
    fields={
        "typeCode": col(PHI, help="HL7 table 0270 or as sent."),
        "typeName": col(PHI),
        "title": col(PHI, identifier=True),
        "fileName": col(PHI, identifier=True),
        "completion": enum(PHI, "DocumentCompletion", DocumentCompletion),
        "availability": enum(PHI, "DocumentAvailability", DocumentAvailability),
        "confidentiality": col(PHI, help="HL7 table 0272."),
        "activityAt": col(PHI),
        "originatedAt": col(PHI),
        "text": col(PHI, identifier=True),
        "receivedAt": col(OPERATIONAL),
        "sensitivity": SENSITIVITY,
    },
    links={
        "practice": one("Practice", "practice_id"),
        "patient": one("Patient", "patient_id"),
        "encounter": one("Encounter", "encounter_id"),
        "order": one("ClinicalOrder", "order_id"),
        "author": one("Provider", "author_id"),
        "authenticator": one("Provider", "authenticator_id"),
        "parent": one(
            "ClinicalDocument", "parent_id", help="The document this one adds to or replaces."
        ),
        "followers": many(
            "ClinicalDocument", "parent_id", help="Addenda to this document, and replacements."
        ),
        "parts": many("DocumentPart", "document_id", order="position"),
    },
    filters={
        "practice": EQ,
        "patient": EQ,
        "typeCode": EQ,
        "completion": EQ,
        "availability": EQ,
        "activityAt": RANGE,
    },
    orders={"activityAt": ("activity_at",)},
)

document_part = stored(
    "DocumentPart",
    table=tables.DocumentPart,
    subject=INHERITED,
    node=False,
    help="A file inside a document, kept encrypted, or a pointer to one, which is never followed.",
    fields={
        "position": col(PHI),
        "mediaType": col(PHI),
        "size": col(PHI, help="Bytes."),
        "reference": col(PHI, identifier=True),
    },
    computed={
        "downloadPath": batch(
            lambda rows, _: [
                f"/documents/{row['document_id']}/{row['position']}" if row["size"] else None
                for row in rows
            ],
            PHI,
            needs=("document_id", "position", "size"),
            returns="str | None",
            identifier=True,
            help="Where its bytes are got with the same credential; null for a pointer.",
        ),
    },
    orders={"position": ("position",)},
)

immunization = stored(
    "Immunization",
    table=tables.Immunization,
    subject="patient_id",
    root="immunizations",
    order="-administeredOn",
    help="A vaccine given, reported as given elsewhere, or refused (HL7 v2.5.1 §4.14.7 RXA).",
    facets=source(PHI),
    fields={
        "status": enum(PHI, "ImmunizationStatus", ImmunizationStatus),
        "administeredOn": col(PHI),
        "administeredAt": col(PHI, help="Where a time was sent."),
        "administeredPrecision": precision("administeredOn and administeredAt"),
        "vaccineCode": col(PHI, help="CVX where vaccineSystem says so."),
        "vaccineSystem": col(PHI),
        "vaccineName": col(PHI),
        "historical": col(PHI, help="Reported, not given by the sender; null if not said."),
        "amount": col(PHI),
        "unit": col(PHI),
        "lotNumber": col(PHI),
        "expiresOn": col(PHI),
        "manufacturerCode": col(PHI, help="MVX."),
        "manufacturerName": col(PHI),
        "refusalCode": col(PHI),
        "refusalReason": col(PHI, identifier=True),
        "routeCode": col(PHI),
        "siteCode": col(PHI),
        "fundingCode": col(PHI, help="HL7 table 0064, the programme the patient is eligible for."),
        "note": col(PHI, identifier=True),
        "receivedAt": col(OPERATIONAL),
        "sensitivity": SENSITIVITY,
    },
    links={
        "practice": one("Practice", "practice_id"),
        "patient": one("Patient", "patient_id"),
        "encounter": one("Encounter", "encounter_id"),
        "provider": one("Provider", "provider_id", help="Who gave it (RXA-10)."),
    },
    filters={
        "practice": EQ,
        "patient": EQ,
        "vaccineCode": EQ,
        "status": EQ,
        "administeredOn": RANGE,
    },
    orders={"administeredOn": ("administered_on",)},
)
