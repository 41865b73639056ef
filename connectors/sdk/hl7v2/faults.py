"""Why a message is not accepted: HL7 table 0357 codes with a place and a rule, never a value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hub.errors import Rejected

TABLE_0357 = {
    0: "Message accepted",
    100: "Segment sequence error",
    101: "Required field missing",
    102: "Data type error",
    103: "Table value not found",
    200: "Unsupported message type",
    201: "Unsupported event code",
    202: "Unsupported processing id",
    203: "Unsupported version id",
    204: "Unknown key identifier",
    205: "Duplicate key identifier",
    206: "Application record locked",
    207: "Application internal error",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One finding that stops acceptance.

    `code` is of table 0357, `path` like ``MSH-9.2`` (segment sequence 1 unless ``PID[2]-3``),
    `text` names the rule. `answer` is the acknowledgement of original mode: AE (the sender may
    correct and send again) or AR (sending the same again cannot help).
    """

    code: int
    path: str
    text: str
    answer: Literal["AE", "AR"] = "AE"


class Hl7Error(Rejected):
    """Bytes that cannot be read as HL7 v2; `fault` says where and why."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.text, reason=f"hl7_{fault.code}", path=fault.path)
        self.fault = fault
