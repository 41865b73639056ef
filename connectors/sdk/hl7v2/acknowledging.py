"""Which acknowledgements a message asks for (HL7 v2.5.1 §2.9, table 0155), and the one that tells
how processing ended."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from connectors.sdk.hl7v2.acks import AckCode, build_ack
from connectors.sdk.hl7v2.faults import TABLE_0357, Fault
from connectors.sdk.hl7v2.header import read_header
from hub.domain.records import Issue

TABLE_0155 = frozenset({"", "AL", "NE", "ER", "SU"})
_CODES = {"key_missing": 101, "unknown_code": 103}
"""Table 0357 for issues of our own that it has a code for."""
_UNSUPPORTED = frozenset({200, 201, 202, 203})

Ending = Literal["applied", "content_error", "refused"]


def accept_code(accept: str, application: str, fault: Fault | None) -> AckCode | None:
    """The answer at the door to a message with these MSH-15 and MSH-16; None: nothing may be said.

    Both empty is original mode; AL, ER and SU in MSH-15 are enhanced mode with a commit
    acknowledgement; without one, MSH-16 ER still wants to hear of faults. A word outside the table
    counts as empty.
    """
    accept, application = _known(accept), _known(application)
    original: AckCode = "AA" if fault is None else fault.answer
    enhanced: AckCode = "CA" if fault is None else "CE" if fault.answer == "AE" else "CR"
    if accept in {"", "NE"}:
        if application == "AL" or (not accept and not application):
            return original
        return original if application == "ER" and fault is not None else None
    wanted = {"AL": True, "ER": fault is not None, "SU": fault is None}[accept]
    return enhanced if wanted else None


def application_code(accept: str, application: str, ending: Ending) -> AckCode | None:
    """The answer after processing; None where none is asked for, or the door has given it."""
    accept, application = _known(accept), _known(application)
    code: AckCode = {"applied": "AA", "content_error": "AE", "refused": "AR"}[ending]  # type: ignore[assignment]
    if application == "AL":
        return code if accept in {"AL", "ER", "SU"} else None
    if application == "ER":
        return code if ending != "applied" else None
    return code if application == "SU" and ending == "applied" else None


def _known(word: str) -> str:
    return word if word in TABLE_0155 else ""


@dataclass(frozen=True, slots=True)
class Processed:
    """How reading a stored message ended, as its row says. `ended_at` is aware; `unapplied` are the
    issues of a master file that name entries which were left out."""

    inbox_id: str
    state: str
    fault_code: str
    fault_path: str
    fault_text: str
    ended_at: datetime
    unapplied: tuple[Issue, ...] = ()

    @property
    def ending(self) -> Ending:
        """A message that was read to its end, an unwanted one included, is applied."""
        if self.state != "quarantined":
            return "content_error" if self.unapplied else "applied"
        return "refused" if self._code in _UNSUPPORTED else "content_error"

    @property
    def _code(self) -> int:
        number = self.fault_code.removeprefix("hl7_")
        known = self.fault_code.startswith("hl7_") and number.isdigit()
        return int(number) if known and int(number) in TABLE_0357 else 207

    @property
    def control_id(self) -> str:
        """MSH-10 of the acknowledgement: its own, and the same whenever it is written anew."""
        named = f"{self.inbox_id}|{self.ended_at.isoformat()}".encode()
        return hashlib.sha256(named).hexdigest()[:20].upper()

    @property
    def faults(self) -> tuple[Fault, ...]:
        if self.state == "quarantined":
            answer: Literal["AE", "AR"] = "AR" if self.ending == "refused" else "AE"
            return (Fault(self._code, self.fault_path, self.fault_text, answer),)
        return tuple(
            Fault(_CODES.get(one.code, 207), one.path, one.text, "AE") for one in self.unapplied
        )

    @property
    def fault(self) -> Fault | None:
        return next(iter(self.faults), None)


def application_ack(
    content: bytes,
    processed: Processed,
    code: AckCode,
    *,
    accept: str = "",
    kind: bytes = b"ACK",
) -> bytes:
    """The acknowledgement of a processed message, byte for byte the same each time.

    `accept` is its own MSH-15: AL asks the sender to say that it has it.
    """
    return build_ack(
        read_header(content),
        code,
        processed.faults,
        now=processed.ended_at,
        control_id=processed.control_id,
        accept=accept,
        kind=kind,
    )
