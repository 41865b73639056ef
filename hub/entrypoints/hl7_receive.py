"""From a frame to an acknowledgement: judge by the header, store, and only then answer.

`hl7_judging` judges; `Receiver.receive` awaits the commit between judging and answering.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Protocol, TypeVar

from connectors.ehr_hl7v2.master_files import acknowledge
from connectors.ehr_hl7v2.receiving import Limits
from connectors.sdk.hl7v2.acknowledging import Processed, accept_code
from connectors.sdk.hl7v2.acks import build_ack, new_control_id
from connectors.sdk.hl7v2.batches import Batch, build_batch_ack, is_batch, read_batch
from connectors.sdk.hl7v2.faults import Fault
from connectors.sdk.hl7v2.framing import Frame
from connectors.sdk.hl7v2.header import read_header
from hub import log
from hub.entrypoints.committed import Committed
from hub.entrypoints.hl7_batches import answer_without_messages, judge_batch
from hub.entrypoints.hl7_judging import Judgement, judge
from hub.entrypoints.hl7_outlines import wishes
from hub.entrypoints.hl7_routes import Hl7Connection, Peer, Routes
from hub.services.intake import Arrival, Numbered, Stored, Told

STORE_TIMEOUT = 30.0
STORED_AT_ONCE = 256
"""Messages of a file in one commit: the listener waits behind it."""
_STORAGE = Fault(207, "", "The message could not be stored; send it again.", "AE")
_REUSED = Fault(205, "MSH-10", "The control id was used for another message.", "AE")
_OUT_OF_ORDER = Fault(207, "MSH-13", "The sequence number is not the next one.", "AE")
_LATE = Fault(207, "", "The message is stored, but not processed in time.", "AE")
_NOTHING = Arrival("hl7v2", None, None, "", "", "", b"")

T = TypeVar("T")

_log = log.get("mllp")


class ReceivesArrivals(Protocol):
    """`hub.services.intake.Intake`, or a fake of it."""

    def receive_then(self, arrival: Arrival, told: Told) -> None: ...

    def receive_together(self, arrivals: Sequence[Arrival]) -> Future[list[Stored]]: ...


WaitForProcessing = Callable[[str, float], Awaitable[Processed | None]]
"""How reading the message of an inbox id ended; None if it has not after so many seconds."""


async def never_processed(_: str, __: float) -> Processed | None:
    """Where nothing is read."""
    return None


@dataclass(slots=True)
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
    more: tuple[bytes, ...] = ()
    """What is to be sent after `ack`, each in a frame of its own."""
    connection: Hl7Connection | None = None
    """Whose agreements hold; None where the sender is not known."""


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
        self._tasks: set[asyncio.Task[Reply]] = set()

    async def receive(self, frame: Frame, peer: Peer) -> Reply:
        """Answer one frame from `peer`; a positive answer follows the commit.

        Never raises for anything a sender or the storage does.
        """
        if not frame.fault and is_batch(frame.content):
            return await self.receive_batch(read_batch(frame.content), peer)
        close = frame.fault == "too_large"
        try:
            judgement = judge(frame, peer, self.routes())
        except Exception as error:
            return self._unjudged(frame, error)
        try:
            arrival = self._answered(judgement)
            stored = await self._commits().told_by(partial(self._intake.receive_then, arrival))
        except Exception as error:
            return self._not_stored(judgement, error, close)
        return await self._reply(judgement, stored, close)

    def answer(self, frame: Frame, peer: Peer, answer: Callable[[Reply], None]) -> None:
        """`receive` from a callback of the event loop: `answer` is called with the reply, now or in
        a later callback. Only what waits for more than its commit takes a task.
        """
        if not frame.fault and is_batch(frame.content):
            self._in_task(self.receive_batch(read_batch(frame.content), peer), answer)
            return
        close = frame.fault == "too_large"
        try:
            judgement = judge(frame, peer, self.routes())
        except Exception as error:
            answer(self._unjudged(frame, error))
            return

        def told(stored: Stored, error: BaseException | None) -> None:
            if error is not None:
                answer(self._not_stored(judgement, error, close))
            elif judgement.waits_for_processing:
                self._in_task(self._reply(judgement, stored, close), answer)
            else:
                answer(self._reply_now(judgement, stored, close))

        tell = self._commits().teller(told)
        try:
            self._intake.receive_then(self._answered(judgement), tell)
        except Exception as error:
            tell(None, error)

    def _in_task(self, reply: Coroutine[Any, Any, Reply], answer: Callable[[Reply], None]) -> None:
        task = asyncio.get_running_loop().create_task(reply)
        self._tasks.add(task)

        def done(task: asyncio.Task[Reply]) -> None:
            self._tasks.discard(task)
            if not task.cancelled():
                answer(task.result())

        task.add_done_callback(done)

    async def receive_batch(self, batch: Batch, peer: Peer) -> Reply:
        """All messages of a frame in one commit, with an answer for each."""
        try:
            judgements = judge_batch(batch, peer, self.routes())
        except Exception as error:
            headers = [read_header(content) for content in batch.messages]
            unjudged = [Judgement(_NOTHING, header) for header in headers or [None]]
            return self._together(batch, unjudged, [self._not_stored(j, error) for j in unjudged])
        try:
            arrivals = [self._answered(judgement) for judgement in judgements]
            stored = await self._durable(self._intake.receive_together(arrivals))
        except Exception as error:
            replies = [self._not_stored(judgement, error) for judgement in judgements]
        else:
            pairs = zip(judgements, stored, strict=True)
            replies = await asyncio.gather(*(self._reply(*pair) for pair in pairs))
        return self._together(batch, judgements, replies)

    async def receive_file(self, batch: Batch, peer: Peer) -> list[tuple[Judgement, Stored]]:
        """The messages of a file, its envelope last, in commits of at most `STORED_AT_ONCE`; nobody
        waits for an answer. Raises what kept a part from being stored; the parts before it are, and
        are recognised when the file is read again."""
        judgements, found = judge_batch(batch, peer, self.routes()), list[Stored]()
        for start in range(0, len(judgements), STORED_AT_ONCE):
            part = judgements[start : start + STORED_AT_ONCE]
            arrivals = [self._answered(judgement) for judgement in part]
            stored = await self._durable(self._intake.receive_together(arrivals))
            found += stored
        return list(zip(judgements, found, strict=True))

    def _together(
        self, batch: Batch, judgements: Sequence[Judgement], replies: Sequence[Reply]
    ) -> Reply:
        """One reply for a frame of several messages: a batch of acknowledgements where the sender
        sent an envelope and wants one, else one after another."""
        acks = [reply.ack for reply in replies if reply.ack]
        stored = all(reply.stored for reply in replies)
        if not batch.messages and not acks:
            acks = [answer_without_messages(batch, None if stored else _STORAGE, self._now())]
        known = [one.connection for one in judgements if one.connection is not None]
        singly = bool(known) and known[0].config.receiving.batch_answer == "each"
        if acks and batch.messages and batch.header is not None and not singly:
            acks = [build_batch_ack(batch, acks, now=self._now(), control_id=new_control_id())]
        return Reply(
            acks[0] if acks else b"",
            any(reply.close for reply in replies),
            stored,
            any(reply.commit_block for reply in replies),
            next((reply.source for reply in replies if reply.source), ""),
            tuple(acks[1:]),
            known[0] if known else None,
        )

    def _answered(self, judgement: Judgement) -> Arrival:
        """What is stored, with the answer that repetitions will get."""
        arrival = judgement.arrival
        if judgement.waits_for_processing:
            return arrival
        now = self._now()
        arrival.answer = _acknowledge(judgement, judgement.faults, now)
        number = judgement.sequence_number
        if number is None:
            return arrival

        def answered(fits: bool, expected: int) -> bytes:
            return _acknowledge(judgement, () if fits else (_OUT_OF_ORDER,), now, str(expected))

        arrival.numbered = Numbered(number, answered)
        return arrival

    async def _durable(self, future: Future[T]) -> T:
        return await self._commits().wait(future)

    def _commits(self) -> Committed:
        if self._committed is None:
            self._committed = Committed(asyncio.get_running_loop(), STORE_TIMEOUT)
        return self._committed

    async def _reply(self, judgement: Judgement, stored: Stored, close: bool = False) -> Reply:
        if judgement.waits_for_processing and not stored.conflict:
            stored.answer = await self._after_processing(judgement, stored.inbox_id)
        return self._reply_now(judgement, stored, close)

    def _reply_now(self, judgement: Judgement, stored: Stored, close: bool = False) -> Reply:
        answer = stored.answer
        if stored.conflict and not judgement.silent:
            answer = _acknowledge(judgement, (_REUSED,), self._now())
        source = "" if judgement.silent else judgement.arrival.source
        return Reply(
            answer,
            close,
            commit_block=judgement.wants_commit_block,
            source=source,
            connection=judgement.connection,
        )

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
            return _acknowledge(judgement, (_LATE,), self._now())
        code = accept_code(*wishes(judgement.header), processed.fault)
        content = judgement.arrival.content
        return acknowledge(content, processed, code) if code else b""

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

    def _unjudged(self, frame: Frame, error: Exception) -> Reply:
        return self._not_stored(Judgement(_NOTHING, read_header(frame.content)), error)

    def _not_stored(self, judgement: Judgement, error: BaseException, close: bool = False) -> Reply:
        """Whatever kept a message from being stored, the one honest answer is that it was not.

        Where the sender wants no answer, ending the connection is the only one there is.
        """
        connection_id = judgement.arrival.connection_id
        _log.error("hl7_not_stored", error_type=type(error).__name__, connection_id=connection_id)
        answer = _acknowledge(judgement, (_STORAGE,), self._now())
        told = bool(answer) or judgement.silent or judgement.wants_commit_block
        return Reply(
            answer,
            close or not told,
            False,
            judgement.wants_commit_block,
            connection=judgement.connection,
        )


def acknowledge_at_the_door(judgement: Judgement, now: datetime) -> bytes:
    """What the sender of a message judged so is answered once it is stored."""
    return _acknowledge(judgement, judgement.faults, now)


def _acknowledge(
    judgement: Judgement, faults: Sequence[Fault], now: datetime, expected: str = ""
) -> bytes:
    """The acknowledgement, or nothing where the sender's MSH-15 and MSH-16 ask for none."""
    if judgement.silent:
        return b""
    code = accept_code(*wishes(judgement.header), faults[0] if faults else None)
    if code is None:
        return b""
    control_id = new_control_id()
    return build_ack(
        judgement.header, code, faults, now=now, control_id=control_id, expected=expected
    )
