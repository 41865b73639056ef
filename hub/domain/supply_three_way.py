"""The three-way match of an invoice: ordered, received, invoiced; within tolerances, in words.

What is at stake is what would be paid too much if the invoice were paid as it is; credit notes that
name the invoice count against it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from hub.domain.supply import OrderToPlace
from hub.domain.supply_facts import WHOLE_ORDER, Fact, merge, packs_of

MatchState = Literal["waiting", "matched", "exception", "settled"]
FindingCode = Literal[
    "price",
    "more_than_ordered",
    "more_than_received",
    "line_not_ordered",
    "freight",
    "total",
    "currency",
]
NOTHING = Decimal("0.00")


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What is let through: `price_percent` of the ordered price per pack, and `total` of money for
    the whole invoice. Quantities have none."""

    price_percent: Decimal = Decimal("0.5")
    total: Decimal = Decimal("1.00")


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference; `line` 0 is the whole invoice. `at_stake` is negative in our favour."""

    code: FindingCode
    line: int
    at_stake: Decimal
    sentence: str


@dataclass(frozen=True, slots=True)
class InvoiceMatch:
    """The verdict on one invoice. WAITING: nothing is wrong and not everything is received yet.
    SETTLED: credit notes make up for what was at stake."""

    document: str
    state: MatchState
    total: Decimal
    credited: Decimal
    at_stake: Decimal
    findings: tuple[Finding, ...] = ()


def match_all(
    order: OrderToPlace, agreed_freight: Decimal, facts: Iterable[Fact], tolerance: Tolerance
) -> tuple[InvoiceMatch, ...]:
    """One verdict per invoice of the order, by document; earlier invoices have the first claim on
    what was ordered and received."""
    known = merge(facts)
    invoices = sorted(
        (f for f in known if f.kind == "invoiced" and f.line == WHOLE_ORDER),
        key=lambda fact: (fact.stated_at, fact.document),
    )
    before: dict[int, int] = {}
    freight = NOTHING
    found = []
    for header in invoices:
        match = _match(order, agreed_freight - freight, header, known, before, tolerance)
        freight += _amounts(header)["freight"]
        found.append(match)
    return tuple(found)


def _amounts(header: Fact) -> dict[str, Decimal]:
    return {entry.what: entry.amount or NOTHING for entry in header.entries}


def _worth(fact: Fact) -> Decimal:
    return sum(((e.amount or NOTHING) * (e.packs or 0) for e in fact.entries), NOTHING)


def _match(
    order: OrderToPlace,
    freight_left: Decimal,
    header: Fact,
    known: tuple[Fact, ...],
    before: dict[int, int],
    tolerance: Tolerance,
) -> InvoiceMatch:
    ordered = {line.number: line for line in order.lines}
    findings: list[Finding] = []
    goods, waiting = NOTHING, False
    for fact in known:
        if (fact.kind, fact.document) != ("invoiced", header.document) or fact.line == WHOLE_ORDER:
            continue
        packs = sum(entry.packs or 0 for entry in fact.entries)
        goods += _worth(fact)
        line = ordered.get(fact.line)
        if line is None:
            amount = _worth(fact)
            sentence = f"Line {fact.line} was not ordered; it makes {amount}."
            findings.append(Finding("line_not_ordered", fact.line, amount, sentence))
            continue
        findings += _prices(fact, line.price, tolerance)
        findings += _quantities(fact.line, line.price, line.packs, packs, before, known)
        before[fact.line] = before.get(fact.line, 0) + packs
        waiting = waiting or packs_of(known, "received", fact.line) < before[fact.line]
    amounts = _amounts(header)
    findings += _of_the_whole(order, header, amounts, goods, freight_left, tolerance)
    credited = sum(
        (
            entry.amount or NOTHING
            for fact in known
            if fact.kind == "credited" and fact.line == WHOLE_ORDER
            for entry in fact.entries
            if entry.note == header.document
        ),
        NOTHING,
    )
    at_stake = sum((finding.at_stake for finding in findings), NOTHING)
    state: MatchState = "waiting" if waiting else "matched"
    if findings:
        currency = any(finding.code == "currency" for finding in findings)
        settled = not currency and credited > 0 and credited >= at_stake
        state = "settled" if settled else "exception"
    return InvoiceMatch(
        header.document, state, amounts["total"], credited, at_stake, tuple(findings)
    )


def _prices(fact: Fact, price: Decimal, tolerance: Tolerance) -> list[Finding]:
    found = []
    for entry in fact.entries:
        stated, packs = entry.amount or NOTHING, entry.packs or 0
        if stated - price > price * tolerance.price_percent / 100:
            extra = (stated - price) * packs
            found.append(
                Finding(
                    "price",
                    fact.line,
                    extra,
                    f"Line {fact.line}: invoiced at {stated} a pack, ordered at {price}; {packs} "
                    f"packs make {extra} more.",
                )
            )
    return found


def _quantities(
    line: int,
    price: Decimal,
    ordered: int,
    packs: int,
    before: dict[int, int],
    known: tuple[Fact, ...],
) -> list[Finding]:
    """Too much against the order, else against the receipt where one of the line is known."""
    invoiced = before.get(line, 0) + packs
    if invoiced > ordered:
        extra = min(packs, invoiced - ordered) * price
        sentence = f"Line {line}: {invoiced} packs invoiced, {ordered} ordered."
        return [Finding("more_than_ordered", line, extra, sentence)]
    received = packs_of(known, "received", line)
    counted = any(fact.kind == "received" and fact.line == line for fact in known)
    if counted and invoiced > received:
        extra = min(packs, invoiced - received) * price
        sentence = f"Line {line}: {invoiced} packs invoiced, {received} received."
        return [Finding("more_than_received", line, extra, sentence)]
    return []


def _of_the_whole(
    order: OrderToPlace,
    header: Fact,
    amounts: dict[str, Decimal],
    goods: Decimal,
    freight_left: Decimal,
    tolerance: Tolerance,
) -> list[Finding]:
    found = []
    currency = next(entry.note for entry in header.entries if entry.what == "total")
    if currency != order.currency:
        sentence = f"The invoice is in {currency}, the order in {order.currency}."
        found.append(Finding("currency", 0, NOTHING, sentence))
    agreed = max(freight_left, NOTHING)
    if amounts["freight"] - agreed > tolerance.total:
        extra = amounts["freight"] - agreed
        sentence = f"Freight of {amounts['freight']} is invoiced, {agreed} was agreed."
        found.append(Finding("freight", 0, extra, sentence))
    parts = goods + amounts["freight"] + amounts["tax"] + amounts["other_charges"]
    if abs(amounts["total"] - parts) > tolerance.total:
        extra = amounts["total"] - parts
        sentence = f"The total is {amounts['total']}, its parts add up to {parts}."
        found.append(Finding("total", 0, extra, sentence))
    return found
