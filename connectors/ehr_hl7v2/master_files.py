"""What a master file's sender is owed: MFI and one MFA for each MFE (HL7 v2.5.1 §8.4.2 MFK)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from connectors.sdk.hl7v2.lexer import Message

_WANTED = {"AL": (True, True), "ER": (False, True), "SU": (True, False)}
"""By MFI-6: whether successes and failures are to be answered; anything else wants none."""


def answer(message: Message, failed: Collection[str], now: datetime) -> tuple[str, ...]:
    """The segments after MSA, in the sender's delimiters; empty where MFI-6 wants none.

    `failed` holds the keys (MFE-4) that could not be applied, `now` is aware. The texts are the
    sender's own, as sent.
    """
    mfi = message.segment("MFI")
    successes, failures = _WANTED.get((mfi.value("6") or "").upper(), (False, False))
    if not mfi or not (successes or failures):
        return ()
    mark = message.delimiters.field
    completed = now.strftime("%Y%m%d%H%M%S%z")
    lines = [mfi.text]
    for mfe in message.all("MFE"):
        bad = not mfe.value("4.1") or mfe.value("4.1") in failed
        if not (failures if bad else successes):
            continue
        fields = [mfe.raw(str(position)) or "" for position in (1, 2, 4, 5)]
        record, control, key, key_type = fields
        lines.append(
            mark.join(("MFA", record, control, completed, "U" if bad else "S", key, key_type))
        )
    return tuple(line.rstrip(mark) for line in lines)
