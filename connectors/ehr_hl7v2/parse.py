"""One message to records, by event; pure. Which events there are: `events`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo

from connectors.ehr_hl7v2.config import Config
from connectors.ehr_hl7v2.fields import FIELDS
from connectors.ehr_hl7v2.mapping.charges import charges
from connectors.ehr_hl7v2.mapping.clinical_documents import document
from connectors.ehr_hl7v2.mapping.clinical_orders import orders
from connectors.ehr_hl7v2.mapping.coverage import coverages
from connectors.ehr_hl7v2.mapping.encounters import encounter
from connectors.ehr_hl7v2.mapping.immunizations import immunizations
from connectors.ehr_hl7v2.mapping.observations import reports
from connectors.ehr_hl7v2.mapping.patient_details import details
from connectors.ehr_hl7v2.mapping.patients import merges, patient, reference, unmerge
from connectors.ehr_hl7v2.mapping.practitioners import practitioners
from connectors.ehr_hl7v2.mapping.scheduling import appointment
from connectors.ehr_hl7v2.reading import Reading
from connectors.ehr_hl7v2.unread import note_nothing, note_truncated, note_unplaced, note_unread
from connectors.sdk.base import ParsedDocument, RawDocument
from connectors.sdk.hl7v2.datetimes import parse_time
from connectors.sdk.hl7v2.lexer import Message, lex
from hub.domain.patients import Patient, PatientReference
from hub.domain.records import Record
from hub.domain.times import zone_named
from hub.errors import Rejected

Found = Iterator[tuple[str, object]]


def parse(config: Config, document: RawDocument) -> ParsedDocument:
    """The records of one HL7 v2 message.

    The header ``zone`` of the document, if given, overrides the dialect's zone (practices of one
    connection may lie in several). Issues found while reading a record hang on it, the others on
    the document. Raises `Rejected` if the bytes are no message or the record's key is missing.
    """
    caps = config.receiving.limits.caps
    message = lex(document.content, charset_fallback=config.charset_fallback, caps=caps)
    sent = message_type(message) if message.value("MSH-9") else config.meant(9, "")
    if config.events.ignores(sent):
        return ParsedDocument(ignored="The event is understood and not wanted.")
    event = config.events.resolve(sent)
    mapping = MAPPINGS.get(event)
    if mapping is None:
        raise Rejected(
            "The message type or event is not supported.", reason="hl7_201", path="MSH-9"
        )
    reading = Reading(message, config, _zone(message, _default_zone(config, document)))
    occurred_at = reading.occurred_at()
    note_unread(reading, event)
    note_truncated(reading)
    own = reading.take_issues()
    records: list[Record] = []
    for key, data in mapping(reading, event.rpartition("^")[2]):
        label = _label(reading, data)
        issues = reading.take_issues()
        cleared = reading.take_cleared()
        records.append(
            Record(key, data, occurred_at, issues=issues, sensitivity=label, cleared=cleared)
        )
    note_unplaced(reading, event)
    note_nothing(reading, event)
    return ParsedDocument(records=tuple(records), issues=own + reading.take_issues())


def _label(reading: Reading, data: object) -> str | None:
    """The patient has a label of their own: that a message is restricted says nothing of whom it
    is about."""
    own = reading.take_label()
    return reading.label("patient.sensitivity") if isinstance(data, Patient) else own


def restricts(config: Config, message: Message | None) -> bool:
    """Whether anything in a message has a sensitivity label; of one that cannot be taken apart, as
    far as its connection says so of every message."""
    places = [name for name in FIELDS if name.endswith(".sensitivity")]
    if message is None:
        stated = (place for name in places for place in config.places(name))
        return any(place.startswith("=") and " when " not in place for place in stated)
    reading = Reading(message, config, UTC)
    return any(reading.label(name, segment) for name in places for segment in message)


def message_type(message: Message) -> str:
    """``ADT^A04`` from MSH-9, the event from EVN-1 if MSH-9.2 is empty."""
    event = message.value("MSH-9.2") or message.value("EVN-1") or ""
    return f"{message.value('MSH-9.1') or ''}^{event}"


def _default_zone(config: Config, document: RawDocument) -> ZoneInfo:
    zone = zone_named(document.headers.get("zone", config.zone))
    if zone is None:
        raise Rejected("The document's zone is no IANA time zone.", reason="bad_zone")
    return zone


def _zone(message: Message, zone: ZoneInfo) -> tzinfo:
    """The zone of times without offset: that of MSH-7 (HL7 v2.5.1 §2.15.9.7), else the default.

    Where MSH-7's offset is what the default zone has at that moment, the zone is taken: unlike a
    bare offset it knows the clock changes between now and an appointment.
    """
    found, _ = parse_time(message.value("MSH-7") or "", zone, "MSH-7")
    if found is None or not found.offset:
        return zone
    offset = found.value.utcoffset()
    if found.value.astimezone(zone).utcoffset() == offset:
        return zone
    return found.value.tzinfo or zone


def _admission(reading: Reading, event: str) -> Found:
    key, who = patient(reading, reading.message.segment("PID"))
    yield key, who
    named = _named(who)
    lists = details(reading, named)
    if lists is not None:
        yield key, lists
    insured = coverages(reading, named)
    if insured is not None:
        yield key, insured
    visit = encounter(reading, event, named)
    if visit is not None:
        yield visit


def _visit_only(reading: Reading, event: str) -> Found:
    """Moves, changes of class, leaves and cancellations say nothing about the patient."""
    visit = encounter(reading, event, reference(reading))
    if visit is None:
        raise Rejected("The message names no visit.", reason="key_missing", path="PV1-19")
    yield visit


def _person(reading: Reading, event: str) -> Found:
    key, who = patient(reading, reading.message.segment("PID"))
    yield key, who
    named = _named(who)
    lists = details(reading, named)
    if lists is not None:
        yield key, lists
    insured = coverages(reading, named)
    if insured is not None:
        yield key, insured


def _merge(reading: Reading, event: str) -> Found:
    yield from merges(reading)


def _unmerge(reading: Reading, event: str) -> Found:
    yield unmerge(reading)


def _appointment(reading: Reading, event: str) -> Found:
    yield appointment(reading, event, reference(reading))


def _orders(reading: Reading, event: str) -> Found:
    yield from orders(reading, reference(reading))


def _document(reading: Reading, event: str) -> Found:
    yield document(reading, event, reference(reading))


def _immunizations(reading: Reading, event: str) -> Found:
    yield from immunizations(reading, reference(reading))


def _practitioners(reading: Reading, event: str) -> Found:
    yield from practitioners(reading)


def _results(reading: Reading, event: str) -> Found:
    yield from reports(reading, reference(reading))


def _charges(reading: Reading, event: str) -> Found:
    yield from charges(reading, reference(reading))


def _named(who: Patient) -> PatientReference:
    return PatientReference(who.identifiers, who.name, who.birth_date, who.sex)


MAPPINGS: dict[str, Callable[[Reading, str], Found]] = {
    **dict.fromkeys(("ADT^A01", "ADT^A03", "ADT^A04", "ADT^A05", "ADT^A08"), _admission),
    **dict.fromkeys(("ADT^A28", "ADT^A31"), _person),
    **dict.fromkeys(("ADT^A34", "ADT^A40"), _merge),
    **dict.fromkeys((f"SIU^S{n}" for n in (12, 13, 14, 15, 16, 17, 26)), _appointment),
    **dict.fromkeys(
        (f"ADT^A{number:02}" for number in (2, 6, 7, 11, 12, 13, 21, 22, 52, 53)), _visit_only
    ),
    "ADT^A37": _unmerge,
    **dict.fromkeys(("ORM^O01", "OML^O21", "OMG^O19"), _orders),
    **dict.fromkeys((f"MDM^T{number:02}" for number in range(1, 12)), _document),
    "VXU^V04": _immunizations,
    "MFN^M02": _practitioners,
    "ORU^R01": _results,
    "DFT^P03": _charges,
}
