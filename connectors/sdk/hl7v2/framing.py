"""MLLP blocks out of a byte stream (HL7 Transport: MLLP R1): ``0B`` content ``1C 0D``.

Senders deviate; what cannot lose a message is tolerated and counted, what can is reported as a
fault. Work is linear in the bytes received, whatever the chunking, and memory is bounded by the
size cap.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

START, END, CR, LF = 0x0B, 0x1C, 0x0D, 0x0A
FRAME_CAP = 1024 * 1024
HEAD_KEPT = 8192
SKIP_CAP = 64 * 1024 * 1024
COMMITTED, NOT_COMMITTED = b"\x06", b"\x15"
"""Contents of the commit acknowledgement blocks of MLLP release 2."""

FrameFault = Literal["", "cut_off", "too_large"]


@dataclass(slots=True)
class Frame:
    """One block. With a fault, `content` is what was read of it: a part, or the head of a giant.

    `size` counts the content's bytes on the wire; `warnings` names the deviations tolerated.
    """

    content: bytes
    fault: FrameFault = ""
    size: int = 0
    warnings: tuple[str, ...] = ()


class Framer:
    """Feed it bytes as they come; it gives the blocks that became complete."""

    def __init__(self, cap: int = FRAME_CAP) -> None:
        self._cap = cap
        self._head = min(HEAD_KEPT, cap)
        self._buffer = bytearray()
        self._scanned = 0
        self._inside = False
        self._skipped = 0
        self._warnings: list[str] = []
        self.junk = 0
        """Bytes outside blocks so far, white space not counted."""

    @property
    def inside(self) -> bool:
        """True while a block has begun and not ended."""
        return self._inside

    @property
    def ending(self) -> bool:
        """True while an end byte has come and what follows it has not."""
        return self._inside and self._buffer[-1:] == b"\x1c"

    def feed(self, data: bytes) -> list[Frame]:
        """Take the next bytes of the stream; return the blocks they complete, in order."""
        if not self._inside and not self._buffer and self._is_one_block(data):
            return [self._emit(bytes(data[1:-2]), "", len(data) - 3)]
        self._buffer += data
        frames: list[Frame] = []
        while (frame := self._next()) is not None:
            frames.append(frame)
        return frames

    def pause(self) -> Frame | None:
        """Call about a second after the last byte: a final ``1C`` without CR then ends its
        block.
        """
        if self.ending and self._skipped:
            return self._finish_giant(len(self._buffer))
        if self.ending:
            return self._finish(len(self._buffer) - 1, len(self._buffer), "end_without_cr")
        return None

    def close(self) -> Frame | None:
        """Call when no more bytes will come; an unfinished block is returned as cut off."""
        if frame := self.pause():
            return frame
        if not self._inside:
            return None
        if self._skipped:
            return self._finish_giant(0)
        return self._finish(len(self._buffer), len(self._buffer), fault="cut_off")

    def _is_one_block(self, data: bytes) -> bool:
        """Whether the bytes are one whole block, as nearly always."""
        last = len(data) - 2
        return (
            0 < last <= self._cap
            and data[0] == START
            and data.find(END) == last
            and data[last + 1] == CR
            and data.find(START, 1) < 0
        )

    def _next(self) -> Frame | None:
        if not self._inside and not self._find_start():
            return None
        return self._skip() if self._skipped else self._find_end()

    def _find_start(self) -> bool:
        start = self._buffer.find(START)
        junk = self._buffer if start < 0 else self._buffer[:start]
        if junk:
            count = len(junk.translate(None, b" \t\r\n"))
            self.junk += count
            if count:
                self._warn("bytes_before_start")
        if start < 0:
            self._buffer.clear()
            return False
        del self._buffer[: start + 1]
        self._scanned = 0
        self._inside = True
        return True

    def _find_end(self) -> Frame | None:
        buffer = self._buffer
        while True:
            end = buffer.find(END, self._scanned)
            limit = len(buffer) if end < 0 else end
            restart = buffer.find(START, self._scanned, limit)
            if restart >= 0:
                return self._finish(restart, restart, fault="cut_off")
            if limit > self._cap:
                self._skipped = self._head
                return self._skip()
            if end < 0:
                self._scanned = limit
                return None
            if end + 1 == len(buffer):
                self._scanned = end
                return None
            follower = buffer[end + 1]
            if follower == CR:
                return self._finish(end, end + 2)
            if follower in {START, LF}:
                return self._finish(end, end + 1, "end_without_cr")
            self._warn("end_byte_in_content")
            self._scanned = end + 1

    def _finish(
        self, length: int, consumed: int, warning: str = "", fault: FrameFault = ""
    ) -> Frame:
        content = bytes(memoryview(self._buffer)[:length])
        del self._buffer[:consumed]
        if warning:
            self._warn(warning)
        return self._emit(content, fault, length)

    def _skip(self) -> Frame | None:
        """Drop the rest of a block beyond the cap, keeping its head and counting its size."""
        buffer, head = self._buffer, self._head
        end = buffer.find(b"\x1c\x0d", head)
        if end >= 0:
            self._skipped += end - head
            del buffer[head : end + 2]
            return self._finish_giant(head)
        last = 1 if len(buffer) > head and buffer[-1] == END else 0
        self._skipped += len(buffer) - last - head
        del buffer[head : len(buffer) - last]
        if self._skipped > SKIP_CAP:
            return self._finish_giant(len(buffer))
        return None

    def _finish_giant(self, consumed: int) -> Frame:
        content, size = bytes(self._buffer[: self._head]), self._skipped
        del self._buffer[: consumed or len(self._buffer)]
        self._skipped = 0
        return self._emit(content, "too_large", size)

    def _emit(self, content: bytes, fault: FrameFault, size: int) -> Frame:
        warnings, self._warnings = tuple(self._warnings), []
        self._inside, self._scanned = False, 0
        return Frame(content, fault, size, warnings)

    def _warn(self, warning: str) -> None:
        if warning not in self._warnings:
            self._warnings.append(warning)


def wrap(content: bytes) -> bytes:
    """One MLLP block."""
    return b"\x0b" + content + b"\x1c\x0d"
