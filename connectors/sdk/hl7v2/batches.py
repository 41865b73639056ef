"""Files and batches (HL7 v2.5.1 §2.10.3): messages between FHS/BHS and BTS/FTS, or MLLP blocks."""

from __future__ import annotations

import re

from connectors.sdk.hl7v2.framing import Framer

_ENVELOPE = (b"FHS", b"BHS", b"BTS", b"FTS")
_SEGMENT_START = re.compile(rb"(?:\A|(?<=[\r\n]))(?=(?:MSH|FHS|BHS|BTS|FTS)[^\w\s])")


def split_messages(content: bytes) -> list[bytes]:
    """The messages of a file, in order: framed, bare, several in a row, or in a batch.

    Envelope segments are left out; what precedes the first message is returned too unless it is
    blank, so that garbage is reported and not lost.
    """
    if b"\x0b" in content and b"\x1c" in content:
        framer = Framer(cap=max(len(content), 1))
        frames = framer.feed(content)
        rest = framer.close()
        blocks = [frame.content for frame in [*frames, *([rest] if rest else [])]]
        return [message for block in blocks for message in split_messages(block)]
    parts = _SEGMENT_START.split(content)
    return [part for part in parts if part.strip() and not part.startswith(_ENVELOPE)]
