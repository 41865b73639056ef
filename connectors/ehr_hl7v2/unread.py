"""What a message says and nobody reads: named once per message, segments and fields, no values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

from connectors.ehr_hl7v2.config import Config
from connectors.ehr_hl7v2.fields import FIELDS, Spot, parse_place
from connectors.ehr_hl7v2.mapping.care_roles import is_role
from connectors.ehr_hl7v2.reading import Reading
from connectors.sdk.hl7v2.lexer import NULL
from connectors.sdk.hl7v2.paths import parse_path

Fields = Mapping[str, frozenset[int]]
"""By the id of a segment, the fields of it that are read."""

MOST_NAMED = 40
_SILENT = ("", NULL)
_HEADERS = frozenset({"MSH", "SFT", "UAC", "DSC"})
"""Segments about the message itself; they say nothing that a record could hold."""
_CONTEXT = frozenset({"EVN", "PID", "PD1", "PV1"})
"""Segments that say of whom and of when every message speaks. What ADT messages state in them is
taken from those, and is not missed elsewhere."""
_KEPT_RAW = frozenset({"PID-19", "ROL-1", "PRT-1"})
"""Understood and on purpose in the raw message only: the social security number, and the sender's
own numbers of roles."""
_EVERYWHERE = (
    "patient.name",
    "patient.birth_date",
    "patient.sex",
    "patient.sensitivity",
    "visit.number",
    "record.sensitivity",
)
"""Fields by which messages of any type name their patient and their visit, and say how confidential
all of it is."""


def _numbers(text: str) -> frozenset[int]:
    """``1-3 7`` is 1, 2, 3 and 7."""
    found: set[int] = set()
    for part in text.split():
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return frozenset(found)


def _fields(**segments: str) -> Fields:
    return {name: _numbers(text) for name, text in segments.items()}


_ROLES = {"ROL": "2-6", "PRT": "2 4 5 11 12"}
_PROCEDURES = {"PR1": "1-4 6 7 14-16 20", **_ROLES}
_ORDERS = _fields(ORC="1-5", OBR="1", RXO="", TQ1="1", NTE="1 3", **_ROLES)
FIXED: Mapping[str, Fields] = {
    "ADT": _fields(
        EVN="1 2 6",
        PID="1-5 11 13 14",
        PD1="",
        PV1="1",
        PV2="",
        MRG="1 4",
        NK1="1-5 7-9 13",
        AL1="1-6",
        DG1="1-6 15 21",
        GT1="1-3 5 6 8 10 11 16 21",
        IN1="1",
        IN2="72",
        **_PROCEDURES,
    ),
    "SIU": _fields(
        SCH="1 2 9-11 25",
        TQ1="1 7",
        RGS="1 2",
        AIS="1-4 7 8",
        AIG="1-3 8 11 12",
        AIL="1-3 6 9 10",
        AIP="1-4 6 9 10",
        NTE="1 3",
    ),
    **dict.fromkeys(("ORM", "OML", "OMG"), _ORDERS),
    "MDM": _fields(TXA="1 2", OBX="1 2 5", ORC="", OBR="1"),
    "VXU": _fields(ORC="", RXA="1 2 9 20 21", RXR="1 2", OBX="1-3 5", NTE="1 3"),
    "MFN": _fields(MFI="1 3 6", MFE="1-5", STF="1 2 10", PRA="1 5 6"),
    "ORU": _fields(ORC="1-3", OBR="1-4 7 15 26 29", OBX="1-8 11 14 17", NTE="1 3", SPM="1 4"),
    "DFT": _fields(FT1="1-3 6 10-12 19 26", **_PROCEDURES),
}
"""Fields read by type of message, beside those of `fields.FIELDS`: set ids, and what the mapping
reads where the standard has it."""

_LISTS = frozenset({"NK1", "AL1", "GT1", "IN1", "IN2"})
_OF_VISIT = frozenset({"PV2", "DG1", "PR1"})
_MERGING = frozenset({"MRG"})
_PASSED: Mapping[str, frozenset[str]] = {
    **dict.fromkeys((f"ADT^A{n:02}" for n in (2, 11, 12, 13, 21, 22, 52, 53)), _LISTS | _MERGING),
    **dict.fromkeys(("ADT^A06", "ADT^A07"), _LISTS),
    **dict.fromkeys((f"ADT^A{n:02}" for n in (1, 3, 4, 5, 8)), _MERGING),
    **dict.fromkeys(("ADT^A28", "ADT^A31"), _OF_VISIT | _MERGING),
    **dict.fromkeys(("ADT^A34", "ADT^A40"), _LISTS | _OF_VISIT),
    "ADT^A37": _LISTS | _OF_VISIT | _MERGING,
}
"""Segments that messages of a type are read for, but not those of this event."""

OWN: Mapping[str, tuple[str, ...]] = {
    "ADT": ("patient", "visit", "coverage", "procedure"),
    "SIU": ("appointment",),
    **dict.fromkeys(("ORM", "OML", "OMG"), ("order",)),
    "MDM": ("document",),
    "VXU": ("immunization",),
    "MFN": ("practitioner",),
    "ORU": ("observation", "report"),
    "DFT": ("charge", "procedure"),
}
"""The families of `fields.FIELDS` that messages of a type are read for."""


def note_unread(reading: Reading, event: str) -> None:
    """Say once which segments, and which fields of the others, of a message nobody reads; what they
    say stays in the raw bytes. `event` as in ``ADT^A01``."""
    config = reading.config
    moved = tuple(sorted(config.field.items()))
    read = _read_of(event, moved, config.member_id)
    silenced = {*config.unread}
    left = set(reading.message.names) - _HEADERS - read.keys() - {"", *silenced}
    if left:
        reading.issue(
            "segments_not_read",
            _named(frozenset(filter(_is_name, left))),
            "The message holds segments that are not read; what they say is in the raw message"
            " only.",
        )
    fields = _unread_fields(reading, read, silenced) - silenced - _KEPT_RAW
    if fields:
        reading.issue(
            "fields_not_read",
            _named(frozenset(fields)),
            "The message holds fields that are not read; what they say is in the raw message only.",
        )


def note_unplaced(reading: Reading, event: str) -> None:
    """Say once, when a message has been read, that there are roles of what has none here, such as
    an insurance. Where no roles are read at all, `note_unread` says so."""
    if "ROL" not in FIXED[event.partition("^")[0]]:
        return
    silenced = reading.config.unread
    for segment in reading.message:
        if is_role(segment) and segment not in reading.placed and segment.id not in silenced:
            reading.issue(
                "role_unplaced", segment.id, "A role follows a segment whose roles are not kept."
            )


_ABOUT = {
    **dict.fromkeys(("ORM", "OML", "OMG"), ("order_missing", "ORC")),
    "ORU": ("report_missing", "OBR", "OBX"),
    "DFT": ("charge_missing", "FT1"),
    "VXU": ("immunization_missing", "RXA", "ORC"),
}
"""What a message is sent for, with an issue's code; the other types cannot be read without it."""


def note_nothing(reading: Reading, event: str) -> None:
    """Say that a message has nothing of what it is sent for."""
    code, *segments = _ABOUT.get(event.partition("^")[0], ("",))
    if code and not any(reading.message.all(name) for name in segments):
        text = f"The message has no {segments[0]}; there is nothing to record."
        reading.issue(code, segments[0], text)


def note_truncated(reading: Reading) -> None:
    """Say once which fields hold a value that the sender cut short: from version 2.7 on, one that
    ends with the truncation character (HL7 v2.7 §2.5.5.2); before that it is text."""
    message = reading.message
    mark = message.delimiters.truncation
    if not mark or reading.version() < "2.7":
        return
    marks = message.delimiters
    ends = {f"{mark}{each}" for each in (marks.component, marks.repetition, marks.subcomponent)}
    found = {
        f"{segment.id}-{number}"
        for segment in message
        if mark in segment.text and _is_name(segment.id)
        for number, part in enumerate(segment.fields)
        if number and (part.endswith(mark) or any(end in part for end in ends - {mark}))
    }
    if found:
        reading.issue(
            "values_truncated",
            _named(frozenset(found)),
            "The sender cut these values short; what is left of each is kept.",
        )


def _unread_fields(reading: Reading, read: Fields, silenced: set[str]) -> set[str]:
    found: set[str] = set()
    for segment in reading.message:
        name = segment.id
        known = read.get(name)
        if known is None or name in silenced:
            continue
        fields = segment.fields
        for number in _others(known, len(fields)):
            if fields[number] not in _SILENT:
                found.add(f"{name}-{number}")
    return found


@lru_cache(maxsize=4096)
def _others(known: frozenset[int], count: int) -> tuple[int, ...]:
    """The fields that are not read of a segment of so many, the id counted."""
    return tuple(number for number in range(1, count) if number not in known)


def _is_name(text: str) -> bool:
    """A line may be the rest of a broken one, which is not to be told."""
    return len(text) == 3 and text.isalnum() and text not in _HEADERS


@lru_cache(maxsize=1024)
def _named(places: frozenset[str]) -> str:
    """Segments or fields in order; messages of a feed leave the same unread again and again."""
    return ",".join(sorted(places, key=_place)[:MOST_NAMED])


def _place(path: str) -> tuple[str, int]:
    segment, _, number = path.partition("-")
    return segment, int(number or 0)


@lru_cache(maxsize=1024)
def _read_of(
    event: str, moved: tuple[tuple[str, tuple[str, ...]], ...], member_id: tuple[str, ...]
) -> Fields:
    """What is read of messages of an event: not what stands in segments it is not read for, unless
    the dialect placed a field there."""
    found = _read(event.partition("^")[0], moved, member_id)
    placed = {spot.segment for _, places in moved for spot in _spots(places)}
    passed = _PASSED.get(event, frozenset()) - placed
    return {name: fields for name, fields in found.items() if name not in passed}


@lru_cache(maxsize=1024)
def _read(
    kind: str, moved: tuple[tuple[str, tuple[str, ...]], ...], member_id: tuple[str, ...]
) -> Fields:
    """What is read of messages of a type, with the places a dialect gave to fields."""
    config = Config(field=dict(moved), member_id=member_id)
    found = _of_type(kind, config)
    if kind != "MFN":
        context = _of_type("ADT", config)
        for name in _CONTEXT:
            found.setdefault(name, set()).update(context[name])
        _add(found, _EVERYWHERE, config)
    return {name: frozenset(fields) for name, fields in found.items()}


def _of_type(kind: str, config: Config) -> dict[str, set[int]]:
    found = {name: set(fields) for name, fields in FIXED[kind].items()}
    _add(found, (name for name in FIELDS if name.partition(".")[0] in OWN[kind]), config)
    return found


def _add(found: dict[str, set[int]], names: Iterable[str], config: Config) -> None:
    """Add where the fields of these names stand."""
    for name in names:
        for spot in _spots(config.places(name)):
            found.setdefault(spot.segment, set()).add(parse_path(spot.within).field)


def _spots(places: Iterable[str]) -> Iterator[Spot]:
    for text in places:
        place = parse_place(text)
        yield from (spot for spot in (place.spot, place.only_if) if spot is not None)
