"""One connection of the MLLP listener: frames in, answers out, one message in flight.

It runs in the event loop's callbacks, without a task of its own: a message costs no more turns of
the loop than the one that brings its bytes and the one that tells of its commit. While a message is
in flight nothing more is read, so that TCP slows the sender.
"""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from typing import Any, Protocol, cast

from connectors.ehr_hl7v2.receiving import Limits
from connectors.sdk.hl7v2.framing import COMMITTED, NOT_COMMITTED, Frame, Framer, wrap
from hub import metrics, tracing
from hub.entrypoints.hl7_receive import Receiver, Reply
from hub.entrypoints.hl7_routes import Peer
from hub.entrypoints.mllp_limits import MllpLimits, Patience, Room
from hub.entrypoints.mllp_replies import Replies

_MOST_UNSENT = 16 * 1024


class Paces(Protocol):
    """What the connections of one peer share."""

    def early(self, sender: str, limits: Limits) -> float:
        """Take a token; seconds to wait where the sender is faster than its rate and burst."""
        ...


class MllpConnection(asyncio.Protocol):
    """Given to a transport, it keeps what comes until `serve`; `closed` waits for its end.
    Also what `Replies` writes to."""

    def __init__(
        self, receiver: Receiver, limits: MllpLimits, room: Room, replies: Replies | None
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._receiver = receiver
        self._limits = limits
        self._room = room
        self._replies = replies
        self._frames: deque[Frame] = deque()
        self._unheard = b""
        self._framer: Framer | None = None
        self._patience = Patience(limits, self._loop.time)
        self._timer: asyncio.TimerHandle | None = None
        self._advancing = self._at_end = self._ending = False
        self._paused = self._resting = False
        self._sent: asyncio.Future[None] | None = None
        """Set while the peer takes nothing."""
        self._giving_up: asyncio.TimerHandle | None = None
        self.busy = False
        """A message is in flight."""
        self._closed = asyncio.Event()
        self.transport: asyncio.Transport

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(high=_MOST_UNSENT)

    def data_received(self, data: bytes) -> None:
        if self._framer is None:
            self._unheard += data
            self._pause()
            return
        self._frames.extend(self._framer.feed(data))
        if self._is_free():
            self._advance()
        elif not self._ending:
            self._pause()

    def eof_received(self) -> bool:
        self._at_end = True
        if self._framer is not None:
            self._advance()
        return self.transport.get_extra_info("ssl_object") is None

    def connection_lost(self, error: Exception | None) -> None:
        self._ending = True
        if error is not None and self._framer is not None and (rest := self._framer.close()):
            self._receiver.answer(rest, self._peer, _unsaid)
        for timer in (self._timer, self._giving_up):
            if timer is not None:
                timer.cancel()
        if self._sent is not None and not self._sent.done():
            self._sent.set_result(None)
        self._closed.set()

    def pause_writing(self) -> None:
        self._sent = self._loop.create_future()
        self._giving_up = self._loop.call_later(self._limits.write, self.transport.abort)

    def resume_writing(self) -> None:
        if self._giving_up is not None:
            self._giving_up.cancel()
        if self._sent is not None and not self._sent.done():
            self._sent.set_result(None)
        self._sent = None
        if self._framer is not None:
            self._advance()

    # What the listener calls.

    def serve(self, peer: Peer, places: Paces) -> None:
        """Begin with what has come already."""
        self._peer, self._places = peer, places
        self._sender_limits = self._receiver.limits(peer)
        self._framer = Framer(self._sender_limits.frame_bytes)
        self._patience.start()
        self._frames.extend(self._framer.feed(self._unheard))
        self._unheard = b""
        self._advance()

    async def closed(self) -> None:
        """Wait for the end of the connection."""
        await self._closed.wait()

    def end(self) -> None:
        """Answer what is in flight, then close."""
        self._ending = True
        if not self.busy:
            self.transport.close()

    async def send(self, content: bytes) -> None:
        """Write one frame; raises OSError or TimeoutError where that failed."""
        if self.transport.is_closing():
            raise ConnectionError("the connection is closing")
        self.transport.write(wrap(content))
        if self._sent is not None:
            await asyncio.wait_for(asyncio.shield(self._sent), self._limits.write)
            if self.transport.is_closing():
                raise ConnectionError("the connection is lost")

    # From frame to frame.

    def _advance(self) -> None:
        """Handle the frames at hand until one is in flight; then wait for more bytes."""
        if self._advancing:
            return
        self._advancing = True
        try:
            while self._is_free():
                if self._frames:
                    self._handle(self._frames.popleft())
                elif self._at_end:
                    self._finish()
                else:
                    self._await_bytes()
                    return
        finally:
            self._advancing = False
        if self._ending and not self.busy:
            self.transport.close()

    def _is_free(self) -> bool:
        return not (self._ending or self.busy or self._resting) and self._sent is None

    def _pause(self) -> None:
        self._paused = True
        self.transport.pause_reading()

    def _finish(self) -> None:
        """No more bytes will come: what is left of a frame, then the end."""
        assert self._framer is not None  # noqa: S101 - it is served
        rest = self._framer.close()
        if rest is None:
            self._ending = True
        else:
            self._frames.append(rest)

    def _await_bytes(self) -> None:
        assert self._framer is not None  # noqa: S101 - it is served
        if self._paused:
            self._paused = False
            self.transport.resume_reading()
        seconds = self._patience.left(self._framer)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if seconds is not None:
            self._timer = self._loop.call_later(seconds, self._too_slow)

    def _too_slow(self) -> None:
        """A final end byte without CR ends its frame; anything else ends the connection."""
        self._timer = None
        if self._framer is None or not self._is_free():
            return
        if frame := self._framer.pause():
            self._frames.append(frame)
        else:
            self._at_end = True
        self._advance()

    def _handle(self, frame: Frame) -> None:
        if not frame.fault:
            self._patience.heard = True
        if frame.content in _COMMIT_BLOCKS:
            return  # MLLP release 2: what the sender says to our acknowledgement
        self.busy = True
        self._room.take(len(frame.content), partial(self._receive, frame))

    def _receive(self, frame: Frame) -> None:
        if not tracing.is_on():
            self._receiver.answer(frame, self._peer, partial(self._answer, frame))
            return
        seen = tracing.Span("mllp receive", {}, kind="SERVER")
        with seen.current():
            self._receiver.answer(frame, self._peer, partial(self._answer_seen, frame, seen))

    def _answer_seen(self, frame: Frame, seen: tracing.Span, reply: Reply) -> None:
        """`_answer`, the end of a span."""
        seen.end({"hl7.acknowledgement": code_of(reply.ack)})
        self._answer(frame, reply)

    def _answer(self, frame: Frame, reply: Reply) -> None:
        """Send what is to be said to a frame that is dealt with, and go on."""
        self._room.free(len(frame.content))
        self.busy = False
        _count(reply.ack)
        answer = _on_the_wire(reply)
        if answer and not self.transport.is_closing():
            self.transport.write(answer)
        if self._replies is not None and reply.source:
            self._replies.heard(reply.source, self)
        elif self._replies is not None:
            self._replies.answered(frame.content, self)
        if reply.close:
            self._ending = True
        early = self._early(reply)
        if early > 0 and not self._ending:
            self._resting = True
            self._loop.call_later(early, self._due)
        self._advance()

    def _early(self, reply: Reply) -> float:
        """Seconds to rest: by the limits of whom the message is from, where that is known, as many
        senders may stand behind one address."""
        if reply.connection is None:
            return self._places.early("", self._sender_limits)
        limits = reply.connection.config.receiving.limits
        return self._places.early(reply.connection.connection_id, limits)

    def _due(self) -> None:
        self._resting = False
        self._advance()


def _unsaid(_: Reply) -> None:
    """What came of a frame before the peer broke off is kept; nobody is there to be told."""


_COMMIT_BLOCKS = frozenset({COMMITTED, NOT_COMMITTED})


def _on_the_wire(reply: Reply) -> bytes:
    """The commit block of MLLP release 2, where agreed, and the acknowledgements."""
    if not reply.commit_block and not reply.more:
        return wrap(reply.ack) if reply.ack else b""
    commit = b""
    if reply.commit_block:
        commit = wrap(COMMITTED if reply.stored else NOT_COMMITTED)
    return commit + b"".join(wrap(ack) for ack in (reply.ack, *reply.more) if ack)


def code_of(acknowledgement: bytes) -> str:
    """MSA-1; `none` where nothing is answered."""
    at = acknowledgement.find(b"\rMSA|")
    return acknowledgement[at + 5 : at + 7].decode("ascii", "replace") if at >= 0 else "none"


def _count(acknowledgement: bytes) -> None:
    """Count a frame by MSA-1 of its answer; `none` where nothing is answered."""
    code = code_of(acknowledgement)
    counter = _counters.get(code)
    if counter is None:
        counter = _counters[code] = metrics.mllp_frames.labels(code)
    counter.inc()


_counters: dict[str, Any] = {}
