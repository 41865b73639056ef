"""Whether a message may come in: the checks by its header, before it is stored. Pure.

Nothing of a message is mapped here: bad content behind a sound header never refuses delivery.
"""

from __future__ import annotations

from codecs import BOM_UTF8
from dataclasses import dataclass
from datetime import timedelta

from connectors.sdk.hl7v2.acknowledging import accept_code
from connectors.sdk.hl7v2.caps import exceeded
from connectors.sdk.hl7v2.continuation import Fragment, fragment_of
from connectors.sdk.hl7v2.faults import Fault, Hl7Error
from connectors.sdk.hl7v2.framing import Frame
from connectors.sdk.hl7v2.header import Header, read_header
from connectors.sdk.hl7v2.lanes import lane_keys_of
from hub.domain.records import Issue
from hub.entrypoints.hl7_outlines import (
    LONGEST_CONTROL_ID,
    UNKNOWN_SENDER,
    UNREADABLE,
    WRONG_PRACTICE,
    Outline,
    outline_of,
    sequence_number,
    wishes,
)
from hub.entrypoints.hl7_routes import Hl7Connection, Peer, Routes
from hub.services.intake import Arrival, State

CONTENT_TYPE = "application/hl7-v2"
_CUT_OFF = Fault(207, "", "The frame was cut off before its end block; send it again.", "AE")
_GIANT = Fault(207, "", "The frame is larger than this endpoint takes.", "AR")
_DENIED = frozenset({UNKNOWN_SENDER, WRONG_PRACTICE})
"""A sender's word about itself does not fit the peer, which is audited."""
_NOW = timedelta(0)


@dataclass(slots=True)
class Judgement:
    """What is to be stored and how the sender is told about it."""

    arrival: Arrival
    header: Header | None
    faults: tuple[Fault, ...] = ()
    """What keeps the message out; the first decides how it is kept and answered."""
    silent: bool = False
    """An acknowledgement or the remains of an aborted frame: kept, never answered."""
    connection: Hl7Connection | None = None
    """Whose agreements hold; None for a sender that is not known."""

    @property
    def fault(self) -> Fault | None:
        return self.faults[0] if self.faults else None

    @property
    def waits_for_processing(self) -> bool:
        """Its sender asked for one answer, and agreed to get it when the message is applied."""
        if self.connection is None or self.faults or self.arrival.state != "received":
            return False
        later = self.connection.config.receiving.ack_after == "applied"
        return later and accept_code(*wishes(self.header), None) == "AA"

    @property
    def sequence_number(self) -> int | None:
        """MSH-13, where the sender numbers its messages and this one may come in."""
        if self.connection is None or self.header is None or self.faults or self.silent:
            return None
        return sequence_number(self.header, self.connection)

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
    outline = outline_of(header, peer, routes, content)
    connection, is_ack = outline.connection, outline.is_ack
    fragment = fragment_of(content, header)
    faults: tuple[Fault, ...] = ()
    if framed := _frame_fault(frame):
        faults = (framed,)
    elif not is_ack:
        faults = _check(content, header, outline) + _check_fragment(fragment, connection)
    fault = faults[0] if faults else None
    state = _state(fault, outline)
    # Who a message speaks of is kept of refused ones too, but for those too large to look into.
    small = faults[:1] == outline.faults[:1]
    keys = _keys(content, header, outline) if small else ()
    receiving = connection.config.receiving if connection else None
    practice_id = outline.facility.practice_id if outline.facility else None
    arrival = Arrival(
        kind="hl7v2",
        connection_id=connection.connection_id if connection else None,
        practice_id=practice_id if state != "refused" else None,
        source=outline.source,
        # The remains of a frame must not take the control id from the message sent again whole,
        # nor an acknowledgement, which anybody may send, from a message.
        control_id="" if frame.fault or is_ack else _control_id(header),
        message_type=outline.message_type,
        content=content,
        content_type=CONTENT_TYPE,
        headers=_headers(header, outline, frame, fragment),
        state=state,
        fault=issue_of(fault),
        further=tuple([_issue(one) for one in faults[1:]]),
        lanes=_lanes(keys, outline) if state == "received" else (),
        patients=tuple([key.rpartition("|")[2] for key in keys if key.startswith("patient|")]),
        destinations=() if fault else outline.destinations,
        parked=outline.parked,
        identity=_identity(content, header, connection),
        accepts_reuse=receiving is not None and receiving.reused_control_id == "accept",
        wait=_wait(fragment, connection) if state == "received" else _NOW,
        denied=next((one.text for one in faults if one.text in _DENIED), ""),
    )
    return Judgement(arrival, header, faults, silent=is_ack, connection=connection)


def _control_id(header: Header) -> str:
    return header.control_id if len(header.control_id) <= LONGEST_CONTROL_ID else ""


def _headless(frame: Frame, peer: Peer) -> Judgement:
    text = "The frame does not begin with MSH; send each message in a frame of its own."
    if frame.content.startswith(BOM_UTF8):
        text = "A byte order mark (EF BB BF) stands before MSH; send the message without it."
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
    return Judgement(arrival, None, (fault,), silent=frame.fault == "cut_off")


def _frame_fault(frame: Frame) -> Fault | None:
    return {"": None, "cut_off": _CUT_OFF, "too_large": _GIANT}[frame.fault]


def _check(content: bytes, header: Header, outline: Outline) -> tuple[Fault, ...]:
    """The table of faults behind a readable MSH: all that the header has, else what is too much in
    the content."""
    if b"\0" in content:
        return (UNREADABLE,)
    if outline.faults or outline.connection is None or header.delimiters is None:
        return outline.faults
    caps = outline.connection.config.receiving.limits.caps
    over = exceeded(content, header.delimiters, caps)
    return (over,) if over else ()


def _check_fragment(fragment: Fragment, connection: Hl7Connection | None) -> tuple[Fault, ...]:
    if not fragment or connection is None or connection.config.receiving.continuation_seconds:
        return ()
    path = "MSH-14" if fragment.continues else "DSC-1"
    return (Fault(207, path, "Messages in several parts are not taken here.", "AR"),)


def _wait(fragment: Fragment, connection: Hl7Connection | None) -> timedelta:
    """A part that another one continues waits for it; the last one calls the others up."""
    if connection is None or not fragment.continued_by:
        return _NOW
    return timedelta(seconds=connection.config.receiving.continuation_seconds)


def _identity(content: bytes, header: Header, connection: Hl7Connection | None) -> bytes:
    """What tells repetitions where that is not the content: one that lacks its last CR is the same
    message, and so is one with another MSH-7 where the sender writes a new one each time."""
    if not content.endswith(b"\r"):
        content = content.rstrip(b"\r\n") + b"\r"
        same = content
    else:
        same = b""
    if connection is None or not connection.config.receiving.ignore_message_time:
        return same
    fields = content.split(header.separator, 7)
    return header.separator.join([*fields[:6], b"", *fields[7:]])


def _state(fault: Fault | None, outline: Outline) -> State:
    if fault is not None:
        return "refused" if fault.answer == "AR" else "quarantined"
    return "ignored" if outline.unread else "received"


def _headers(header: Header, outline: Outline, frame: Frame, fragment: Fragment) -> dict[str, str]:
    fields = {**outline.headers}
    if header.raw(10):
        fields["msh-10"] = header.first(10)
    if frame.warnings or frame.fault:
        fields |= _warnings(frame)
    return fields | fragment.headers() if fragment else fields


def _warnings(frame: Frame) -> dict[str, str]:
    found = {"framing": ",".join(frame.warnings)} if frame.warnings else {}
    return found | ({"size": str(frame.size)} if frame.fault else {})


def _keys(content: bytes, header: Header, outline: Outline) -> tuple[str, ...]:
    """Whom or what a message speaks of; nothing where it cannot be told or nobody reads it."""
    if outline.connection is None or outline.unread:
        return ()
    try:
        return lane_keys_of(content, header, outline.connection.config.charset_fallback)
    except Hl7Error:
        return ()


def _lanes(keys: tuple[str, ...], outline: Outline) -> tuple[str, ...]:
    """Order keys within the practice; a message that names nobody keeps the connection's order, and
    so does every message where that is agreed."""
    connection, facility = outline.connection, outline.facility
    if connection is None or facility is None:
        return ()
    if keys and connection.config.receiving.order == "patient":
        return tuple([f"{facility.practice_id}|{key}" for key in keys])
    return (f"connection|{connection.connection_id}",)


def issue_of(fault: Fault | None) -> Issue | None:
    """A fault as it is stored."""
    return _issue(fault) if fault else None


def _issue(fault: Fault) -> Issue:
    return Issue(f"hl7_{fault.code}", fault.path, fault.text)
