"""What a master file's sender is owed: MFI and one MFA for each MFE (HL7 v2.5.1 §8.4.2 MFK)."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import datetime

from connectors.sdk.hl7v2.acknowledging import Processed, application_ack
from connectors.sdk.hl7v2.acks import AckCode
from connectors.sdk.hl7v2.header import read_header
from connectors.sdk.hl7v2.lexer import Message, lex
from hub.errors import Rejected

MASTER_FILE = "MFN"
NOT_POSTED = frozenset({"list_incomplete", "deactivations_held"})
"""Codes of issues that say a full list was not taken as one."""
_ENTRY = re.compile(r"MFE\[(\d+)\]-\d+")

_WANTED = {"AL": (True, True), "ER": (False, True), "SU": (True, False)}
"""By MFI-6: whether successes and failures are to be answered; anything else wants none."""


def is_not_posted(code: str, path: str) -> bool:
    """Whether an issue of a master file says that an entry, or the list, was not applied."""
    return code in NOT_POSTED or _ENTRY.fullmatch(path) is not None


def acknowledge(content: bytes, processed: Processed, code: AckCode, *, accept: str = "") -> bytes:
    """The application acknowledgement of any message: of a master file that was read an MFK with
    what MFI-6 wants, of all else an ACK. Byte for byte the same each time."""
    header = read_header(content)
    if header is None or header.type != MASTER_FILE or processed.state != "processed":
        return application_ack(content, processed, code, accept=accept)
    try:
        message = lex(content, caps=None)
    except Rejected:
        return application_ack(content, processed, code, accept=accept)
    found = (_ENTRY.fullmatch(issue.path) for issue in processed.unapplied)
    failed = {int(match[1]) for match in found if match is not None}
    lines = answer(message, failed, processed.ended_at)
    tail = "".join(f"{line}\r" for line in lines).encode(message.codec)
    kind = b"MFK" if lines else b"ACK"
    return application_ack(content, processed, code, accept=accept, kind=kind) + tail


def answer(message: Message, failed: Collection[int], now: datetime) -> tuple[str, ...]:
    """The segments after MSA, in the sender's delimiters; empty where MFI-6 wants none.

    `failed` holds the positions of the MFE that could not be applied, from 1; `now` is aware. The
    texts are the sender's own, as sent.
    """
    mfi = message.segment("MFI")
    successes, failures = _WANTED.get((mfi.value("6") or "").upper(), (False, False))
    if not mfi or not (successes or failures):
        return ()
    mark = message.delimiters.field
    completed = now.strftime("%Y%m%d%H%M%S%z")
    lines = [mfi.text]
    for number, mfe in enumerate(message.all("MFE"), start=1):
        bad = number in failed
        if not (failures if bad else successes):
            continue
        fields = [mfe.raw(str(position)) or "" for position in (1, 2, 4, 5)]
        record, control, key, key_type = fields
        lines.append(
            mark.join(("MFA", record, control, completed, "U" if bad else "S", key, key_type))
        )
    return tuple(line.rstrip(mark) for line in lines)
