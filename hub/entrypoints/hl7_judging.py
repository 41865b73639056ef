"""Whether a message may come in: the checks by its header, before it is stored. Pure.

Nothing of a message is mapped here: bad content behind a sound header never refuses delivery.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from connectors.ehr_hl7v2.events import EVENTS, TYPES, is_ignored, resolve
from connectors.sdk.hl7v2.acknowledging import TABLE_0155, accept_code, application_code
from connectors.sdk.hl7v2.caps import exceeded
from connectors.sdk.hl7v2.continuation import Fragment, fragment_of
from connectors.sdk.hl7v2.faults import Fault, Hl7Error
from connectors.sdk.hl7v2.framing import Frame
from connectors.sdk.hl7v2.header import Header, read_header
from connectors.sdk.hl7v2.lanes import lane_keys
from connectors.sdk.hl7v2.lexer import lex
from hub.domain.records import Issue
from hub.entrypoints.hl7_routes import Facility, Hl7Connection, Peer, Routes
from hub.services.intake import Arrival, State

CONTENT_TYPE = "application/hl7-v2"
LONGEST_CONTROL_ID = 199
"""Characters of MSH-10 (HL7 v2.7 §2.14.9.10); a longer one would not fit into an index."""
LONGEST_NAME = 227
"""Characters of MSH-3 and MSH-4 (HL7 v2.5.1 §2.15.9, HD) that tell senders apart."""
_KEPT = tuple((f"msh-{number}", number) for number in (3, 4, 6, 10, 11, 12, 15, 16, 18))
_CUT_OFF = Fault(207, "", "The frame was cut off before its end block; send it again.", "AE")
_GIANT = Fault(207, "", "The frame is larger than this endpoint takes.", "AR")
_CLAIMS = frozenset({"MSH-3", "MSH-4", "MSH-6"})
"""What a sender says about itself; where that does not fit the peer, it is audited."""
_NOW = timedelta(0)
_WRONG_PRACTICE = "The sender may not send for this facility."


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is to be stored and how the sender is told about it."""

    arrival: Arrival
    header: Header | None
    fault: Fault | None = None
    silent: bool = False
    """An acknowledgement or the remains of an aborted frame: kept, never answered."""
    connection: Hl7Connection | None = None
    """Whose agreements hold; None for a sender that is not known."""

    @property
    def waits_for_processing(self) -> bool:
        """Its sender asked for one answer, and agreed to get it when the message is applied."""
        if self.connection is None or self.fault is not None or self.arrival.state != "received":
            return False
        later = self.connection.config.receiving.ack_after == "applied"
        return later and accept_code(*wishes(self.header), None) == "AA"

    @property
    def sequence_number(self) -> int | None:
        """MSH-13, where the sender numbers its messages and this one may come in."""
        if self.connection is None or self.header is None or self.fault or self.silent:
            return None
        text = self.header.first(13)
        numbers = self.connection.config.receiving.sequence_numbers
        return int(text) if numbers and text.isascii() and text.isdigit() else None

    @property
    def wants_commit_block(self) -> bool:
        return self.connection is not None and self.connection.config.receiving.mllp_release_2


def judge(frame: Frame, peer: Peer, routes: Routes) -> Judgement:
    """The checks before acceptance, in order; pure.

    A message with a fault is stored all the same: `quarantined` where it cannot be read, `refused`
    where it may not be sent, with the raw bytes and without a job.
    """
    content = frame.content
    header = read_header(content)
    if header is None:
        return _headless(frame, peer)
    connection = routes.find(header.sending_application, peer)
    facility = connection.facilities.get(header.sending_facility) if connection else None
    is_ack = header.type == "ACK" or header.type == "MCF"
    fragment = fragment_of(content, header)
    receiving = connection.config.receiving if connection else None
    fault = _frame_fault(frame)
    if fault is None and not is_ack:
        fault = _check(content, header, connection, facility) or _check_fragment(
            fragment, connection
        )
    state = _state(fault, is_ack, header, connection)
    lanes = _lanes(content, connection, facility) if state == "received" else ()
    arrival = Arrival(
        kind="hl7v2",
        connection_id=connection.connection_id if connection else None,
        practice_id=facility.practice_id if facility and state != "refused" else None,
        source=source_of(header, connection, peer),
        # The remains of a frame must not take the control id from the message sent again whole,
        # nor an acknowledgement, which anybody may send, from a message.
        control_id="" if frame.fault or is_ack else _control_id(header),
        message_type=header.message_type,
        content=content,
        content_type=CONTENT_TYPE,
        headers=_headers(header, facility, frame, peer) | fragment.headers(),
        state=state,
        fault=issue_of(fault),
        lanes=lanes,
        patients=tuple(lane.rpartition("|")[2] for lane in lanes if "|patient|" in lane),
        destinations=() if fault or is_ack else _destinations(header, connection),
        identity=_identity(content, header, connection),
        accepts_reuse=receiving is not None and receiving.reused_control_id == "accept",
        wait=_wait(fragment, connection) if state == "received" else _NOW,
        denied=fault.text if fault is not None and fault.path in _CLAIMS else "",
    )
    return Judgement(arrival, header, fault, silent=is_ack, connection=connection)


def _destinations(header: Header, connection: Hl7Connection | None) -> tuple[str, ...]:
    """Where an accepted message goes on to, one that is not read here included."""
    rules = connection.forwards if connection else ()
    return tuple(
        dict.fromkeys(
            rule.connection_id for rule in rules if rule.takes(header.type, header.message_type)
        )
    )


def source_of(header: Header, connection: Hl7Connection | None, peer: Peer) -> str:
    """Whose control ids these are: MSH-3 and MSH-4 are claims, so each connection has its own, and
    a sender that is not known has those of its address."""
    door = connection.connection_id if connection else peer.address
    claimed = (header.sending_application, header.sending_facility)
    return "|".join((f"mllp:{door}", *(name[:LONGEST_NAME] for name in claimed)))


def _control_id(header: Header) -> str:
    return header.control_id if len(header.control_id) <= LONGEST_CONTROL_ID else ""


def _headless(frame: Frame, peer: Peer) -> Judgement:
    text = "The frame does not begin with MSH; send each message in a frame of its own."
    fault = Fault(100, "MSH", text, "AE")
    if frame.content[:2] in {b"\xff\xfe", b"\xfe\xff"} or b"\0" in frame.content[:8]:
        fault = Fault(102, "MSH-18", "UTF-16 and UTF-32 cannot be read.", "AE")
    arrival = Arrival(
        kind="hl7v2",
        connection_id=None,
        practice_id=None,
        source=f"mllp:{peer.address}",
        control_id="",
        message_type="",
        content=frame.content,
        content_type=CONTENT_TYPE,
        headers=_warnings(frame),
        state="quarantined",
        fault=issue_of(_frame_fault(frame) or fault),
    )
    return Judgement(arrival, None, fault, silent=frame.fault == "cut_off")


def _frame_fault(frame: Frame) -> Fault | None:
    return {"": None, "cut_off": _CUT_OFF, "too_large": _GIANT}[frame.fault]


def _check(
    content: bytes,
    header: Header,
    connection: Hl7Connection | None,
    facility: Facility | None,
) -> Fault | None:
    """The table of faults behind a readable MSH; the first that applies."""
    if header.delimiters is None or b"\0" in content:
        return Fault(102, "MSH-2", "The delimiters cannot be used, or there is a NUL byte.", "AE")
    opens_link = _opens_link(header, connection)
    for number in (9, 10, 11, 12):
        if not header.raw(number) and not (opens_link and number == 9):
            return Fault(
                101,
                f"MSH-{number}",
                f"MSH-{number} is required; send the message again with it.",
                "AE",
            )
    if len(header.control_id) > LONGEST_CONTROL_ID:
        text = f"MSH-10 has at most {LONGEST_CONTROL_ID} characters."
        return Fault(102, "MSH-10", text, "AE")
    if connection is None:
        return Fault(207, "MSH-3", "This sender is not known here.", "AR")
    if facility is None:
        return Fault(207, "MSH-4", _WRONG_PRACTICE, "AR")
    expected = facility.receiving_facility
    if expected is not None and header.receiving_facility != expected:
        return Fault(207, "MSH-6", _WRONG_PRACTICE, "AR")
    caps = connection.config.receiving.limits.caps
    kind = None if opens_link else _check_kind(header, connection)
    return kind or exceeded(content, header.delimiters, caps)


def _opens_link(header: Header, connection: Hl7Connection | None) -> bool:
    """A message without content by which a sender that numbers its messages begins: number 0, type
    and event unused (HL7 v2.5.1 §2.10.1)."""
    numbers = connection is not None and connection.config.receiving.sequence_numbers
    return numbers and header.first(13) == "0"


def _check_kind(header: Header, connection: Hl7Connection) -> Fault | None:
    config = connection.config
    event = resolve(config, header.message_type)
    if event not in EVENTS and not is_ignored(config, header.message_type):
        if header.type not in TYPES:
            return Fault(200, "MSH-9.1", "This message type is not supported.", "AR")
        if header.event:
            return Fault(201, "MSH-9.2", "This event is not supported.", "AR")
    if header.processing_id not in connection.processing_ids:
        return Fault(202, "MSH-11", "Messages of this processing id are not taken here.", "AR")
    if config.version(header.version) is None:
        return Fault(203, "MSH-12", "This version is not supported.", "AR")
    return None


def _check_fragment(fragment: Fragment, connection: Hl7Connection | None) -> Fault | None:
    if not fragment or connection is None or connection.config.receiving.continuation_seconds:
        return None
    path = "MSH-14" if fragment.continues else "DSC-1"
    return Fault(207, path, "Messages in several parts are not taken here.", "AR")


def _wait(fragment: Fragment, connection: Hl7Connection | None) -> timedelta:
    """A part that another one continues waits for it; the last one calls the others up."""
    if connection is None or not fragment.continued_by:
        return _NOW
    return timedelta(seconds=connection.config.receiving.continuation_seconds)


def _identity(content: bytes, header: Header, connection: Hl7Connection | None) -> bytes:
    """What tells repetitions where the sender writes a new MSH-7 each time; else empty."""
    if connection is None or not connection.config.receiving.ignore_message_time:
        return b""
    fields = content.split(header.separator, 7)
    return header.separator.join([*fields[:6], b"", *fields[7:]])


def _state(
    fault: Fault | None, is_ack: bool, header: Header, connection: Hl7Connection | None
) -> State:
    if fault is not None:
        return "refused" if fault.answer == "AR" else "quarantined"
    if is_ack or _opens_link(header, connection):
        return "ignored"
    if connection and is_ignored(connection.config, header.message_type):
        # One that is to be told so after processing is marked by its job.
        return "received" if application_code(*wishes(header), "applied") else "ignored"
    return "received"


def _headers(header: Header, facility: Facility | None, frame: Frame, peer: Peer) -> dict[str, str]:
    fields = {name: header.first(number) for name, number in _KEPT if header.raw(number)}
    fields["msh-9"] = header.message_type
    if peer.transport:
        fields["transport"] = peer.transport
    if facility is not None:
        fields["zone"] = facility.zone
    if frame.warnings or frame.fault:
        fields |= _warnings(frame)
    if not TABLE_0155.issuperset(wishes(header)):
        fields["acknowledgement"] = "MSH-15 or MSH-16 is not in table 0155 and counts as empty"
    return fields


def _warnings(frame: Frame) -> dict[str, str]:
    found = {"framing": ",".join(frame.warnings)} if frame.warnings else {}
    return found | ({"size": str(frame.size)} if frame.fault else {})


def _lanes(
    content: bytes, connection: Hl7Connection | None, facility: Facility | None
) -> tuple[str, ...]:
    """Order keys within the practice; a message that names nobody keeps the connection's order."""
    if connection is None or facility is None:
        return ()
    try:
        fallback = connection.config.charset_fallback
        keys = lane_keys(lex(content, charset_fallback=fallback, caps=None))
    except Hl7Error:
        keys = ()
    found = tuple(f"{facility.practice_id}|{key}" for key in keys)
    return found or (f"connection|{connection.connection_id}",)


def issue_of(fault: Fault | None) -> Issue | None:
    return Issue(f"hl7_{fault.code}", fault.path, fault.text) if fault else None


def wishes(header: Header | None) -> tuple[str, str]:
    """MSH-15 and MSH-16."""
    return (header.first(15), header.first(16)) if header else ("", "")
