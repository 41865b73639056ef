"""MDM: documents (HL7 v2.5.1 §9.6.1 TXA), their text and what is embedded in them."""

from __future__ import annotations

from connectors.ehr_hl7v2.mapping.embedded import embedded
from connectors.ehr_hl7v2.mapping.encounters import visit_number
from connectors.ehr_hl7v2.mapping.people import practitioner_of
from connectors.ehr_hl7v2.mapping.texts import CODED, each_coded, lines
from connectors.ehr_hl7v2.reading import Reading
from connectors.sdk.hl7v2.lexer import Segment
from hub.domain.clinical_documents import (
    ClinicalDocument,
    DocumentAvailability,
    DocumentCompletion,
    DocumentPart,
)
from hub.domain.patients import PatientReference
from hub.errors import Rejected

# Table 0271.
_COMPLETION: dict[str, DocumentCompletion] = {
    "DI": "dictated",
    "DO": "documented",
    "IP": "in_progress",
    "IN": "incomplete",
    "PA": "pre_authenticated",
    "AU": "authenticated",
    "LA": "legally_authenticated",
}
# Table 0273.
_AVAILABILITY: dict[str, DocumentAvailability] = {
    "AV": "available",
    "CA": "cancelled",
    "OB": "obsolete",
    "UN": "unavailable",
}
_REPLACES = frozenset({"T09", "T10"})


def document(
    reading: Reading, event: str, patient: PatientReference
) -> tuple[str, ClinicalDocument]:
    """The document and its number."""
    txa = reading.message.segment("TXA")
    key = reading.text("document.number")
    if not key:
        raise Rejected("The document has no number.", reason="key_missing", path="TXA-12")
    text, parts = _content(reading)
    reading.label_next(reading.label("document.sensitivity"))
    return key, ClinicalDocument(
        patient=patient,
        type_code=reading.text("document.type"),
        type_name=txa.value("2.2"),
        title=reading.text("document.title"),
        file_name=reading.text("document.file_name"),
        completion=_completion(reading),
        availability="cancelled" if event == "T11" else _availability(reading),
        confidentiality=reading.text("document.confidentiality"),
        activity_at=reading.time_of("document.activity_at"),
        originated_at=reading.time_of("document.originated_at"),
        author=practitioner_of(reading, "document.author"),
        authenticator=practitioner_of(reading, "document.authenticator"),
        parent_number=reading.text("document.parent_number") or None,
        replaces_parent=event in _REPLACES,
        placer_number=reading.text("document.placer_number") or "",
        filler_number=reading.text("document.filler_number") or "",
        visit_number=visit_number(reading),
        text=text,
        parts=parts,
    )


def _completion(reading: Reading) -> DocumentCompletion | None:
    segment, path = reading.part("document.completion")
    sent = segment.value(path)
    if not sent:
        if sent == "":
            reading.note_null("document.completion", segment, path)
        return None
    own: DocumentCompletion | None = reading.config.values.document_completion.get(sent)
    found = own or _COMPLETION.get(sent.upper())
    if found is None:
        reading.issue("unknown_code", "TXA-17", "The completion status is not in table 0271.")
    return found


def _availability(reading: Reading) -> DocumentAvailability | None:
    segment, path = reading.part("document.availability")
    sent = segment.value(path)
    if sent == "":
        reading.note_null("document.availability", segment, path)
    found = _AVAILABILITY.get(sent.upper()) if sent else None
    if sent and found is None:
        reading.issue("unknown_code", "TXA-19", "The availability is not in table 0273.")
    return found


def _content(reading: Reading) -> tuple[str | None, tuple[DocumentPart, ...] | None]:
    """The text of the OBX in order, and what is embedded or pointed at; None without either."""
    texts: list[str] = []
    parts: list[DocumentPart] = []
    for obx in reading.message.all("OBX"):
        if obx.value("2") in {"ED", "RP"}:
            parts.extend(embedded(reading, obx))
        else:
            texts.append(_text(obx))
    if not texts and not parts:  # nothing came that could be read: what is stored stays
        return None, None
    return "\n".join(texts), tuple(parts)


def _text(obx: Segment) -> str:
    return each_coded(obx, 5) if obx.value("2") in CODED else lines(obx, 5)
