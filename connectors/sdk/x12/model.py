"""What the X12 reader gives: interchanges, groups, transactions, segments, and typed refusals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hub.domain.records import Issue


@dataclass(frozen=True, slots=True)
class Delimiters:
    """The four separators of an interchange; `repetition` is empty where ISA11 is a letter."""

    element: str = "*"
    repetition: str = "^"
    component: str = ":"
    segment: str = "~"


DELIMITERS = Delimiters()


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment; `elements[0]` is element 01, and `position` counts from ST = 1.

    Which elements repeat and which are composite is the reader's knowledge: where a sender gives
    both the same separator (ISA11 = ISA16), `repeats` and `components` split alike.
    """

    id: str
    elements: tuple[str, ...]
    position: int
    delimiters: Delimiters

    def get(self, number: int) -> str:
        """Element `number` (from 1), unsplit and without outer blanks; empty when absent."""
        return self.elements[number - 1].strip() if number <= len(self.elements) else ""

    def repeats(self, number: int) -> tuple[str, ...]:
        """The repetitions of element `number`, empty ones dropped."""
        return self._split(number, self.delimiters.repetition, keep_empty=False)

    def components(self, number: int) -> tuple[str, ...]:
        """The components of element `number` in their places, empty ones kept."""
        return self._split(number, self.delimiters.component, keep_empty=True)

    def component(self, number: int, part: int) -> str:
        """Component `part` (from 1) of element `number`; empty when absent."""
        parts = self.components(number)
        return parts[part - 1] if part <= len(parts) else ""

    def _split(self, number: int, separator: str, *, keep_empty: bool) -> tuple[str, ...]:
        value = self.get(number)
        if not value:
            return ()
        if not separator or separator not in value:
            return (value,)
        parts = (part.strip() for part in value.split(separator))
        return tuple(parts) if keep_empty else tuple(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class InterchangeHeader:
    """ISA without its blanks. `date` is YYMMDD and `time` HHMM, in the sender's unstated zone."""

    sender_qualifier: str
    sender: str
    receiver_qualifier: str
    receiver: str
    date: str
    time: str
    version: str
    control: str
    acknowledgment_requested: bool
    usage: str


@dataclass(frozen=True, slots=True)
class Group:
    """GS: one functional group."""

    functional_id: str
    sender: str
    receiver: str
    date: str
    time: str
    control: str
    version: str


@dataclass(frozen=True, slots=True)
class Transaction:
    """ST to SE, both included. `version` is ST03, or GS08 where ST03 is absent (before 005010)."""

    set_id: str
    control: str
    version: str
    group: Group
    segments: tuple[Segment, ...]
    issues: tuple[Issue, ...] = ()


@dataclass(frozen=True, slots=True)
class TA1:
    """An interchange acknowledgment: `status` A accepted, E errors, R rejected; `note` TA105."""

    control: str
    date: str
    time: str
    status: str
    note: str


@dataclass(frozen=True, slots=True)
class Interchange:
    """ISA to IEA, complete, with at least one transaction or TA1."""

    header: InterchangeHeader
    delimiters: Delimiters
    transactions: tuple[Transaction, ...]
    ta1s: tuple[TA1, ...] = ()
    issues: tuple[Issue, ...] = ()


@dataclass(frozen=True, slots=True)
class TruncatedResponse:
    """Begins as X12 and ends before its envelope does: never to be read as "nothing found".

    `transactions` are those that were complete; `segments` counts what was read.
    """

    text: str
    header: InterchangeHeader | None = None
    transactions: tuple[Transaction, ...] = ()
    segments: int = 0


@dataclass(frozen=True, slots=True)
class NotX12:
    """Something else where X12 was due."""

    kind: Literal["html", "text", "empty"]
    text: str


@dataclass(frozen=True, slots=True)
class TooLarge:
    """Beyond a limit of the reader; nothing of it is used."""

    text: str


Result = Interchange | TruncatedResponse | NotX12 | TooLarge
