"""The lists of a patient: names, addresses, numbers, contacts, guarantors, allergies, diagnoses."""

from __future__ import annotations

from hub.domain.agreements import DataClass
from hub.storage import tables
from hub.storage.reads.parts import INHERITED
from schema.mapping.declare import EQ, RANGE, Col, Stored, col, enum, one, stored
from schema.sensitivity import SENSITIVITY
from schema.times import precision

PHI = DataClass.PHI
_NAME = {
    name: col(PHI, identifier=True)
    for name in ("familyName", "givenName", "middleName", "suffix", "prefix")
}
_ADDRESS = {
    "line1": col(PHI, identifier=True),
    "line2": col(PHI, identifier=True),
    "city": col(PHI),
    "state": col(PHI),
    "postalCode": col(PHI),
    "country": col(PHI),
}
_USE = col(PHI, help="What it is used for, as sent (HL7 tables 0190, 0200, 0201).")


def _listed(
    type_name: str, table: type[tables.ListedOfPatient], about: str, /, **fields: Col
) -> Stored:
    """A list that is reached through its patient, in the order stated."""
    return stored(
        type_name,
        table=table,  # type: ignore[arg-type]
        subject=INHERITED,
        node=False,
        order="position",
        help=about,
        fields={"position": col(PHI), **fields},
        orders={"position": ("position",)},
    )


patient_name = _listed(
    "PatientName", tables.PatientName, "One of a patient's names (PID-5).", **_NAME, use=_USE
)
patient_address = _listed(
    "PatientAddress",
    tables.PatientAddress,
    "One of a patient's addresses (PID-11).",
    **_ADDRESS,
    use=_USE,
)
patient_telecom = _listed(
    "PatientTelecom",
    tables.PatientTelecom,
    "A number or address under which a patient is reached (PID-13, PID-14).",
    kind=enum(PHI, "TelecomKind", ("phone", "email")),
    value=col(PHI, identifier=True),
    use=_USE,
)
patient_contact = _listed(
    "PatientContact",
    tables.PatientContact,
    "Somebody to turn to about a patient (NK1).",
    **_NAME,
    **_ADDRESS,
    relationship=col(PHI, help="HL7 table 0063 or as sent."),
    role=col(PHI, help="HL7 table 0131."),
    phone=col(PHI, identifier=True),
    email=col(PHI, identifier=True),
    startsOn=col(PHI),
    endsOn=col(PHI),
)
guarantor = _listed(
    "Guarantor",
    tables.Guarantor,
    "Who pays what insurance does not (GT1).",
    number=col(PHI, identifier=True),
    **_NAME,
    **_ADDRESS,
    phone=col(PHI, identifier=True),
    birthDate=col(PHI),
    type=col(PHI),
    relationship=col(PHI),
    employer=col(PHI, identifier=True),
)
allergy = _listed(
    "Allergy",
    tables.Allergy,
    "What a patient does not bear (AL1).",
    type=col(PHI, help="HL7 table 0127: DA drug, FA food …"),
    code=col(PHI),
    name=col(PHI),
    codeSystem=col(PHI),
    severity=col(PHI, help="HL7 table 0128."),
    reactions=col(PHI, identifier=True),
    identifiedOn=col(PHI),
)

diagnosis = stored(
    "Diagnosis",
    table=tables.Diagnosis,
    subject="patient_id",
    root="diagnoses",
    order="-diagnosedAt",
    help="A diagnosis of a visit (HL7 v2.5.1 §6.5.2 DG1).",
    fields={
        "position": col(PHI),
        "code": col(PHI),
        "name": col(PHI),
        "codeSystem": col(PHI),
        "type": col(PHI, help="HL7 table 0052: A admitting, W working, F final."),
        "priority": col(PHI, help="1 is primary."),
        "diagnosedAt": col(PHI),
        "sensitivity": SENSITIVITY,
        "diagnosedAtPrecision": precision("diagnosedAt"),
    },
    links={
        "practice": one("Practice", "practice_id"),
        "patient": one("Patient", "patient_id"),
        "encounter": one("Encounter", "encounter_id"),
    },
    filters={"practice": EQ, "patient": EQ, "code": EQ, "diagnosedAt": RANGE},
    orders={"diagnosedAt": ("diagnosed_at",), "position": ("position",)},
)
