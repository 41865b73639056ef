"""Rules of eligibility checks: identity of a request, outcome, slots, freshness, what is due.

Pure: clocks, zones and keys are passed in. Sources: X12 TR3 005010X279A1 §1.4 and the 271's EB
segment; CAQH CORE 154 and 260 for base and remaining amounts.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal

from hub.domain.eligibility import (
    Benefit,
    EligibilityQuery,
    EligibilityResult,
    Outcome,
    Reject,
)
from hub.domain.records import Issue

ACTIVE_STATUSES = frozenset({"1", "2", "3", "4", "5"})
INACTIVE_STATUSES = frozenset({"6", "7", "8"})

ACTIVE_TTL = timedelta(hours=24)
INACTIVE_TTL = timedelta(hours=4)
DUE_UNTIL = timedelta(hours=72)
MONTH_REFRESH = time(3, 0)

_CENT = Decimal("0.01")
_TOTAL, _USED, _REMAINING = ("22", "23", "25"), "24", "29"
_SLOT_KINDS = frozenset({"C", "G"})  # deductible, out-of-pocket maximum
_FOREVER = datetime.max.replace(tzinfo=UTC)


def fingerprint(key: bytes, practice_id: str, query: EligibilityQuery) -> str:
    """Keyed identity of a question, as 64 hex digits: HMAC-SHA-256.

    Covers practice, payer, provider, the member's keys, service date and service types; not the
    trace, the control number or the time, so a repeated question has the same fingerprint. Keyed,
    because a plain hash of names and birth dates can be guessed; the practice is part of it, so
    that nothing is shared between practices.
    """
    parts = [
        practice_id,
        query.payer_id,
        query.provider_npi,
        _folded(query.member_id),
        _folded(query.subscriber_family),
        _folded(query.subscriber_given),
        _day(query.subscriber_birth_date),
        query.relationship,
        _folded(query.patient_family),
        _folded(query.patient_given),
        _day(query.patient_birth_date),
        _day(query.service_date),
        *sorted(set(query.service_types)),
    ]
    return hmac.new(key, json.dumps(parts).encode(), hashlib.sha256).hexdigest()


def outcome_of(
    benefits: Iterable[Benefit],
    rejects: Sequence[Reject],
    *,
    service_types: Sequence[str] = ("30",),
    service_date: date | None = None,
    coverage: tuple[date | None, date | None] = (None, None),
) -> Outcome:
    """What an answer means for the service types asked (30 always counts).

    A reject of payer, provider or person refuses the whole answer; a reject of one service only
    where no status answers it. Active needs a status 1 to 5 and a service date inside the coverage
    dates; inactive a status 6 to 8 and no active one; anything else is unknown, and never "no
    coverage".
    """
    wanted = {"30", *service_types}
    statuses = {
        benefit.kind
        for benefit in benefits
        if wanted & set(benefit.service_types) or not (benefit.service_types or benefit.procedure)
    }
    active, inactive = statuses & ACTIVE_STATUSES, statuses & INACTIVE_STATUSES
    whole = any(not item.loop.startswith("2110") for item in rejects)
    if whole or (rejects and not active and not inactive):
        return "rejected"
    if active:
        return "active" if _inside(service_date, coverage) else "unknown"
    return "inactive" if inactive else "unknown"


def reconcile_amounts(
    benefits: Sequence[Benefit],
) -> tuple[tuple[Benefit, ...], tuple[Issue, ...]]:
    """Complete deductible and out-of-pocket slots: total = used + remaining.

    Slots are per kind, level, network, service types, plan and messages. With two of the three
    known the third is added, marked derived; three that disagree by more than a cent are all kept
    and reported. Lifetime amounts (32, 33) and ambiguous slots are left alone.
    """
    slots: dict[tuple[object, ...], dict[str, list[Benefit]]] = {}
    for benefit in benefits:
        place = "total" if benefit.period in _TOTAL else _PLACES.get(benefit.period)
        if benefit.kind in _SLOT_KINDS and benefit.amount is not None and place:
            slots.setdefault(_slot(benefit), {}).setdefault(place, []).append(benefit)
    derived: list[Benefit] = []
    issues: list[Issue] = []
    for slot in slots.values():
        if any(len(found) > 1 for found in slot.values()):
            continue
        known = {place: found[0].amount or Decimal(0) for place, found in slot.items()}
        if len(known) == 3:
            if abs(known["total"] - known["used"] - known["remaining"]) > _CENT:
                text = "Total, used and remaining of one amount disagree; all three are kept."
                issues.append(Issue("amounts_disagree", "2110 EB-07", text))
        elif len(known) == 2:
            derived += _third(next(iter(slot.values()))[0], known)
    return (*benefits, *derived), tuple(issues)


def fresh_until(result: EligibilityResult, answered_at: datetime, zone: tzinfo) -> datetime | None:
    """Until when an answer may be shown instead of asking again; None if it must not be.

    Active: 24 hours and never past the end of the calendar month in the practice's `zone`.
    Inactive: 4 hours. A reject of our data: until the inputs change, thus another fingerprint. A
    payer in trouble or an unknown outcome is never reused.
    """
    if result.outcome == "active":
        return min(answered_at + ACTIVE_TTL, _next_month(answered_at, zone))
    if result.outcome == "inactive":
        return answered_at + INACTIVE_TTL
    klasses = {item.klass for item in result.rejects}
    if result.outcome == "rejected" and not klasses & {"payer_down", "unknown"}:
        return _FOREVER
    return None


def month_refresh_due(last_checked_at: datetime, now: datetime, zone: tzinfo) -> bool:
    """True from 03:00 local on the first of a month for answers of an earlier month."""
    first = now.astimezone(zone).date().replace(day=1)
    refresh_at = datetime.combine(first, MONTH_REFRESH, zone)
    month_start = datetime.combine(first, time(0), zone)
    return now >= refresh_at and last_checked_at < month_start


_PLACES = {_USED: "used", _REMAINING: "remaining"}


def _slot(benefit: Benefit) -> tuple[object, ...]:
    return (
        benefit.kind,
        benefit.level,
        benefit.network,
        benefit.service_types,
        benefit.insurance_type,
        benefit.plan_name,
        benefit.messages,
    )


def _third(model: Benefit, known: dict[str, Decimal]) -> list[Benefit]:
    if "total" not in known:
        period, amount = "23", known["used"] + known["remaining"]
    elif "used" not in known:
        period, amount = _USED, known["total"] - known["remaining"]
    else:
        period, amount = _REMAINING, known["total"] - known["used"]
    return [replace(model, period=period, amount=amount, derived=True)] if amount >= 0 else []


def _inside(day: date | None, coverage: tuple[date | None, date | None]) -> bool:
    starts, ends = coverage
    return day is None or ((starts is None or starts <= day) and (ends is None or day <= ends))


def _next_month(moment: datetime, zone: tzinfo) -> datetime:
    first = moment.astimezone(zone).date().replace(day=1)
    following = (first + timedelta(days=32)).replace(day=1)
    return datetime.combine(following, time(0), zone)


def _folded(value: str) -> str:
    return " ".join(value.upper().split())


def _day(value: date | None) -> str:
    return value.isoformat() if value else ""
