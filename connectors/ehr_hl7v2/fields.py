"""Where canonical fields stand in a message: the standard's places, which a dialect may replace.

A place is a path (``IN1-36.1``), or a constant (``=OUT``); either may end in one condition
(``IN1-36.1 when IN1-15 = MC``). The first place of a field that says anything counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from connectors.sdk.hl7v2.paths import parse_path


class Spot(NamedTuple):
    """A path, split into the segment meant and the path inside it."""

    segment: str
    occurrence: int
    within: str


class Place(NamedTuple):
    """Where to look, or the constant to take (`spot` None); only if `only_if` has the value
    `equals`."""

    spot: Spot | None
    constant: str = ""
    only_if: Spot | None = None
    equals: str = ""


FIELDS: Mapping[str, tuple[str, ...]] = {
    "patient.name": ("PID-5",),
    "patient.birth_date": ("PID-7",),
    "patient.sex": ("PID-8",),
    "patient.language": ("PID-15.1",),
    "patient.deceased_at": ("PID-29",),
    "patient.deceased": ("PID-30",),
    "patient.race": ("PID-10[1].1",),
    "patient.ethnicity": ("PID-22[1].1",),
    "patient.marital_status": ("PID-16.1",),
    "patient.publicity_code": ("PD1-11.1",),
    "patient.protected": ("PD1-12",),
    "patient.primary_provider": ("PD1-4[1]",),
    "patient.sensitivity": (),
    "visit.number": ("PV1-19.1", "PV1-50.1", "PID-18.1"),
    "visit.prior_number": ("MRG-5.1",),
    "visit.class": ("PV1-2",),
    "visit.location": ("PV1-3",),
    "visit.prior_location": ("PV1-6",),
    "visit.attending": ("PV1-7[1]",),
    "visit.referring": ("PV1-8",),
    "visit.consulting": ("PV1-9",),
    "visit.admitting": ("PV1-17",),
    "visit.admission_type": ("PV1-4",),
    "visit.hospital_service": ("PV1-10",),
    "visit.admit_source": ("PV1-14",),
    "visit.starts_at": ("PV1-44",),
    "visit.expected_at": ("PV2-8",),
    "visit.ends_at": ("PV1-45",),
    "visit.discharge_disposition": ("PV1-36.1",),
    "visit.reason": ("PV2-3.2", "PV2-3.1"),
    "procedure.code": ("PR1-3",),
    "procedure.performed_at": ("PR1-5",),
    "procedure.performer": ("PR1-11[1]", "PR1-12[1]"),
    "procedure.anesthesiologist": ("PR1-8",),
    "procedure.surgeon": ("PR1-11",),
    "procedure.practitioner": ("PR1-12",),
    "order.placer_number": ("ORC-2.1", "OBR-2.1"),
    "order.filler_number": ("ORC-3.1", "OBR-3.1"),
    "order.code": ("OBR-4", "RXO-1"),
    "order.priority": ("TQ1-9.1", "ORC-7.6", "OBR-5"),
    "order.ordered_at": ("ORC-9",),
    "order.starts_at": ("TQ1-7", "ORC-7.4", "OBR-6"),
    "order.ends_at": ("TQ1-8", "ORC-7.5"),
    "order.practitioner": ("ORC-12[1]", "OBR-16[1]"),
    "order.sensitivity": ("ORC-28.1",),
    "order.reason": ("OBR-31[1].2", "OBR-31[1].1", "ORC-16.2", "ORC-16.1"),
    "document.number": ("TXA-12.1", "TXA-12.3"),
    "document.parent_number": ("TXA-13.1", "TXA-13.3"),
    "document.type": ("TXA-2.1",),
    "document.title": ("TXA-25",),
    "document.file_name": ("TXA-16",),
    "document.completion": ("TXA-17",),
    "document.availability": ("TXA-19",),
    "document.confidentiality": ("TXA-18",),
    "document.sensitivity": ("TXA-18",),
    "document.activity_at": ("TXA-4",),
    "document.originated_at": ("TXA-6", "TXA-7"),
    "document.author": ("TXA-9[1]", "TXA-5[1]"),
    "document.authenticator": ("TXA-22[1]", "TXA-10[1]"),
    "document.placer_number": ("TXA-14[1].1", "ORC-2.1", "OBR-2.1"),
    "document.filler_number": ("TXA-15.1", "ORC-3.1", "OBR-3.1"),
    "immunization.number": ("ORC-3.1",),
    "immunization.placer_number": ("ORC-2.1",),
    "immunization.administered_at": ("RXA-3",),
    "immunization.vaccine": ("RXA-5",),
    "immunization.amount": ("RXA-6",),
    "immunization.unit": ("RXA-7.1",),
    "immunization.practitioner": ("RXA-10[1]",),
    "immunization.lot_number": ("RXA-15[1]",),
    "immunization.expires_on": ("RXA-16[1]",),
    "immunization.manufacturer": ("RXA-17[1]",),
    "immunization.refusal": ("RXA-18[1]",),
    "practitioner.name": ("STF-3",),
    "practitioner.active": ("STF-7",),
    "practitioner.role": ("STF-18", "PRA-3[1].2", "PRA-3[1].1"),
    "practitioner.email": ("STF-15[1]",),
    "practitioner.starts_on": ("STF-12[1].1",),
    "practitioner.ends_on": ("STF-13[1].1",),
    "appointment.reason": ("SCH-7.2", "SCH-7.1"),
    "appointment.type": ("SCH-8.1",),
    "coverage.payer_code": ("IN1-3.1",),
    "coverage.payer_name": ("IN1-4.1",),
    "coverage.plan_name": ("IN1-2.2", "IN1-2.1"),
    "coverage.plan_type": ("IN1-15.1",),
    "coverage.group_number": ("IN1-8",),
    "coverage.starts_on": ("IN1-12",),
    "coverage.ends_on": ("IN1-13",),
    "coverage.priority": ("IN1-22",),
    "coverage.subscriber_name": ("IN1-16[1]",),
    "coverage.subscriber_birth_date": ("IN1-18",),
    "coverage.relationship": ("IN1-17.1",),
    "observation.status": ("OBX-11",),
    "observation.observed_at": ("OBX-14", "OBR-7"),
    "observation.performer": ("OBX-23.1", "OBX-15.2", "OBX-15.1"),
    "report.number": ("OBR-3.1",),
    "report.sensitivity": ("ORC-28.1",),
    "record.sensitivity": ("ARV-3.1",),
    "charge.number": ("FT1-2",),
    "charge.service_date": ("FT1-4.1",),
    "charge.procedure": ("FT1-25", "FT1-7", "PR1-3"),
    "charge.performer": ("FT1-20[1]",),
    "coverage.member_id": ("IN1-49.1", "IN1-36.1", "IN2-61.1", "IN2-6.1", "IN2-8.1"),
}
"""By the name a dialect uses in its ``field`` table."""

CLEARABLE: Mapping[str, str] = {
    "patient.birth_date": "birth_date",
    "patient.deceased_at": "deceased_at",
    "patient.deceased": "deceased",
    "patient.protected": "protected",
    "patient.primary_provider": "primary_provider",
    "visit.attending": "attending",
    "visit.ends_at": "ends_at",
    "order.starts_at": "starts_at",
    "order.ends_at": "ends_at",
    "order.practitioner": "practitioner",
    "document.completion": "completion",
    "document.availability": "availability",
    "document.originated_at": "originated_at",
    "document.author": "author",
    "document.authenticator": "authenticator",
    "practitioner.starts_on": "starts_on",
    "practitioner.ends_on": "ends_on",
}
"""Fields without an empty value of their own, by what their record calls them: a null there is told
in `Record.cleared`. What is not here is a text, which a null makes empty, or part of a list or
record that is stated whole."""

NEEDED = frozenset(
    {
        "visit.starts_at",
        "visit.expected_at",
        "order.ordered_at",
        "document.activity_at",
        "practitioner.active",
    }
)
"""Fields that a record cannot be without: a null there changes nothing and is an issue."""


@lru_cache(maxsize=4096)
def parse_place(text: str) -> Place:
    """Read a place; ValueError in a sentence if it is none."""
    where, _, condition = text.partition(" when ")
    only_if, equals = _condition(text, condition) if condition else (None, "")
    where = where.strip()
    if where.startswith("="):
        return Place(None, where[1:], only_if, equals)
    return Place(_spot(where), "", only_if, equals)


def _condition(text: str, condition: str) -> tuple[Spot, str]:
    path, sign, value = condition.partition("=")
    if not sign or not value.strip() or " when " in value:
        raise ValueError(f"{text!r}: one condition is written as PATH = VALUE")
    return _spot(path.strip()), value.strip()


def _spot(text: str) -> Spot:
    path = parse_path(text)
    if not path.segment:
        raise ValueError(f"{text!r} names no segment; write it as in IN1-36.1")
    return Spot(path.segment, path.occurrence, text.partition("-")[2])
