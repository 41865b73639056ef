"""The three-way match: what is let through, what is an exception, and its words."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from hub.domain.supply import (
    CreditLine,
    InvoiceLine,
    OrderCredited,
    OrderInvoiced,
    OrderLine,
    OrderToPlace,
    ShipTo,
)
from hub.domain.supply_facts import Fact, facts_credited, facts_invoiced, facts_received
from hub.domain.supply_three_way import InvoiceMatch, Tolerance, match_all

NOW = datetime(2026, 3, 2, tzinfo=UTC)
ORDER = OrderToPlace(
    "PO-1",
    date(2026, 3, 1),
    ShipTo("", "", "", "", "", ""),
    (
        OrderLine(1, "A", "", 10, "BX", Decimal("9.50")),
        OrderLine(2, "B", "", 4, "BX", Decimal("20.00")),
    ),
)
ALL_RECEIVED = facts_received("R-1", {1: 10, 2: 4}, NOW)


def invoice(
    lines: tuple[InvoiceLine, ...],
    total: str,
    document: str = "I-1",
    freight: str = "0.00",
    currency: str = "USD",
) -> tuple[Fact, ...]:
    stated = OrderInvoiced(
        "PO-1",
        document,
        date(2026, 3, 4),
        lines,
        Decimal(total),
        Decimal(freight),
        currency=currency,
    )
    return facts_invoiced(stated, NOW)


def line(number: int, packs: int, price: str) -> InvoiceLine:
    return InvoiceLine(number, packs, Decimal(price))


def one(*facts: Fact, freight: str = "0.00") -> InvoiceMatch:
    [match] = match_all(ORDER, Decimal(freight), facts, Tolerance())
    return match


GOOD = (line(1, 10, "9.50"), line(2, 4, "20.00"))


def test_an_invoice_of_what_was_ordered_and_received_matches() -> None:
    match = one(*invoice(GOOD, "175.00"), *ALL_RECEIVED)
    assert (match.state, match.findings, match.at_stake) == ("matched", (), Decimal("0.00"))


def test_without_a_receipt_it_waits() -> None:
    assert one(*invoice(GOOD, "175.00")).state == "waiting"
    part = facts_received("R-1", {1: 10}, NOW)
    assert one(*invoice(GOOD, "175.00"), *part).state == "waiting"


@pytest.mark.parametrize(
    ("price", "state"), [("9.54", "matched"), ("9.00", "matched"), ("9.55", "exception")]
)
def test_half_a_percent_of_the_price_is_let_through_and_a_lower_one_always(
    price: str, state: str
) -> None:
    lines = (line(1, 10, price), GOOD[1])
    total = str(Decimal(price) * 10 + 80)
    assert one(*invoice(lines, total), *ALL_RECEIVED).state == state


def test_each_difference_has_its_sentence_and_what_is_at_stake() -> None:
    lines = (line(1, 12, "10.00"), line(2, 4, "20.00"), line(7, 1, "3.00"))
    received = facts_received("R-1", {1: 12, 2: 3}, NOW)
    match = one(*invoice(lines, "230.00", freight="15.00", currency="CAD"), *received)
    assert {finding.code: finding.sentence for finding in match.findings} == {
        "price": "Line 1: invoiced at 10.00 a pack, ordered at 9.50; 12 packs make 6.00 more.",
        "more_than_ordered": "Line 1: 12 packs invoiced, 10 ordered.",
        "more_than_received": "Line 2: 4 packs invoiced, 3 received.",
        "line_not_ordered": "Line 7 was not ordered; it makes 3.00.",
        "freight": "Freight of 15.00 is invoiced, 0.00 was agreed.",
        "total": "The total is 230.00, its parts add up to 218.00.",
        "currency": "The invoice is in CAD, the order in USD.",
    }
    assert match.at_stake == Decimal("6.00") + 19 + 20 + 3 + 15 + 12
    assert match.state == "exception"


def test_of_two_invoices_the_second_answers_for_what_is_too_much() -> None:
    first = invoice((line(1, 8, "9.50"),), "76.00", "I-1")
    second = invoice((line(1, 5, "9.50"),), "47.50", "I-2")
    matches = match_all(ORDER, Decimal(0), (*second, *first, *ALL_RECEIVED), Tolerance())
    assert [(m.document, m.state, m.at_stake) for m in matches] == [
        ("I-1", "matched", Decimal("0.00")),
        ("I-2", "exception", Decimal("28.50")),
    ]


def test_agreed_freight_is_agreed_once() -> None:
    first = invoice((line(1, 5, "9.50"),), "62.50", "I-1", freight="15.00")
    second = invoice((line(1, 5, "9.50"),), "62.50", "I-2", freight="15.00")
    matches = match_all(ORDER, Decimal("15.00"), (*first, *second, *ALL_RECEIVED), Tolerance())
    assert [match.state for match in matches] == ["matched", "exception"]


@pytest.mark.parametrize(
    ("credit", "state"), [("9.49", "exception"), ("9.50", "settled"), ("20.00", "settled")]
)
def test_a_credit_note_settles_what_was_at_stake(credit: str, state: str) -> None:
    received = facts_received("R-1", {1: 9, 2: 4}, NOW)
    note = OrderCredited(
        "PO-1", "C-1", "I-1", date(2026, 3, 5), (CreditLine(1, 1),), Decimal(credit)
    )
    match = one(*invoice(GOOD, "175.00"), *received, *facts_credited(note, NOW))
    assert (match.state, match.credited) == (state, Decimal(credit))
