"""Clinical documents: notes, letters and reports about a patient (HL7 v2.5.1 chapter 9)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from hub.domain.patients import PatientReference
from hub.domain.scheduling import Practitioner

DocumentCompletion = Literal[
    "dictated",
    "documented",
    "in_progress",
    "incomplete",
    "pre_authenticated",
    "authenticated",
    "legally_authenticated",
]
DocumentAvailability = Literal["available", "unavailable", "obsolete", "cancelled"]


@dataclass(frozen=True, slots=True)
class DocumentPart:
    """An embedded file (`base64` is its content) or a pointer to one, which is never followed."""

    media_type: str
    base64: str = ""
    reference: str = ""


@dataclass(frozen=True, slots=True)
class ClinicalDocument:
    """One TXA with its content. The record's `external_id` is the document's number (TXA-12).

    `text` and `parts` None: the message brings no content (a notification). `parent_number` is the
    document this one adds to, or takes the place of where `replaces_parent`. Times are aware.
    """

    patient: PatientReference
    type_code: str | None = None
    type_name: str | None = None
    title: str | None = None
    file_name: str | None = None
    completion: DocumentCompletion | None = None
    availability: DocumentAvailability | None = None
    confidentiality: str | None = None
    activity_at: datetime | None = None
    originated_at: datetime | None = None
    author: Practitioner | None = None
    authenticator: Practitioner | None = None
    parent_number: str | None = None
    replaces_parent: bool = False
    placer_number: str = ""
    filler_number: str = ""
    visit_number: str | None = None
    text: str | None = None
    parts: tuple[DocumentPart, ...] | None = None
