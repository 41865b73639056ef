"""MSH read from the bytes, for the path between arrival and acknowledgement (HL7 v2.5.1 §2.15.9).

The body is neither decoded nor split, so that the cost is a microsecond whatever the size.
"""

from __future__ import annotations

from connectors.sdk.hl7v2.delimiters import Delimiters, read_delimiters

MSH_CAP = 8192
_LINE_ENDS = frozenset({b"\r", b"\n"})


class Header:
    """The fields of one MSH segment as bytes. `delimiters` is None if MSH-1 or MSH-2 is
    unusable.
    """

    __slots__ = ("_firsts", "_message_type", "delimiters", "fields", "separator")

    def __init__(self, line: bytes) -> None:
        self.separator = separator = line[3:4]
        self.fields = fields = line.split(separator)
        self._message_type: str | None = None
        self._firsts: dict[int, str] = {}
        encoding = fields[1] if len(fields) > 1 else b""
        self.delimiters: Delimiters | None = read_delimiters(separator, encoding)

    def raw(self, number: int) -> bytes:
        """MSH-n as sent; empty if absent."""
        fields = self.fields
        return fields[number - 1] if number <= len(fields) else b""

    def first(self, number: int) -> str:
        """The first component of the first repetition of MSH-n, as text for comparing and
        storing.
        """
        found = self._firsts.get(number)
        if found is None:
            found = self._firsts[number] = self.component(number, 1)
        return found

    def component(self, number: int, position: int) -> str:
        """One component of the first repetition of MSH-n; empty if absent."""
        part = self.raw(number)
        if not part:
            return ""
        text = part.decode("utf-8", "replace")
        delimiters = self.delimiters
        if delimiters is None:
            return text if position == 1 else ""
        if delimiters.repetition in text:
            text = text.partition(delimiters.repetition)[0]
        if delimiters.component in text:
            parts = text.split(delimiters.component, position)
            return parts[position - 1] if position <= len(parts) else ""
        return text if position == 1 else ""

    @property
    def sending_application(self) -> str:
        return self.first(3)

    @property
    def sending_facility(self) -> str:
        return self.first(4)

    @property
    def receiving_facility(self) -> str:
        return self.first(6)

    @property
    def type(self) -> str:
        """MSH-9.1, for example ADT."""
        return self.first(9)

    @property
    def event(self) -> str:
        """MSH-9.2, for example A04; empty for an acknowledgement without one."""
        return self.component(9, 2)

    @property
    def message_type(self) -> str:
        """``ADT^A04`` whatever the sender's delimiters."""
        if self._message_type is None:
            kind, event = self.type, self.event
            self._message_type = f"{kind}^{event}" if event else kind
        return self._message_type

    @property
    def control_id(self) -> str:
        """MSH-10 as text; the acknowledgement copies the bytes of `raw(10)`."""
        return self.raw(10).decode("utf-8", "replace")

    @property
    def processing_id(self) -> str:
        return self.first(11)

    @property
    def version(self) -> str:
        return self.first(12)

    @property
    def charset(self) -> str:
        """The first repetition of MSH-18."""
        return self.first(18)


def with_control_id(content: bytes, control_id: str) -> bytes | None:
    """The message with another MSH-10 and every other byte as it is; None if it has no MSH."""
    header = read_header(content)
    if header is None:
        return None
    line, separator = header.separator.join(header.fields), header.separator
    begin = content.index(line)
    padded = [*header.fields, *[b""] * (10 - len(header.fields))]
    padded[9] = control_id.encode("ascii")
    return content[:begin] + separator.join(padded) + content[begin + len(line) :]


def read_header(content: bytes) -> Header | None:
    """The MSH of a message, or None if the content does not begin with one.

    Line ends before MSH are tolerated; of an MSH longer than 8 KiB the rest is not read.
    """
    line = content[:MSH_CAP]
    if line[:3] != b"MSH":
        line = line.lstrip(b"\r\n")
    separator = line[3:4]
    if line[:3] != b"MSH" or len(line) < 8 or separator.isalnum() or separator in _LINE_ENDS:
        return None
    end = line.find(b"\r")
    if end >= 0:
        line = line[:end]
    end = line.find(b"\n")
    if end >= 0:
        line = line[:end]
    return Header(line)
