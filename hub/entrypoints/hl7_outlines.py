"""What a message's MSH decides, whatever the message says: whose it is, whether its kind may come
in, where it goes. Pure.

A sender's headers differ in time and control id only, so that what was found for one holds for the
next.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from connectors.ehr_hl7v2.config import Config
from connectors.ehr_hl7v2.events import EVENTS, TYPES
from connectors.ehr_hl7v2.receiving import FACILITY
from connectors.sdk.hl7v2.acknowledging import TABLE_0155, application_code
from connectors.sdk.hl7v2.faults import Fault, Hl7Error
from connectors.sdk.hl7v2.header import Header
from connectors.sdk.hl7v2.lexer import lex
from hub.entrypoints.hl7_routes import Facility, Forward, Hl7Connection, Peer, Routes

LONGEST_CONTROL_ID = 199
"""Characters of MSH-10 (HL7 v2.7 §2.14.9.10); a longer one would not fit into an index."""
LONGEST_NAME = 227
"""Characters of MSH-3 and MSH-4 (HL7 v2.5.1 §2.15.9, HD) that tell senders apart."""
_NUMBER_DIGITS = 15
"""Of MSH-13 (HL7 v2.5.1 §2.15.9, NM)."""
_KEPT = tuple((f"msh-{number}", number) for number in (3, 4, 6, 11, 12, 15, 16, 18))
_FULL = Fault(
    207, "", "A system this message goes on to takes no more at present; send it again later.", "AE"
)
UNKNOWN_SENDER = "This sender is not known here."
WRONG_PRACTICE = "The sender may not send for this facility."
_MOST_KEPT = 4096
_LONGEST_KEPT = 1024


@dataclass(frozen=True, slots=True)
class Outline:
    """What is known from MSH. `faults` are those that apply, the first decides; `headers` are what
    is stored of MSH but for its control id; `is_ack`: an acknowledgement; `unread`: understood, and
    not to be read."""

    connection: Hl7Connection | None
    facility: Facility | None
    faults: tuple[Fault, ...]
    is_ack: bool
    unread: bool
    source: str
    message_type: str
    headers: Mapping[str, str]
    destinations: tuple[str, ...]
    parked: frozenset[str]


def outline_of(header: Header, peer: Peer, routes: Routes, content: bytes) -> Outline:
    """The outline of a message, remembered by its header with the routes that decided it.

    Where a connection agreed that the code of the practice stands elsewhere than in MSH-4, the
    content is read for it, and nothing is remembered.
    """
    found = _of_header(header, peer, routes)
    connection = found.connection
    if connection is None or found.is_ack or connection.config.receiving.facility == FACILITY:
        return found
    return _outline(header, peer, routes, content)


def _of_header(header: Header, peer: Peer, routes: Routes) -> Outline:
    fields = header.fields
    # Without a control id, or with a sequence number or a pointer, a header stands for itself.
    usual = len(fields) >= 12 and 0 < len(fields[9]) <= LONGEST_CONTROL_ID
    if not usual or any(fields[12:14]):
        return _outline(header, peer, routes)
    key = peer, header.separator.join((*fields[:6], *fields[7:9], *fields[10:]))
    found: Outline | None = routes.outlines.get(key)
    if found is None:
        found = _outline(header, peer, routes)
        if len(key[1]) <= _LONGEST_KEPT:
            if len(routes.outlines) >= _MOST_KEPT:
                routes.outlines.clear()
            routes.outlines[key] = found
    return found


def _outline(header: Header, peer: Peer, routes: Routes, content: bytes | None = None) -> Outline:
    connection = routes.find(header.sending_application, peer)
    facility: Facility | None = None
    unread: Fault | None = None
    if connection is not None and content is not None:
        facility, unread = _placed(content, connection)
    elif connection is not None:
        facility = connection.facilities.get(header.sending_facility)
    is_ack = header.type == "ACK" or header.type == "MCF"
    rules = () if is_ack else _rules(header, connection)
    faults: tuple[Fault, ...] = ()
    if not is_ack:
        faults = (unread,) if unread else tuple(_check(header, connection, facility))
    if not faults and any(rule.full == "refuse" for rule in rules):
        faults = (_FULL,)
    return Outline(
        connection=connection,
        facility=facility,
        faults=faults,
        is_ack=is_ack,
        unread=is_ack or _opens_link(header, connection) or _is_unwanted(header, connection),
        source=source_of(header, connection, peer),
        message_type=_type_of(header, connection),
        headers=_headers(header, facility, peer) | {"msh-9": _type_of(header, connection)},
        destinations=tuple(dict.fromkeys(rule.connection_id for rule in rules)),
        parked=frozenset(rule.connection_id for rule in rules if rule.full == "park"),
    )


def _placed(content: bytes, connection: Hl7Connection) -> tuple[Facility | None, Fault | None]:
    """The facility whose code stands at the first of the agreed places that has one, and what keeps
    the content from being read for it."""
    config = connection.config
    try:
        message = lex(
            content, charset_fallback=config.charset_fallback, caps=config.receiving.limits.caps
        )
    except Hl7Error as error:
        return None, error.fault
    codes = (message.value(place) for place in config.receiving.facility)
    known = (connection.facilities.get(code) for code in codes if code)
    return next((facility for facility in known if facility is not None), None), None


def source_of(header: Header, connection: Hl7Connection | None, peer: Peer) -> str:
    """Whose control ids these are: MSH-3 and MSH-4 are claims, so each connection has its own, and
    a sender that is not known has those of its address."""
    door = connection.connection_id if connection else peer.address
    claimed = (header.sending_application, header.sending_facility)
    return "|".join((f"mllp:{door}", *(name[:LONGEST_NAME] for name in claimed)))


def _rules(header: Header, connection: Hl7Connection | None) -> tuple[Forward, ...]:
    """By which an accepted message goes on to others, one that is not read here included."""
    rules = connection.forwards if connection else ()
    kind = _type_of(header, connection)
    return tuple(rule for rule in rules if rule.takes(kind.partition("^")[0], kind))


def _check(
    header: Header, connection: Hl7Connection | None, facility: Facility | None
) -> Iterator[Fault]:
    """The table of faults behind a readable MSH: all that apply, in its order."""
    if header.delimiters is None:
        yield UNREADABLE
        return
    opens_link = _opens_link(header, connection)
    for number in (9, 10, 11, 12):
        if _is_missing(header, connection, number) and not (opens_link and number == 9):
            text = f"MSH-{number} is required; send the message again with it."
            yield Fault(101, f"MSH-{number}", text, "AE")
    if len(header.control_id) > LONGEST_CONTROL_ID:
        text = f"MSH-10 has at most {LONGEST_CONTROL_ID} characters."
        yield Fault(102, "MSH-10", text, "AE")
    if connection is None:  # who is not known here does not hear what is taken here
        yield Fault(207, "MSH-3", UNKNOWN_SENDER, "AR")
        return
    if facility is None:
        place = connection.config.receiving.facility[0].partition(".")[0]
        yield Fault(207, place, WRONG_PRACTICE, "AR")
    elif facility.receiving_facility not in {None, header.receiving_facility}:
        yield Fault(207, "MSH-6", WRONG_PRACTICE, "AR")
    if not opens_link:
        yield from _check_kind(header, connection)
    if _is_numbered(header, connection) and sequence_number(header, connection) is None:
        text = f"MSH-13 is a number of at most {_NUMBER_DIGITS} digits."
        yield Fault(102, "MSH-13", text, "AE")


def _is_missing(header: Header, connection: Hl7Connection | None, number: int) -> bool:
    """Whether MSH-n is empty and nothing is agreed to stand for it."""
    meant = connection.config.meant(number, "") if connection else ""
    return not header.raw(number) and not meant


UNREADABLE = Fault(102, "MSH-2", "The delimiters cannot be used, or there is a NUL byte.", "AE")


def _opens_link(header: Header, connection: Hl7Connection | None) -> bool:
    """A message without content by which a sender that numbers its messages begins: number 0, type
    and event unused (HL7 v2.5.1 §2.10.1)."""
    numbers = connection is not None and connection.config.receiving.sequence_numbers
    return numbers and header.first(13) == "0"


def _is_numbered(header: Header, connection: Hl7Connection | None) -> bool:
    """Whether MSH-13 says anything, of a sender that numbers its messages."""
    numbers = connection is not None and connection.config.receiving.sequence_numbers
    return numbers and header.raw(13) not in {b"", b'""'}


def sequence_number(header: Header, connection: Hl7Connection | None) -> int | None:
    """MSH-13 of a sender that numbers its messages; None where there is none."""
    text = header.first(13) if _is_numbered(header, connection) else ""
    sound = text.isascii() and text.isdigit() and len(text) <= _NUMBER_DIGITS
    return int(text) if sound else None


def _check_kind(header: Header, connection: Hl7Connection) -> Iterator[Fault]:
    """Faults of what MSH-9, 11 and 12 say; one that is missing is a fault of its own."""
    config = connection.config
    sent = _type_of(header, connection)
    kind, _, event = sent.partition("^")
    if not _is_missing(header, connection, 9) and not _is_taken(sent, config):
        if kind not in TYPES:
            yield Fault(200, "MSH-9.1", "This message type is not supported.", "AR")
        elif event:
            yield Fault(201, "MSH-9.2", "This event is not supported.", "AR")
    processing_id = config.meant(11, header.processing_id)
    if not _is_missing(header, connection, 11) and processing_id not in connection.processing_ids:
        yield Fault(202, "MSH-11", "Messages of this processing id are not taken here.", "AR")
    version = config.version(config.meant(12, header.version))
    if not _is_missing(header, connection, 12) and version is None:
        yield Fault(203, "MSH-12", "This version is not supported.", "AR")


def _is_taken(message_type: str, config: Config) -> bool:
    return config.events.resolve(message_type) in EVENTS or config.events.ignores(message_type)


def _type_of(header: Header, connection: Hl7Connection | None) -> str:
    """``ADT^A04``, or what the sender means where it says nothing."""
    sent = header.message_type
    return sent if sent or connection is None else connection.config.meant(9, "")


def _is_unwanted(header: Header, connection: Hl7Connection | None) -> bool:
    """Ignored by agreement; one that is to be told so after processing is marked by its job."""
    if connection is None or not connection.config.events.ignores(_type_of(header, connection)):
        return False
    return not application_code(*wishes(header), "applied")


def _headers(header: Header, facility: Facility | None, peer: Peer) -> dict[str, str]:
    fields = {name: header.first(number) for name, number in _KEPT if header.raw(number)}
    if peer.transport:
        fields["transport"] = peer.transport
    if facility is not None:
        fields["zone"] = facility.zone
    if not TABLE_0155.issuperset(wishes(header)):
        fields["acknowledgement"] = "MSH-15 or MSH-16 is not in table 0155 and counts as empty"
    return fields


def wishes(header: Header | None) -> tuple[str, str]:
    """MSH-15 and MSH-16."""
    return (header.first(15), header.first(16)) if header else ("", "")
