"""The dialect of one sending system: how its HL7 v2 differs from the standard, as data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cached_property
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from connectors.ehr_hl7v2.events import EventRules
from connectors.ehr_hl7v2.fields import FIELDS, Place, parse_place
from connectors.ehr_hl7v2.receiving import Receiving
from connectors.sdk.config import ConnectorConfig, TimeZone
from connectors.sdk.hl7v2.charsets import is_known_codec
from connectors.sdk.hl7v2.paths import parse_path
from hub.domain.clinical_documents import DocumentCompletion
from hub.domain.clinical_orders import ClinicalOrderStatus
from hub.domain.encounters import EncounterClass
from hub.domain.observations import ObservationStatus
from hub.domain.patients import Sex
from hub.domain.scheduling import AppointmentStatus
from hub.domain.sensitivity import LABELS

DEFAULT_VERSIONS = (
    "2.1",
    "2.2",
    "2.3",
    "2.3.1",
    "2.4",
    "2.5",
    "2.5.1",
    "2.6",
    "2.7",
    "2.7.1",
    "2.8",
    "2.8.1",
    "2.8.2",
)


def _codec(value: str) -> str:
    if not is_known_codec(value):
        raise ValueError("must be a character set such as windows-1252")
    return value


def _versions(value: dict[str, str]) -> dict[str, str]:
    if unknown := sorted(set(value.values()) - set(DEFAULT_VERSIONS)):
        raise ValueError(f"leads to unknown versions: {', '.join(unknown)}")
    return value


def _paths(value: tuple[str, ...]) -> tuple[str, ...]:
    for path in value:
        if not parse_path(path).segment:
            raise ValueError("must be paths with a segment, such as IN1-36.1")
    return value


def _segment_or_field(value: str) -> str:
    if not re.fullmatch(r"[A-Z][A-Z0-9]{2}(-[1-9][0-9]{0,2})?", value):
        raise ValueError("must be segments such as ZPD, or fields such as PV1-39")
    return value


def _field(value: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    for name, places in value.items():
        if name not in FIELDS:
            near = get_close_matches(name, FIELDS, n=1, cutoff=0.0)[0]
            raise ValueError(f"{name!r} is no field that can be moved; did you mean {near}?")
        if not places:
            raise ValueError(f"{name} needs at least one place")
        for place in places:
            parse_place(place)
    return value


def _label(value: str) -> str:
    if value not in LABELS.values():
        raise ValueError(f"must be one of {', '.join(sorted({*LABELS.values()} - {''}))}, or empty")
    return value


Label = Annotated[str, AfterValidator(_label)]
Paths = Annotated[tuple[str, ...], AfterValidator(_paths), Field(min_length=1)]


class ValueMaps(ConnectorConfig):
    """The sender's own codes, where they differ from the HL7 tables; keys are matched as sent."""

    sex: dict[str, Sex] = Field(default={}, description="PID-8 to female, male, other, unknown")
    encounter_class: dict[str, EncounterClass] = Field(
        default={}, description="PV1-2 to inpatient, outpatient, emergency, preadmit, other"
    )
    appointment_status: dict[str, AppointmentStatus] = Field(
        default={}, description="SCH-25 to booked, cancelled, no_show, completed and so on"
    )
    observation_status: dict[str, ObservationStatus] = Field(
        default={}, description="OBX-11 to preliminary, final, corrected and so on"
    )
    order_status: dict[str, ClinicalOrderStatus] = Field(
        default={}, description="ORC-5 to active, on_hold, completed, cancelled and so on"
    )
    document_completion: dict[str, DocumentCompletion] = Field(
        default={}, description="TXA-17 to dictated, documented, authenticated and so on"
    )
    sensitivity: dict[str, Label] = Field(
        default={},
        description="Confidentiality codes to a label such as SUD (42 CFR Part 2); empty: none",
    )
    relationship: dict[str, Literal["self", "spouse", "child", "other"]] = Field(
        default={}, description="IN1-17 to the subscriber's relationship"
    )


class Config(ConnectorConfig):
    """Settings of one connection. Paths and codes are data; there is no code in a dialect."""

    zone: TimeZone = Field(
        default="America/New_York", description="Times without offset are local to this IANA zone"
    )
    charset_fallback: Annotated[str, AfterValidator(_codec)] = Field(
        default="windows-1252", description="Used where MSH-18 is wrong or missing"
    )
    version_alias: Annotated[dict[str, str], AfterValidator(_versions)] = Field(
        default={}, description="Versions the sender writes wrongly, to real ones"
    )
    default: dict[Literal["MSH-9", "MSH-11", "MSH-12"], str] = Field(
        default={}, description="What the sender means by an empty field of the header"
    )
    authority: dict[str, str] = Field(
        default={}, description="Assigning authorities as sent, to the name used here"
    )
    default_authority: str = Field(
        default="EHR", description="Assigning authority of identifiers that name none", min_length=1
    )
    open_dates: tuple[str, ...] = Field(
        default=("99991231", "00000000"), description="Dates that mean no date"
    )
    member_id: Paths = Field(
        default=FIELDS["coverage.member_id"],
        description="Where the member id stands; the first that has a value",
    )
    field: Annotated[dict[str, tuple[str, ...]], AfterValidator(_field)] = Field(
        default={},
        description="Canonical fields and the places they are read from instead of the standard's",
    )
    most_deactivations: int | None = Field(
        default=None,
        ge=0,
        description="How many practitioners a full list may make inactive by leaving them out;"
        " unset: 25, or a tenth of the list if that is more",
    )
    unread: tuple[Annotated[str, AfterValidator(_segment_or_field)], ...] = Field(
        default=(),
        description="Segments and fields left unread on purpose; others are noted on the message",
    )
    values: ValueMaps = ValueMaps()
    events: EventRules = EventRules()
    receiving: Receiving = Receiving()

    def places(self, name: str) -> tuple[str, ...]:
        """Where a field of `fields.FIELDS` stands in this sender's messages."""
        moved = self.field.get(name)
        if moved is None and name == "coverage.member_id":
            return self.member_id
        return moved or FIELDS[name]

    @cached_property
    def placed(self) -> Mapping[str, tuple[Place, ...]]:
        """`places` of every field, read once."""
        return {name: tuple(map(parse_place, self.places(name))) for name in FIELDS}

    def meant(self, number: int, sent: str) -> str:
        """MSH-9, 11 or 12 as sent, or what stands for it where it is empty."""
        return sent or self.default.get(f"MSH-{number}", "")  # type: ignore[call-overload]

    def version(self, sent: str) -> str | None:
        """The HL7 version behind MSH-12 as sent, or None if it is unknown."""
        version = self.version_alias.get(sent, sent)
        return version if version in DEFAULT_VERSIONS else None
