"""EB, DTP, MSG, III and 2120 NM1 of a 271 (X12 TR3 005010X279A1) to canonical benefits; pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation

from connectors.sdk.x12 import Segment
from hub.domain.decimals import is_storable
from hub.domain.eligibility import Benefit
from hub.domain.records import Issue

DateRange = tuple[str, date, date | None]

KINDS = frozenset([*"12345678ABCDEFGHIJKLMNOPQRSTUVWXY", "CB", "MC"])
STATUS_KINDS = frozenset("12345678")

_NETWORKS = frozenset({"Y", "N", "W"})
_OPEN_END = "99991231"
_SENTINEL = Decimal("99999.99")  # "no maximum" in the systems of some payers

# Qualifiers of dates that bound coverage, the most telling first; any of them may bring a range.
_BEGINS = ("346", "356", "348", "307", "291")
_ENDS = ("347", "357", "349")


@dataclass(slots=True)
class BenefitDraft:
    """One EB with the segments that follow it, until the next EB."""

    segment: Segment
    messages: list[str] = field(default_factory=list)
    dates: list[DateRange] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    entities: list[str] = field(default_factory=list)


def benefit(draft: BenefitDraft, loop: str, issues: list[Issue]) -> Benefit:
    """The canonical benefit; what looks wrong is added to `issues` under `loop`."""
    segment = draft.segment
    kind = segment.get(1)
    if kind not in KINDS:
        text = "The benefit's kind is outside the standard; it is kept as sent."
        issues.append(Issue("unknown_code", f"{loop} EB-01", text))
    amount = _decimal(segment, 7, loop, issues)
    if amount == _SENTINEL:
        issues.append(Issue("sentinel_amount", f"{loop} EB-07", "99999.99 means no limit."))
        amount = None
    network = segment.get(12)
    return Benefit(
        kind=kind,
        level=segment.get(2),
        service_types=segment.repeats(3),
        insurance_type=segment.get(4),
        plan_name=segment.get(5),
        period=segment.get(6),
        amount=amount,
        percent=_percent(segment, loop, issues),
        quantity_qualifier=segment.get(9),
        quantity=_decimal(segment, 10, loop, issues),
        auth_required=segment.get(11),
        network=network if network in _NETWORKS else "U",
        messages=tuple(draft.messages),
        dates=tuple(draft.dates),
        procedure=":".join(segment.components(13)),
        places=tuple(draft.places),
        entities=tuple(draft.entities),
    )


def date_range(segment: Segment, loop: str, issues: list[Issue]) -> DateRange | None:
    """DTP as (qualifier, from, to); D8 or RD8, an end of 99991231 is open; None with an issue."""
    first, _, last = segment.get(3).partition("-")
    begins = _day(first)
    if begins is None or (last and last != _OPEN_END and _day(last) is None):
        text = "The date is not YYYYMMDD or YYYYMMDD-YYYYMMDD and was left out."
        issues.append(Issue("date", f"{loop} DTP-03", text))
        return None
    return segment.get(1), begins, None if last in {"", _OPEN_END} else _day(last)


def coverage_dates(
    ranges: Iterable[DateRange], service_date: date | None
) -> tuple[date | None, date | None]:
    """First and last day of coverage from the DTPs of one loop, inclusive; None is open or unsaid.

    An end of 99991231 is open. A single 291 (plan) on the service date itself is the echo of our
    question, not a begin.
    """
    by_qualifier = {qualifier: (begins, ends) for qualifier, begins, ends in ranges}
    begins = ends = None
    for qualifier in _BEGINS:
        found = by_qualifier.get(qualifier)
        if found and not (qualifier == "291" and found == (service_date, None)):
            begins, ends = found
            break
    for qualifier in _ENDS:
        if qualifier in by_qualifier:
            ends = by_qualifier[qualifier][0]
            break
    return begins, None if ends == date.max else ends


def plan_of(benefits: Sequence[Benefit], service_types: Sequence[str]) -> tuple[str, str]:
    """Plan name and insurance type: from the status of the service types asked, else any status."""
    wanted = {"30", *service_types}
    statuses = [item for item in benefits if item.kind in STATUS_KINDS]
    statuses.sort(key=lambda item: bool(item.service_types) and not wanted & {*item.service_types})
    name = next((item.plan_name for item in statuses if item.plan_name), "")
    insurance_type = next((item.insurance_type for item in statuses if item.insurance_type), "")
    return name, insurance_type


def _percent(segment: Segment, loop: str, issues: list[Issue]) -> Decimal | None:
    value = _decimal(segment, 8, loop, issues)
    if value is not None and value > 1:
        text = "The patient's share is above 1 and was read as a percentage."
        issues.append(Issue("percent", f"{loop} EB-08", text))
        return value / 100
    return value


def _decimal(segment: Segment, number: int, loop: str, issues: list[Issue]) -> Decimal | None:
    text = segment.get(number)
    if not text:
        return None
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not is_storable(value):
        issues.append(Issue("number", f"{loop} EB-{number:02d}", "The value is not a number."))
        return None
    return value


def _day(value: str) -> date | None:
    if len(value) != 8 or not value.isascii() or not value.isdigit():
        return None
    try:
        return date(int(value[:4]), int(value[4:6]), int(value[6:]))
    except ValueError:
        return None
