"""What the documents of a purchase order say, as facts keyed (kind, document, line).

Documents arrive in any order and more than once (810 before 856, the same 855 twice). A repeated
fact adds nothing, a corrected one (same key, stated later) replaces the earlier. Quantities are
packs of the ordered offer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from hub.domain.supply import (
    OrderAcknowledged,
    OrderCredited,
    OrderInvoiced,
    OrderShipped,
    OrderToPlace,
)

FactKind = Literal[
    "sent",
    "acknowledged",
    "shipped",
    "received",
    "invoiced",
    "credited",
    "cancelled",
]
WHOLE_ORDER = 0


@dataclass(frozen=True, slots=True)
class Entry:
    """One statement of a fact: `what` is an acknowledgement's line status, or the amount's name."""

    what: str
    packs: int | None = None
    amount: Decimal | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Fact:
    """What one document says of one line (`WHOLE_ORDER`: of the order).

    `stated_at` (aware) is when the sender stated it, not when it arrived; of two facts with one key
    the later stated holds.
    """

    kind: FactKind
    document: str
    line: int
    stated_at: datetime
    entries: tuple[Entry, ...] = ()

    @property
    def key(self) -> tuple[str, str, int]:
        return (self.kind, self.document, self.line)


def facts_sent(order: OrderToPlace, stated_at: datetime) -> tuple[Fact, ...]:
    """We handed the order over."""
    return (Fact("sent", order.number, WHOLE_ORDER, stated_at),)


def facts_acknowledged(document: OrderAcknowledged, stated_at: datetime) -> tuple[Fact, ...]:
    """The facts of an 855 or its JSON sibling; several entries of a line stay together."""
    by_line: dict[int, list[Entry]] = {}
    for line in document.lines:
        entry = Entry(line.status, line.packs, line.price, line.note)
        by_line.setdefault(line.number, []).append(entry)
    if document.silent_lines_accepted:
        by_line[WHOLE_ORDER] = [Entry("accepted")]
    return _facts("acknowledged", document.document, by_line, stated_at)


def facts_shipped(document: OrderShipped, stated_at: datetime) -> tuple[Fact, ...]:
    """The facts of an 856 or its JSON sibling; lots of one line add up."""
    by_line: dict[int, list[Entry]] = {}
    for line in document.lines:
        by_line.setdefault(line.number, []).append(Entry("shipped", line.packs, note=line.lot))
    return _facts("shipped", document.document, by_line, stated_at)


def facts_invoiced(document: OrderInvoiced, stated_at: datetime) -> tuple[Fact, ...]:
    """The facts of an 810 or its JSON sibling, with the totals as a fact of the whole order."""
    by_line: dict[int, list[Entry]] = {
        WHOLE_ORDER: [
            Entry("total", amount=document.total, note=document.currency),
            Entry("freight", amount=document.freight),
            Entry("tax", amount=document.tax),
            Entry("other_charges", amount=document.other_charges),
        ]
    }
    for line in document.lines:
        by_line.setdefault(line.number, []).append(Entry("invoiced", line.packs, line.price))
    return _facts("invoiced", document.document, by_line, stated_at)


def facts_credited(document: OrderCredited, stated_at: datetime) -> tuple[Fact, ...]:
    """The facts of a credit note; its total names the invoice it is for."""
    by_line: dict[int, list[Entry]] = {
        WHOLE_ORDER: [Entry("credit", amount=document.total, note=document.invoice)]
    }
    for line in document.lines:
        by_line.setdefault(line.number, []).append(Entry("credited", line.packs))
    return _facts("credited", document.document, by_line, stated_at)


def facts_received(
    document: str, packs: Mapping[int, int], stated_at: datetime
) -> tuple[Fact, ...]:
    """A practice counted `packs` per line number; `document` names the receipt."""
    by_line = {line: [Entry("received", count)] for line, count in packs.items()}
    return _facts("received", document, by_line, stated_at)


def facts_cancelled(
    document: str, packs: Mapping[int, int], stated_at: datetime
) -> tuple[Fact, ...]:
    """We withdrew `packs` per line number; `document` names the cancellation."""
    by_line = {line: [Entry("cancelled", count)] for line, count in packs.items()}
    return _facts("cancelled", document, by_line, stated_at)


def _facts(
    kind: FactKind, document: str, by_line: Mapping[int, list[Entry]], stated_at: datetime
) -> tuple[Fact, ...]:
    return tuple(
        Fact(kind, document, line, stated_at, tuple(entries)) for line, entries in by_line.items()
    )


def merge(facts: Iterable[Fact]) -> tuple[Fact, ...]:
    """One fact per key, the latest stated; the same for every order and repetition of `facts`.

    Equal times with different content cannot be ordered by the sender's clock; the comparison of
    the contents then decides, so that the choice does not depend on arrival.
    """
    latest: dict[tuple[str, str, int], Fact] = {}
    for fact in facts:
        known = latest.get(fact.key)
        if known is None or _precedence(fact) > _precedence(known):
            latest[fact.key] = fact
    return tuple(latest[key] for key in sorted(latest))


def _precedence(fact: Fact) -> tuple[datetime, str]:
    return (fact.stated_at, repr(fact.entries))


def packs_of(facts: Iterable[Fact], kind: FactKind, line: int) -> int:
    """The packs that merged `facts` of one kind add up to on a line."""
    return sum(
        entry.packs or 0
        for fact in facts
        if fact.kind == kind and fact.line == line
        for entry in fact.entries
    )


def freight_of(facts: Iterable[Fact]) -> Decimal:
    """What all invoices ask for freight and other charges, tax left out."""
    asked = (
        entry.amount or Decimal(0)
        for fact in merge(facts)
        if fact.kind == "invoiced" and fact.line == WHOLE_ORDER
        for entry in fact.entries
        if entry.what in {"freight", "other_charges"}
    )
    return sum(asked, Decimal("0.00"))


FACTS_OF: Mapping[type, Callable[..., tuple[Fact, ...]]] = {
    OrderAcknowledged: facts_acknowledged,
    OrderShipped: facts_shipped,
    OrderInvoiced: facts_invoiced,
    OrderCredited: facts_credited,
}
"""Record type to the function that reads its facts: ``FACTS_OF[type(data)](data, stated_at)``."""
