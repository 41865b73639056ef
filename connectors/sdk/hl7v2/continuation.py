"""Messages in several parts (HL7 v2.5.1 §2.10.2): DSC-1 names the pointer under which MSH-14 of
the next part goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from connectors.sdk.hl7v2.header import Header, read_header

CONTINUES, CONTINUED_BY = "continues", "continued-by"
"""Names of the pointers among what is stored of a message."""


@dataclass(frozen=True, slots=True)
class Fragment:
    """The pointers of one part: where it goes on from, and where the next one will. Both are empty
    for a message that is whole."""

    continues: str = ""
    continued_by: str = ""

    def __bool__(self) -> bool:
        return bool(self.continues or self.continued_by)

    def headers(self) -> dict[str, str]:
        """The pointers, to be stored with the message."""
        found = {CONTINUES: self.continues, CONTINUED_BY: self.continued_by}
        return {name: pointer for name, pointer in found.items() if pointer}


WHOLE = Fragment()
_LONGEST_POINTER = 180
"""Characters of MSH-14 and DSC-1 (HL7 v2.5.1 §2.15.2, §2.15.9)."""


def fragment_of(content: bytes, header: Header) -> Fragment:
    """The pointers of a message; costs two searches for one that is whole."""
    continues = header.first(14)
    tail = content[-_LONGEST_POINTER - 16 :].rstrip(b"\r\n")
    last = tail[max(tail.rfind(b"\r"), tail.rfind(b"\n")) + 1 :]
    if not continues and last[:3] != b"DSC":
        return WHOLE
    fields = last.split(header.separator) if last[:3] == b"DSC" else []
    pointer = fields[1].decode("utf-8", "replace") if len(fields) > 1 else ""
    return Fragment(continues[:_LONGEST_POINTER], pointer[:_LONGEST_POINTER])


def assemble(parts: Sequence[bytes]) -> bytes:
    """One message of its parts, in their order: the first MSH, every other segment, no DSC.

    An ADD segment at the start of a part goes on with the field the part before was cut in.
    """
    whole: list[bytes] = []
    for number, part in enumerate(parts):
        lines = [line for line in part.replace(b"\n", b"\r").split(b"\r") if line]
        if lines and lines[-1][:3] == b"DSC":
            del lines[-1]
        if number and lines and read_header(lines[0]) is not None:
            del lines[0]
        if number and whole and lines and lines[0][:3] == b"ADD":
            whole[-1] += lines[0][4:]
            del lines[0]
        whole += lines
    return b"".join(line + b"\r" for line in whole)
