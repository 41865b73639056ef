"""Files and batches (HL7 v2.5.1 §2.10.3): messages between FHS/BHS and BTS/FTS, or MLLP blocks."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from connectors.sdk.hl7v2.acks import timestamp
from connectors.sdk.hl7v2.faults import Fault
from connectors.sdk.hl7v2.framing import Framer
from connectors.sdk.hl7v2.header import Header, read_header

MOST_MESSAGES = 1000
_ENVELOPE = (b"FHS", b"BHS", b"BTS", b"FTS")
_SEGMENT_START = re.compile(rb"(?:\A|(?<=[\r\n]))(?=(?:MSH|FHS|BHS|BTS|FTS)[^\w\s])")


def split_messages(content: bytes) -> list[bytes]:
    """The messages of a file, in order: framed, bare, several in a row, or in a batch.

    Envelope segments are left out, and so is a byte order mark; what precedes the first message is
    returned too unless it is blank, so that garbage is reported and not lost.
    """
    parts = [part for block in split_blocks(content) for part in _SEGMENT_START.split(block)]
    return [part for part in parts if part.strip() and not part.startswith(_ENVELOPE)]


def split_blocks(content: bytes) -> list[bytes]:
    """What stands in the MLLP blocks of a file; all of it where there are none."""
    if b"\x0b" not in content or b"\x1c" not in content:
        return [content.removeprefix(codecs.BOM_UTF8)]
    framer = Framer(cap=max(len(content), 1))
    frames = framer.feed(content)
    rest = framer.close()
    return [frame.content for frame in [*frames, *([rest] if rest else [])]]


def is_batch(content: bytes) -> bool:
    """Whether a frame holds more than one message, with an envelope or without."""
    if content.lstrip(b"\r\n")[:3] in {b"FHS", b"BHS"}:
        return True
    return content.find(b"MSH", 3) >= 0 and len(_SEGMENT_START.findall(content)) > 1


@dataclass(frozen=True, slots=True)
class Batch:
    """Messages that came together. `envelope` holds the FHS, BHS, BTS and FTS segments; a batch
    with a `fault` is incomplete, and none of its messages may be accepted. Of one with too many
    they are not taken apart: `envelope` is then all of it."""

    messages: tuple[bytes, ...]
    envelope: bytes = b""
    fault: Fault | None = None

    @property
    def header(self) -> Header | None:
        """BHS, else FHS, read like an MSH, which numbers its fields the same way; the first MSH of
        too many messages without an envelope."""
        found = self._segment(b"BHS") or self._segment(b"FHS")
        return found if found or self.messages else self._segment(b"MSH")

    @property
    def file_header(self) -> Header | None:
        return self._segment(b"FHS")

    def _segment(self, name: bytes) -> Header | None:
        lines = [line for line in self.envelope.split(b"\r") if line.startswith(name)]
        return read_header(b"MSH" + lines[0][3:]) if lines else None


def read_batch(content: bytes, *, most: int | None = MOST_MESSAGES) -> Batch:
    """The messages of a frame or a file and its envelope, with the counts of BTS-1 and FTS-1
    checked; more than `most` messages are a fault.

    Trailers and counts may be missing, as the standard allows; a count that is there must hold.
    """
    messages: list[bytes] = []
    envelope: list[bytes] = []
    fault: Fault | None = None
    in_batch = batches = 0
    unnamed = 0  # a batch whose BHS was left out, which a sender counts or not
    for part in _SEGMENT_START.split(content):
        name = part[:3]
        if name not in _ENVELOPE:
            if part.strip():
                messages.append(part)
                in_batch += 1
                unnamed = unnamed or int(not batches)
            continue
        envelope.append(part.strip(b"\r\n"))
        if name == b"BHS":
            in_batch, batches = 0, batches + 1
        elif name == b"BTS":
            fault = fault or _miscounted(part, "BTS-1", "messages", in_batch)
        elif name == b"FTS":
            fault = fault or _miscounted(part, "FTS-1", "batches", batches + unnamed, batches)
    if most is not None and len(messages) > most:
        return Batch((), content, Fault(207, "", f"A batch has at most {most} messages.", "AR"))
    return Batch(tuple(messages), b"\r".join(envelope), fault)


def _miscounted(trailer: bytes, path: str, what: str, *found: int) -> Fault | None:
    count = trailer.strip(b"\r\n").split(trailer[3:4])[1].strip()
    if not count or (count.isdigit() and int(count) in found):
        return None
    return Fault(207, path, f"The batch came with {found[0]} {what} and says otherwise.", "AE")


def build_batch_ack(
    batch: Batch, acks: Sequence[bytes], *, now: datetime, control_id: str
) -> bytes:
    """One batch with the acknowledgement of every message, under the envelope of the sender's.

    BHS-12 refers to BHS-11 of what is answered. Nothing accepts a batch as a whole.
    """
    lines: list[bytes] = []
    file_header, header = batch.file_header, batch.header
    if file_header is not None:
        lines.append(_answered(b"FHS", file_header, now, control_id))
    if header is not None:
        lines.append(_answered(b"BHS", header, now, control_id))
    lines += [ack.rstrip(b"\r") for ack in acks]
    if header is not None:
        lines.append(header.separator.join([b"BTS", str(len(acks)).encode()]))
    if file_header is not None:
        lines.append(file_header.separator.join([b"FTS", b"1"]))
    return b"\r".join(lines) + b"\r"


def _answered(name: bytes, header: Header, now: datetime, control_id: str) -> bytes:
    return header.separator.join(_fields(name, header, now, control_id)).rstrip(header.separator)


def _fields(name: bytes, header: Header, now: datetime, control_id: str) -> Iterator[bytes]:
    """Fields 1 to 12 of FHS or BHS; the addresses change places."""
    yield name
    yield header.raw(2)
    for number in (5, 6, 3, 4):
        yield header.raw(number)
    yield timestamp(now).encode()
    yield from (b"", b"", b"")
    yield control_id.encode()
    yield header.raw(11)
