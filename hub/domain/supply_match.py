"""Three-way match of an order's invoices: ordered, shipped or received, invoiced."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from hub.domain.supply import OrderToPlace
from hub.domain.supply_facts import WHOLE_ORDER, Fact, merge, packs_of


@dataclass(frozen=True, slots=True)
class Difference:
    """A finding of the three-way match: order against shipment or receipt against invoice.

    `line` is 0 where it concerns the whole invoice. `expected` and `stated` are packs or money.
    """

    code: Literal[
        "price_difference",
        "invoiced_more_than_ordered",
        "invoiced_more_than_shipped",
        "line_not_ordered",
        "total_difference",
        "currency_difference",
    ]
    document: str
    line: int
    expected: str
    stated: str


def match_invoices(order: OrderToPlace, facts: Iterable[Fact]) -> tuple[Difference, ...]:
    """Compare every invoice with what was ordered and what is known to have been shipped.

    Shipped quantities are compared only where a shipment or receipt of the line is known, so an
    invoice that overtakes its shipment is no difference. The expected price is the ordered one.
    """
    known = merge(facts)
    found: list[Difference] = []
    prices = {line.number: line.price for line in order.lines}
    for fact in known:
        if fact.kind != "invoiced":
            continue
        if fact.line == WHOLE_ORDER:
            found += _total_differences(order, fact, known)
        elif fact.line not in prices:
            found.append(Difference("line_not_ordered", fact.document, fact.line, "0", "1"))
        else:
            found += _price_differences(fact, prices[fact.line])
    for line in order.lines:
        found += _quantity_differences(line.number, line.packs, known)
    return tuple(found)


def _price_differences(fact: Fact, price: Decimal) -> list[Difference]:
    return [
        Difference("price_difference", fact.document, fact.line, str(price), str(entry.amount))
        for entry in fact.entries
        if entry.amount != price
    ]


def _quantity_differences(number: int, ordered: int, facts: tuple[Fact, ...]) -> list[Difference]:
    invoiced = packs_of(facts, "invoiced", number)
    moved = max(packs_of(facts, "shipped", number), packs_of(facts, "received", number))
    documents = [f.document for f in facts if f.kind == "invoiced" and f.line == number]
    document = documents[-1] if documents else ""
    found = []
    if invoiced > ordered:
        found.append(
            Difference("invoiced_more_than_ordered", document, number, str(ordered), str(invoiced))
        )
    if 0 < moved < invoiced:
        found.append(
            Difference("invoiced_more_than_shipped", document, number, str(moved), str(invoiced))
        )
    return found


def _total_differences(
    order: OrderToPlace, header: Fact, facts: tuple[Fact, ...]
) -> list[Difference]:
    amounts = {entry.what: entry.amount or Decimal(0) for entry in header.entries}
    goods = sum(
        (
            (entry.amount or Decimal(0)) * (entry.packs or 0)
            for fact in facts
            if fact.kind == "invoiced" and fact.document == header.document and fact.line
            for entry in fact.entries
        ),
        Decimal(0),
    )
    expected = goods + sum(amounts[name] for name in ("freight", "tax", "other_charges"))
    found = []
    if expected != amounts["total"]:
        found.append(
            Difference("total_difference", header.document, 0, str(expected), str(amounts["total"]))
        )
    currency = next(entry.note for entry in header.entries if entry.what == "total")
    if currency != order.currency:
        found.append(
            Difference("currency_difference", header.document, 0, order.currency, currency)
        )
    return found
