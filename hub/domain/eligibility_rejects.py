"""Why a payer refused an eligibility request, where, and whether to ask again (AAA segments).

Classes, texts and the element to fix follow X12 TR3 005010X279A1 (AAA segments of the 271) and CAQH
CORE 259, which asks for one message per condition naming the data element.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
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
_DELAYS: dict[Lane, tuple[timedelta, ...]] = {
    "desk": (timedelta(seconds=20), timedelta(seconds=25), timedelta(seconds=40)),
    "batch": tuple(timedelta(minutes=minutes) for minutes in (15, 30, 60, 120, 240, 480)),
}


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When to ask again without a person, counted from the answer before; none if `delays` is
    empty.

    `change` names what must differ: empty for the same request, ``npi`` for another provider,
    ``service_type_30`` for the general service type.
    """

    delays: tuple[timedelta, ...] = ()
    change: str = ""


def reject(loop: str, code: str, action: str, codes: Collection[str] = ()) -> Reject:
    """The `Reject` of one AAA segment.

    `loop` is the loop of the 271 it stands in, `codes` all AAA03 codes of the same answer (79
    beside 42 is the payer's trouble, not ours). An unknown code has class unknown.
    """
    row = CODES.get(code)
    if row is None:
        text = "The payer refused with a code outside the standard; ask the payer."
        return Reject(loop, code, action, "unknown", text)
    if code == "79" and "42" in codes:
        return Reject(loop, code, action, "payer_down", CODES["42"].meaning)
    return Reject(loop, code, action, row.klass, _text(row, loop))


def is_expected(code: str, loop: str) -> bool:
    """True where the implementation guide allows `code` in `loop` (2000A to 2110D)."""
    return code in _EXPECTED.get(loop[-1:], set())


def retry_policy(rejects: Sequence[Reject], lane: Lane) -> RetryPolicy:
    """What to repeat by itself: payer trouble always, routing 79 and service rejects once.

    Desk: three tries within 90 seconds. Batch: six over 16 hours. AAA04 W and X set the least wait.
    """
    if not rejects or any(item.action in _NO_RETRY for item in rejects):
        return RetryPolicy()
    klasses = {item.klass for item in rejects}
    waits = [_WAITS[item.action] for item in rejects if item.action in _WAITS]
    if klasses == {"payer_down"}:
        return RetryPolicy((max(waits),) if waits else _DELAYS[lane])
    once = (max(waits),) if waits else _DELAYS[lane][:1]
    if klasses == {"service"}:
        return RetryPolicy(once, "service_type_30")
    if {item.code for item in rejects} == {"79"}:
        return RetryPolicy(once, "npi")
    return RetryPolicy()


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
