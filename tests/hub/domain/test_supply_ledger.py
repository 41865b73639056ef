"""Ledgers: the same facts in any order and number give the same status."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.domain.supply import (
    AckLine,
    InvoiceLine,
    LineStatus,
    OrderAcknowledged,
    OrderInvoiced,
    OrderLine,
    OrderShipped,
    OrderToPlace,
    ShipmentLine,
    ShipTo,
)
from hub.domain.supply_facts import (
    FACTS_OF,
    Fact,
    facts_cancelled,
    facts_received,
    facts_sent,
    merge,
)
from hub.domain.supply_ledger import OrderLedger, Status, derive, order_status

T0 = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
PRICE = Decimal("5.00")


def order(*packs: int) -> OrderToPlace:
    lines = tuple(
        OrderLine(number, f"V-{number}", "00614141999996", count, "BX", PRICE)
        for number, count in enumerate(packs, start=1)
    )
    ship_to = ShipTo("A1", "Clinic", "1 Main St", "Springfield", "IL", "62701")
    return OrderToPlace("PO-1", date(2026, 3, 2), ship_to, lines)


def later(minutes: int) -> datetime:
    return T0 + timedelta(minutes=minutes)


def ack(*lines: AckLine, document: str = "855-1", at: int = 1, silent: bool = False) -> list[Fact]:
    data = OrderAcknowledged("PO-1", document, lines, silent)
    return list(FACTS_OF[OrderAcknowledged](data, later(at)))


def shipped(*lines: tuple[int, int], document: str = "S-1", at: int = 2) -> list[Fact]:
    data = OrderShipped("PO-1", document, tuple(ShipmentLine(n, packs) for n, packs in lines))
    return list(FACTS_OF[OrderShipped](data, later(at)))


def invoiced(
    *lines: tuple[int, int],
    price: Decimal = PRICE,
    document: str = "I-1",
    at: int = 3,
    extra: str = "0.00",
    currency: str = "USD",
) -> list[Fact]:
    goods = sum((price * packs for _, packs in lines), Decimal("0.00"))
    data = OrderInvoiced(
        "PO-1",
        document,
        date(2026, 3, 3),
        tuple(InvoiceLine(n, packs, price) for n, packs in lines),
        goods + Decimal("12.50") + Decimal(extra),
        freight=Decimal("12.50"),
        currency=currency,
    )
    return list(FACTS_OF[OrderInvoiced](data, later(at)))


def status_of(facts: list[Fact], packs: int = 10) -> Status:
    return derive(order(packs), facts).lines[0].status


def test_without_facts_an_order_is_requested_then_sent() -> None:
    placed = order(10)
    sent = list(facts_sent(placed, T0))
    assert derive(placed, []).status == "requested"
    assert derive(placed, sent).status == "sent"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([AckLine(1, "accepted", 10, PRICE)], "accepted"),
        ([AckLine(1, "accepted")], "accepted"),
        ([AckLine(1, "accepted", 10, Decimal("5.10"))], "accepted_with_changes"),
        ([AckLine(1, "changed", 10)], "accepted_with_changes"),
        ([AckLine(1, "accepted", 6), AckLine(1, "backordered", 4)], "accepted_with_changes"),
        ([AckLine(1, "accepted", 6), AckLine(1, "backordered")], "accepted_with_changes"),
        ([AckLine(1, "backordered", 10)], "backordered"),
        ([AckLine(1, "rejected", 10)], "rejected"),
        ([AckLine(1, "rejected", 0)], "rejected"),
        ([AckLine(1, "cancelled")], "cancelled"),
        ([AckLine(1, "substituted", 10)], "substituted"),
        ([AckLine(1, "on_hold", 10)], "on_hold"),
        ([AckLine(1, "unknown", 10)], "needs_review"),
        ([AckLine(1, "accepted", 11)], "needs_review"),
        ([AckLine(1, "accepted", 8), AckLine(1, "backordered", 4)], "needs_review"),
    ],
)
def test_an_acknowledgement_decides_the_status(lines: list[AckLine], expected: str) -> None:
    assert status_of(ack(*lines)) == expected


def test_silence_is_acceptance_only_where_the_vendor_lists_exceptions() -> None:
    exception = AckLine(2, "backordered", 5)
    spoken = derive(order(10, 5), ack(exception, silent=True))
    assert [line.status for line in spoken.lines] == ["accepted", "backordered"]
    silent = derive(order(10, 5), ack(exception))
    assert [line.status for line in silent.lines] == ["requested", "backordered"]


def test_the_later_acknowledgement_of_a_line_replaces_the_earlier() -> None:
    first = ack(AckLine(1, "backordered", 10), document="855-1", at=1)
    second = ack(AckLine(1, "accepted", 10), document="855-2", at=5)
    assert status_of([*first, *second]) == status_of([*second, *first]) == "accepted"


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (shipped((1, 4)), "partially_shipped"),
        (shipped((1, 4), (1, 6)), "shipped"),
        ([*shipped((1, 4)), *shipped((1, 6), document="S-2")], "shipped"),
        (
            [*ack(AckLine(1, "accepted", 6), AckLine(1, "cancelled", 4)), *shipped((1, 6))],
            "shipped",
        ),
        ([*facts_cancelled("C-1", {1: 4}, T0), *shipped((1, 6))], "shipped"),
        ([*shipped((1, 10)), *facts_received("R-1", {1: 10}, T0)], "received"),
        ([*shipped((1, 10)), *invoiced((1, 10))], "invoiced"),
        (invoiced((1, 10)), "invoiced"),
        ([*invoiced((1, 10)), *facts_received("R-1", {1: 10}, T0)], "closed"),
        (shipped((1, 11)), "needs_review"),
        (invoiced((1, 11)), "needs_review"),
        ([*ack(AckLine(1, "rejected", 10)), *shipped((1, 10))], "needs_review"),
        (list(facts_cancelled("C-1", {1: 10}, T0)), "cancelled"),
    ],
)
def test_goods_and_invoices_move_the_line_on(facts: list[Fact], expected: str) -> None:
    assert status_of(facts) == expected


def test_a_repeated_document_adds_nothing_and_a_correction_replaces() -> None:
    once = derive(order(10), shipped((1, 4)))
    assert derive(order(10), shipped((1, 4)) * 3) == once
    corrected = derive(order(10), [*shipped((1, 9), at=9), *shipped((1, 4))])
    assert corrected.lines[0].shipped == 9


def test_a_line_we_never_ordered_asks_for_review() -> None:
    ledger = derive(order(10), [*ack(AckLine(1, "accepted", 10)), *invoiced((1, 10), (7, 1))])
    assert (ledger.status, ledger.unknown_lines) == ("needs_review", (7,))
    assert "line_not_ordered" in [difference.code for difference in ledger.differences]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["accepted", "accepted"], "accepted"),
        (["accepted", "rejected"], "accepted_with_changes"),
        (["accepted", "backordered"], "accepted_with_changes"),
        (["rejected", "rejected"], "rejected"),
        (["rejected", "cancelled"], "cancelled"),
        (["shipped", "rejected"], "shipped"),
        (["shipped", "invoiced"], "shipped"),
        (["invoiced", "closed"], "invoiced"),
        (["shipped", "backordered"], "partially_shipped"),
        (["sent", "accepted"], "sent"),
        (["on_hold", "accepted"], "on_hold"),
        (["closed", "needs_review"], "needs_review"),
        ([], "needs_review"),
    ],
)
def test_the_lines_decide_the_order(lines: list[Status], expected: str) -> None:
    assert order_status(lines) == expected
    assert order_status(reversed(lines)) == expected


def codes(ledger: OrderLedger) -> list[str]:
    return [difference.code for difference in ledger.differences]


def test_a_matching_invoice_has_no_differences() -> None:
    assert codes(derive(order(10), [*shipped((1, 10)), *invoiced((1, 10))])) == []


def test_an_invoice_that_overtakes_its_shipment_is_no_difference() -> None:
    assert codes(derive(order(10), invoiced((1, 10)))) == []


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (invoiced((1, 10), price=Decimal("5.01")), "price_difference"),
        (invoiced((1, 12)), "invoiced_more_than_ordered"),
        ([*shipped((1, 4)), *invoiced((1, 10))], "invoiced_more_than_shipped"),
        (invoiced((1, 10), extra="0.01"), "total_difference"),
        (invoiced((1, 10), currency="CAD"), "currency_difference"),
    ],
)
def test_differences_are_named(facts: list[Fact], expected: str) -> None:
    assert codes(derive(order(10), facts)) == [expected]


def test_a_difference_states_both_sides() -> None:
    (difference,) = derive(order(10), invoiced((1, 10), price=Decimal("5.01"))).differences
    assert (difference.line, difference.expected, difference.stated) == (1, "5.00", "5.01")


statuses: list[LineStatus] = [
    "accepted", "changed", "backordered", "rejected", "substituted", "on_hold", "cancelled",
]  # fmt: skip
documents = st.lists(
    st.one_of(
        st.builds(
            lambda document, line, status, packs, at, silent: ack(
                AckLine(line, status, packs), document=document, at=at, silent=silent
            ),
            st.sampled_from(["855-1", "855-2"]),
            st.integers(1, 3),
            st.sampled_from(statuses),
            st.none() | st.integers(0, 12),
            st.integers(0, 3),
            st.booleans(),
        ),
        st.builds(
            lambda document, line, packs, at: shipped((line, packs), document=document, at=at),
            st.sampled_from(["S-1", "S-2"]),
            st.integers(1, 3),
            st.integers(0, 12),
            st.integers(0, 3),
        ),
        st.builds(
            lambda document, line, packs, at: invoiced((line, packs), document=document, at=at),
            st.sampled_from(["I-1", "I-2"]),
            st.integers(1, 3),
            st.integers(0, 12),
            st.integers(0, 3),
        ),
    ),
    max_size=8,
)


@settings(max_examples=150, deadline=None)
@given(documents=documents, data=st.data())
def test_any_arrival_order_and_repetition_gives_the_same_ledger(
    documents: list[list[Fact]], data: st.DataObject
) -> None:
    facts = [fact for document in documents for fact in document]
    arrived = data.draw(st.permutations(facts + facts[: len(facts) // 2]))
    expected = derive(order(10, 5), facts)
    assert derive(order(10, 5), arrived) == expected
    half = merge(arrived[: len(arrived) // 2])  # keeping only merged facts loses nothing
    assert derive(order(10, 5), [*half, *arrived[len(arrived) // 2 :]]) == expected
