"""Why a payer refused an eligibility request, where, and whether to ask again (AAA segments).

Classes, texts and the element to fix follow X12 TR3 005010X279A1 (AAA segments of the 271) and CAQH
CORE 259, which asks for one message per condition naming the data element.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Literal

from hub.domain.eligibility import Reject
from hub.domain.eligibility_codes import CODES, WHO_ACTS, Home, RejectCode

Lane = Literal["desk", "batch"]


# fmt: off
_PAYER = {"04", "41", "42", "79", "80", "T4"}
_PROVIDER = {"15", "41", "43", "44", "45", "46", "47", "48", "50", "51", "79", "97", "T4"}
_BOTH = _PROVIDER | {
    "33", "35", "42", "49", "52", "53", "54", "55", "56", "57", "58", "60", "61", "62", "63",
    "69", "70", "71", "98", "AA", "AE", "AF", "AG", "AO", "CI", "E8", "IA", "MA",
}
# fmt: on
_EXPECTED: dict[str, set[str]] = {
    "A": _PAYER,
    "B": _PROVIDER,
    "C": _BOTH | {"72", "73", "74", "75", "76", "78"},
    "D": _BOTH | {"64", "65", "66", "67", "68", "77"},
}

# AAA04: what the payer says about asking again, as the least wait. The others carry no time.
_WAITS = {"W": timedelta(days=30), "X": timedelta(days=10)}
_NO_RETRY = {"S", "Y"}  # passed on, do not resubmit; the payer will answer by itself
_FOLLOW_UP = {
    "S": " Do not ask again: the payer passed the question on.",
    "W": " Do not ask again within 30 days.",
    "X": " Do not ask again within 10 days.",
    "Y": " Do not ask again: the payer will answer by itself.",
}
"""What a person is told of AAA04 beside the remedy; the others let them ask once they did that."""
_DELAYS: dict[Lane, tuple[timedelta, ...]] = {
    "desk": (timedelta(seconds=20), timedelta(seconds=25), timedelta(seconds=40)),
    "batch": tuple(timedelta(minutes=minutes) for minutes in (15, 30, 60, 120, 240, 480)),
}


def reject(loop: str, code: str, action: str, codes: Collection[str] = ()) -> Reject:
    """The `Reject` of one AAA segment.

    `loop` is the loop of the 271 it stands in, `codes` all AAA03 codes of the same answer (79
    beside 42 is the payer's trouble, not ours). An unknown code has class unknown.
    """
    row = CODES.get(code)
    if row is None:
        text = "The payer refused with a code outside the standard; ask the payer."
        return Reject(loop, code, action, "unknown", text + _FOLLOW_UP.get(action, ""))
    text, klass = _text(row, loop), row.klass
    if code == "79" and "42" in codes:
        text, klass = CODES["42"].meaning, "payer_down"
    return Reject(loop, code, action, klass, text + _FOLLOW_UP.get(action, ""))


def is_expected(code: str, loop: str) -> bool:
    """True where the implementation guide allows `code` in `loop` (2000A to 2110D)."""
    return code in _EXPECTED.get(loop[-1:], set())


def retry_after(rejects: Sequence[Reject], lane: Lane, tries: int) -> timedelta | None:
    """How long to wait until the same question is asked again without a person, after so many
    tries; None: not at all.

    Only a payer in trouble is asked again: at the desk three times within 90 seconds, in a batch
    six times over 16 hours, once where AAA04 tells how long to wait, and never where it tells not
    to. The service type asked about is the general one already.
    """
    if {item.klass for item in rejects} != {"payer_down"}:
        return None
    if any(item.action in _NO_RETRY for item in rejects):
        return None
    waits = [_WAITS[item.action] for item in rejects if item.action in _WAITS]
    delays = (max(waits),) if waits else _DELAYS[lane]
    return delays[tries - 1] if tries <= len(delays) else None


def _text(row: RejectCode, loop: str) -> str:
    if not row.element:
        return f"{row.meaning} {row.remedy}"
    who = WHO_ACTS[row.klass].capitalize()
    remedy = row.remedy[0].lower() + row.remedy[1:]
    return f"{row.meaning} {who}: {remedy} ({_home_loop(row.home, loop)} {row.element})"


def _home_loop(home: Home, loop: str) -> str:
    person = "D" if loop.endswith("D") else "C"
    return {
        "payer": "2100A",
        "provider": "2100B",
        "person": f"2100{person}",
        "service": f"2110{person}",
    }[home]
