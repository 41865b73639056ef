"""From a frame to an acknowledgement: judge by the header, store, and only then answer.

`judge` is pure; `Receiver.receive` awaits the commit between judging and answering. Nothing of a
message is mapped here: bad content behind a sound header never refuses delivery.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from connectors.ehr_hl7v2.events import EVENTS, TYPES, is_ignored, resolve
from connectors.ehr_hl7v2.receiving import Limits
from connectors.sdk.hl7v2.acknowledging import (
    TABLE_0155,
    Processed,
    accept_code,
    application_ack,
    application_code,
)
from connectors.sdk.hl7v2.acks import build_ack, new_control_id
from connectors.sdk.hl7v2.caps import exceeded
from connectors.sdk.hl7v2.faults import Fault, Hl7Error
from connectors.sdk.hl7v2.framing import Frame
from connectors.sdk.hl7v2.header import Header, read_header
from connectors.sdk.hl7v2.lanes import lane_keys
from connectors.sdk.hl7v2.lexer import lex
from hub import log
from hub.domain.records import Issue
from hub.entrypoints.committed import Committed
from hub.entrypoints.hl7_routes import Facility, Hl7Connection, Peer, Routes
from hub.services.intake import Arrival, State, Stored

CONTENT_TYPE = "application/hl7-v2"
STORE_TIMEOUT = 30.0
LONGEST_CONTROL_ID = 199
"""Characters of MSH-10 (HL7 v2.7 §2.14.9.10); a longer one would not fit into an index."""
LONGEST_NAME = 227
"""Characters of MSH-3 and MSH-4 (HL7 v2.5.1 §2.15.9, HD) that tell senders apart."""
_KEPT = tuple((f"msh-{number}", number) for number in (3, 4, 6, 10, 11, 12, 15, 16, 18))

_log = log.get("mllp")
_STORAGE = Fault(207, "", "The message could not be stored; send it again.", "AE")
_REUSED = Fault(205, "MSH-10", "The control id was used for another message.", "AE")
_CUT_OFF = Fault(207, "", "The frame was cut off before its end block; send it again.", "AE")
_GIANT = Fault(207, "", "The frame is larger than this endpoint takes.", "AR")
_CLAIMS = frozenset({"MSH-3", "MSH-4", "MSH-6"})
"""What a sender says about itself; where that does not fit the peer, it is audited."""
_LATE = Fault(207, "", "The message is stored, but not processed in time.", "AE")
_WRONG_PRACTICE = "The sender may not send for this facility."


_NOTHING = Arrival("hl7v2", None, None, "", "", "", b"")


class ReceivesArrivals(Protocol):
    """`hub.services.intake.Intake`, or a fake of it."""

    def receive(self, arrival: Arrival) -> Future[Stored]: ...


WaitForProcessing = Callable[[str, float], Awaitable[Processed | None]]
"""How reading the message of an inbox id ended; None if it has not after so many seconds."""


async def never_processed(_: str, __: float) -> Processed | None:
    """Where nothing is read."""
    return None


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
        return later and accept_code(*_wishes(self.header), None) == "AA"

    @property
    def wants_commit_block(self) -> bool:
        return self.connection is not None and self.connection.config.receiving.mllp_release_2


@dataclass(frozen=True, slots=True)
class Reply:
    """`ack` is what to send, empty for nothing; `close` ends the connection after it. Where
    `stored` is False the sender must send again; `commit_block` says that it wants to hear of that
    by a block of MLLP release 2."""

    ack: bytes
    close: bool = False
    stored: bool = True
    commit_block: bool = False
    source: str = ""
    """As whom the sender of a message is known; empty for an acknowledgement."""


class Receiver:
    """Judges, stores and answers. `routes` is called per message, so that a change takes effect;
    `processed` is for senders whose answer waits for it."""

    def __init__(
        self,
        intake: ReceivesArrivals,
        routes: Callable[[], Routes],
        now: Callable[[], datetime],
        processed: WaitForProcessing = never_processed,
    ) -> None:
        self.routes = routes
        self._processed = processed
        self._intake = intake
        self._now = now
        self._committed: Committed | None = None

    async def receive(self, frame: Frame, peer: Peer) -> Reply:
        """Answer one frame from `peer`; a positive answer follows the commit.

        Never raises for anything a sender or the storage does.
        """
        try:
            judgement = judge(frame, peer, self.routes())
        except Exception as error:
            return self._not_stored(Judgement(_NOTHING, read_header(frame.content)), error)
        answer = b""
        if not judgement.waits_for_processing:
            answer = _acknowledge(judgement, judgement.fault, self._now())
        arrival = replace(judgement.arrival, answer=answer)
        close = frame.fault == "too_large"
        try:
            if self._committed is None:
                self._committed = Committed(asyncio.get_running_loop())
            stored = await self._committed.wait(self._intake.receive(arrival), STORE_TIMEOUT)
        except Exception as error:
            return self._not_stored(judgement, error, close)
        answer = stored.answer
        if stored.conflict and not judgement.silent:
            answer = _acknowledge(judgement, _REUSED, self._now())
        elif judgement.waits_for_processing:
            answer = await self._after_processing(judgement, stored.inbox_id)
        source = "" if judgement.silent else arrival.source
        return Reply(answer, close, commit_block=judgement.wants_commit_block, source=source)

    async def _after_processing(self, judgement: Judgement, inbox_id: str) -> bytes:
        """The one answer of a sender that wants to hear how processing ended.

        After a timeout the message stays; sent again, it gets the answer it would have got.
        """
        assert judgement.connection is not None  # noqa: S101 - it waits by its connection's wish
        seconds = judgement.connection.config.receiving.applied_seconds
        try:
            processed = await self._processed(inbox_id, seconds)
        except Exception as error:
            _log.error("hl7_outcome_unreadable", error_type=type(error).__name__, inbox_id=inbox_id)
            processed = None
        if processed is None:
            return _acknowledge(judgement, _LATE, self._now())
        code = accept_code(*_wishes(judgement.header), processed.fault)
        content = judgement.arrival.content
        return application_ack(content, processed, code) if code else b""

    def admits_address(self, address: str) -> bool:
        """Whether to listen to an address at all."""
        return self._current_routes().knows_address(address)

    def admits(self, peer: Peer) -> bool:
        """Whether any connection is open to this address with this certificate."""
        return bool(self._current_routes().of(peer))

    def connections_from(self, address: str) -> int:
        """How many connections of this address are served at once."""
        return self._current_routes().connections_from(address)

    def limits(self, peer: Peer) -> Limits:
        """What this peer may ask of the listener."""
        return self._current_routes().limits(peer)

    def _current_routes(self) -> Routes:
        """None at all while they cannot be read: nobody is admitted then."""
        try:
            return self.routes()
        except Exception as error:
            _log.error("hl7_routes_unreadable", error_type=type(error).__name__)
            return Routes(())

    def _not_stored(self, judgement: Judgement, error: Exception, close: bool = False) -> Reply:
        """Whatever kept a message from being stored, the one honest answer is that it was not.

        Where the sender wants no answer, ending the connection is the only one there is.
        """
        connection_id = judgement.arrival.connection_id
        _log.error("hl7_not_stored", error_type=type(error).__name__, connection_id=connection_id)
        answer = _acknowledge(judgement, _STORAGE, self._now())
        told = bool(answer) or judgement.silent or judgement.wants_commit_block
        return Reply(answer, close or not told, False, judgement.wants_commit_block)


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
    fault = _frame_fault(frame)
    if fault is None and not is_ack:
        fault = _check(content, header, connection, facility)
    state = _state(fault, is_ack, header, connection)
    lanes = _lanes(content, connection, facility) if state == "received" else ()
    arrival = Arrival(
        kind="hl7v2",
        connection_id=connection.connection_id if connection else None,
        practice_id=facility.practice_id if facility and state != "refused" else None,
        source=_source(header, connection, peer),
        # The remains of a frame must not take the control id from the message sent again whole,
        # nor an acknowledgement, which anybody may send, from a message.
        control_id="" if frame.fault or is_ack else _control_id(header),
        message_type=header.message_type,
        content=content,
        content_type=CONTENT_TYPE,
        headers=_headers(header, facility, frame, peer),
        state=state,
        fault=_issue(fault),
        lanes=lanes,
        patients=tuple(lane.rpartition("|")[2] for lane in lanes if "|patient|" in lane),
        destinations=() if fault or is_ack else _destinations(header, connection),
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


def _source(header: Header, connection: Hl7Connection | None, peer: Peer) -> str:
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
        fault=_issue(_frame_fault(frame) or fault),
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
    for number in (9, 10, 11, 12):
        if not header.raw(number):
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
    return _check_kind(header, connection) or exceeded(content, header.delimiters, caps)


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


def _state(
    fault: Fault | None, is_ack: bool, header: Header, connection: Hl7Connection | None
) -> State:
    if fault is not None:
        return "refused" if fault.answer == "AR" else "quarantined"
    if is_ack:
        return "ignored"
    if connection and is_ignored(connection.config, header.message_type):
        # One that is to be told so after processing is marked by its job.
        return "received" if application_code(*_wishes(header), "applied") else "ignored"
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
    if not TABLE_0155.issuperset(_wishes(header)):
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


def _issue(fault: Fault | None) -> Issue | None:
    return Issue(f"hl7_{fault.code}", fault.path, fault.text) if fault else None


def _acknowledge(judgement: Judgement, fault: Fault | None, now: datetime) -> bytes:
    """The acknowledgement, or nothing where the sender's MSH-15 and MSH-16 ask for none."""
    if judgement.silent:
        return b""
    code = accept_code(*_wishes(judgement.header), fault)
    if code is None:
        return b""
    faults = [fault] if fault else []
    return build_ack(judgement.header, code, faults, now=now, control_id=new_control_id())


def _wishes(header: Header | None) -> tuple[str, str]:
    """MSH-15 and MSH-16."""
    return (header.first(15), header.first(16)) if header else ("", "")
