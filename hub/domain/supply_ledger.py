"""Line ledgers of a purchase order: what was accepted, shipped, received and invoiced per line.

Ledgers and statuses are derived from the set of facts alone (`supply_facts`), so the order in which
documents arrive and their repetition make no difference. Quantities are packs of the ordered offer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from hub.domain.supply import OrderToPlace
from hub.domain.supply_facts import WHOLE_ORDER, Entry, Fact, merge, packs_of
from hub.domain.supply_match import Difference, match_invoices

Status = Literal[
    "requested",
    "sent",
    "on_hold",
    "backordered",
    "rejected",
    "cancelled",
    "substituted",
    "accepted_with_changes",
    "accepted",
    "partially_shipped",
    "shipped",
    "received",
    "invoiced",
    "closed",
    "needs_review",
]


@dataclass(frozen=True, slots=True)
class LineLedger:
    """The quantities of one line, in packs, and the status they amount to."""

    number: int
    ordered: int
    accepted: int
    backordered: int
    rejected: int
    cancelled: int
    shipped: int
    received: int
    invoiced: int
    credited: int
    status: Status


@dataclass(frozen=True, slots=True)
class OrderLedger:
    status: Status
    lines: tuple[LineLedger, ...]
    differences: tuple[Difference, ...]
    unknown_lines: tuple[int, ...] = ()
    """Line numbers that documents speak of and the order does not have."""


def derive(order: OrderToPlace, facts: Iterable[Fact]) -> OrderLedger:
    """Ledgers, statuses and match of `order` from all facts known, in any order."""
    known = merge(facts)
    numbers = {line.number for line in order.lines}
    unknown = tuple(sorted({f.line for f in known if f.line} - numbers))
    lines = tuple(_line(line.number, line.packs, line.price, known) for line in order.lines)
    status = "needs_review" if unknown else order_status([line.status for line in lines])
    return OrderLedger(status, lines, match_invoices(order, known), unknown)


def _acknowledgement(facts: tuple[Fact, ...], line: int) -> tuple[Entry, ...]:
    """The latest word on a line: its own entries, or what a document says of lines not listed."""
    spoken = {f.document: f for f in facts if f.kind == "acknowledged" and f.line == line}
    silent = [
        Fact("acknowledged", f.document, line, f.stated_at, f.entries)
        for f in facts
        if f.kind == "acknowledged" and f.line == WHOLE_ORDER and f.document not in spoken
    ]
    candidates = [*spoken.values(), *silent]
    if not candidates:
        return ()
    return max(candidates, key=lambda f: (f.stated_at, f.document, repr(f.entries))).entries


def _line(number: int, ordered: int, price: Decimal, facts: tuple[Fact, ...]) -> LineLedger:
    entries = _acknowledgement(facts, number)
    acked = _acknowledged_packs(entries, ordered)
    cancelled = acked["cancelled"] + packs_of(facts, "cancelled", number)
    shipped, received, invoiced = (
        packs_of(facts, "shipped", number),
        packs_of(facts, "received", number),
        packs_of(facts, "invoiced", number),
    )
    credited = packs_of(facts, "credited", number)
    due = max(0, ordered - acked["rejected"] - cancelled)
    too_many = sum(acked.values()) > ordered or max(shipped, received, invoiced) > due
    if acked["unknown"] or too_many:
        status: Status = "needs_review"
    else:
        status = _moved(due, shipped, received + credited, invoiced) or _answered(
            entries, acked, cancelled, ordered, price
        )
    if not entries and status == "requested" and any(fact.kind == "sent" for fact in facts):
        status = "sent"
    return LineLedger(
        number=number,
        ordered=ordered,
        accepted=acked["accepted"],
        backordered=acked["backordered"],
        rejected=acked["rejected"],
        cancelled=cancelled,
        shipped=shipped,
        received=received,
        invoiced=invoiced,
        credited=credited,
        status=status,
    )


_COUNTED_AS: Mapping[str, str] = {
    "accepted": "accepted",
    "changed": "accepted",
    "substituted": "accepted",
    "backordered": "backordered",
    "rejected": "rejected",
    "cancelled": "cancelled",
    "on_hold": "on_hold",
}


def _acknowledged_packs(entries: tuple[Entry, ...], ordered: int) -> dict[str, int]:
    """Packs per answer. An entry without a quantity speaks of what the other entries leave."""
    packs = dict.fromkeys([*_COUNTED_AS.values(), "unknown"], 0)
    left = max(0, ordered - sum(entry.packs or 0 for entry in entries))
    for entry in entries:
        name = _COUNTED_AS.get(entry.what, "unknown")
        count = entry.packs
        if count is None or (count == 0 and name in {"rejected", "cancelled"}):
            count, left = left, 0
        packs[name] += max(count, 1) if name == "unknown" else count
    return packs


def _moved(due: int, shipped: int, received: int, invoiced: int) -> Status | None:
    """`received` counts packs that were credited too: nobody waits for them any more."""
    if due == 0:
        return None
    if invoiced >= due:
        return "closed" if received >= due else "invoiced"
    if received >= due:
        return "received"
    if max(shipped, received) > 0:
        return "shipped" if shipped >= due else "partially_shipped"
    return None


def _answered(
    entries: tuple[Entry, ...],
    acked: Mapping[str, int],
    cancelled: int,
    ordered: int,
    price: Decimal,
) -> Status:
    if cancelled >= ordered:
        return "cancelled"
    if not entries:
        return "requested"
    said = {entry.what for entry in entries}
    if acked["rejected"] >= ordered:
        return "rejected"
    if acked["rejected"] + cancelled >= ordered:
        return "cancelled"
    for status in _IF_SAID:
        if status in said:
            return status
    if acked["backordered"] and not acked["accepted"]:
        return "backordered"
    repriced = any(entry.amount not in (None, price) for entry in entries)
    if repriced or said != {"accepted"} or acked["accepted"] < ordered:
        return "accepted_with_changes"
    return "accepted"


_IF_SAID: tuple[Literal["on_hold", "substituted"], ...] = ("on_hold", "substituted")
_DEAD = {"rejected", "cancelled"}
_MOVING: tuple[Status, ...] = ("partially_shipped", "shipped", "received", "invoiced", "closed")
_WAITING: tuple[Status, ...] = ("requested", "sent", "on_hold")


def order_status(lines: Iterable[Status]) -> Status:
    """The status of an order from those of its lines.

    Rejected and cancelled lines do not hold up the others; the least advanced of the rest decides
    once everything moves, and a mixture of moving and waiting lines is partially shipped.
    """
    statuses = list(lines)
    if not statuses or "needs_review" in statuses:
        return "needs_review"
    if len(set(statuses)) == 1:
        return statuses[0]
    live = [status for status in statuses if status not in _DEAD]
    if not live:
        return "cancelled"
    if all(status in _MOVING for status in live):
        return min(live, key=_MOVING.index)
    if any(status in _MOVING for status in live):
        return "partially_shipped"
    for status in _WAITING:
        if status in live:
            return status
    return (
        live[0] if len(set(live)) == 1 and len(live) == len(statuses) else "accepted_with_changes"
    )
