"""Order events: once each, in any order, from the supplier of the order and nobody else."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest

from hub.domain.agreements import practice_scope, unrestricted_scope
from hub.domain.supply import (
    AckLine,
    InvoiceLine,
    OrderAcknowledged,
    OrderInvoiced,
    OrderShipped,
    ShipmentLine,
)
from hub.services.orders import refresh_ledger
from hub.storage import orders as store
from hub.storage import tables

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
PRICE = Decimal("9.50")
ACK = OrderAcknowledged("PO-1", "A1", (AckLine(1, "accepted", 4), AckLine(2, "backordered", 2)))
SHIPPED = OrderShipped("PO-1", "S1", (ShipmentLine(1, 4, lot="L1"),))
REST = OrderShipped("PO-1", "S2", (ShipmentLine(2, 2),))
INVOICE = OrderInvoiced(
    "PO-1", "I1", date(2026, 3, 4), (InvoiceLine(1, 4, PRICE),), Decimal("43.00"), Decimal("5.00")
)
EVENTS = {"ack": (ACK, 1), "shipped": (SHIPPED, 2), "rest": (REST, 3), "invoice": (INVOICE, 4)}


@pytest.fixture
def ordered(desk: Any) -> Any:
    """An order of two lines, sent to the vendor."""

    def seed(session: Any) -> None:
        session.add(tables.PurchasingRound(id="R", name="R", opened_at=NOW))
        session.add(tables.Supplier(id="S", name="Vendor", connection_id="vendor"))
        session.add(tables.Supplier(id="S2", name="Rival", connection_id="rival"))
        session.add(tables.Item(id="I", gtin="00614141999996", name="Gloves"))
        session.flush()
        offer = {"pack_units": 10, "pack_unit_code": "BX", "updated_at": NOW}
        session.add(
            tables.Offer(
                id="O", supplier_id="S", item_id="I", external_id="V", vendor_part="V", **offer
            )
        )
        session.add(
            tables.PurchaseOrder(
                practice_id="north",
                id="PO",
                round_id="R",
                supplier_id="S",
                number="PO-1",
                send_state="sent",
                sent_at=NOW,
                ordered_on=date(2026, 3, 2),
                goods=Decimal("57.00"),
                shipping=Decimal(0),
                total=Decimal("57.00"),
                created_at=NOW,
            )
        )
        session.flush()
        for number, packs in ((1, 4), (2, 2)):
            session.add(
                tables.PurchaseOrderLine(
                    practice_id="north",
                    order_id="PO",
                    number=number,
                    item_id="I",
                    offer_id="O",
                    vendor_part="V",
                    packs=packs,
                    units=packs * 10,
                    price=PRICE,
                    amount=PRICE * packs,
                )
            )

    desk.work(seed)
    return desk


def put(desk: Any, event: object, minute: int | None = None, **more: Any) -> str:
    options = {"practice": None, "connection": "vendor", **more}
    return str(desk.put(event, "E", minute, **options))


def state(desk: Any) -> tuple[Any, ...]:
    lines = sorted(desk.rows(tables.PurchaseOrderLine), key=lambda line: line.number)
    return (
        desk.one(tables.PurchaseOrder).status,
        *(
            (line.status, line.accepted, line.backordered, line.shipped, line.invoiced)
            for line in lines
        ),
    )


def test_an_acknowledgement_moves_lines_and_order(ordered: Any) -> None:
    assert put(ordered, ACK, 1) == "created"
    assert state(ordered) == (
        "accepted_with_changes",
        ("accepted", 4, 0, 0, 0),
        ("backordered", 0, 2, 0, 0),
    )


def test_every_event_counts_once_however_often_it_comes(ordered: Any) -> None:
    for _ in range(2):
        for event, _minute in EVENTS.values():
            put(ordered, event)
    assert put(ordered, SHIPPED) == "unchanged"
    assert state(ordered)[1] == ("invoiced", 4, 0, 4, 4)
    assert len(ordered.rows(tables.OrderDocument)) == 4


def test_every_order_of_arrival_ends_in_the_same_state(ordered: Any) -> None:
    ends = set()
    for names in list(permutations(EVENTS))[::5]:
        for document in ordered.rows(tables.OrderDocument):
            ordered.work(lambda session, row=document: session.delete(session.merge(row)))
        for name in (*names, names[0]):
            put(ordered, *EVENTS[name])
        ends.add(state(ordered))
    assert ends == {("shipped", ("invoiced", 4, 0, 4, 4), ("shipped", 0, 2, 2, 0))}


def test_a_corrected_document_replaces_what_it_said(ordered: Any) -> None:
    put(ordered, SHIPPED, 1)
    assert put(ordered, replace(SHIPPED, lines=(ShipmentLine(1, 3),)), 2) == "changed"
    assert put(ordered, SHIPPED, 1) == "unchanged"
    assert state(ordered)[1] == ("partially_shipped", 0, 0, 3, 0)


def test_a_correction_that_overtook_its_original_stays(ordered: Any) -> None:
    put(ordered, replace(SHIPPED, lines=(ShipmentLine(1, 3),)), 2)
    assert put(ordered, SHIPPED, 1) == "stale"
    assert state(ordered)[1] == ("partially_shipped", 0, 0, 3, 0)


def test_a_replay_without_times_does_not_undo_a_correction(ordered: Any) -> None:
    put(ordered, SHIPPED)
    fixed = replace(SHIPPED, lines=(ShipmentLine(1, 3),))
    assert put(ordered, fixed, 700) == "changed"
    assert put(ordered, SHIPPED) == "unchanged"
    assert state(ordered)[1] == ("partially_shipped", 0, 0, 3, 0)


@pytest.mark.parametrize(
    ("event", "connection"),
    [(ACK, "rival"), (replace(ACK, order_number="PO-2"), "vendor"), (INVOICE, "ehr")],
)
def test_an_event_of_another_vendor_or_order_is_rejected_alike(
    ordered: Any, event: object, connection: str
) -> None:
    before = state(ordered)
    assert put(ordered, event, 1, connection=connection) == "rejected"
    assert [(issue.code, issue.path) for issue in ordered.issues] == [
        ("unknown_order", "order_number")
    ]
    assert state(ordered) == before
    assert ordered.rows(tables.OrderDocument) == []


def test_an_order_of_another_practice_is_out_of_reach(ordered: Any) -> None:
    assert put(ordered, ACK, 1, practice="south") == "rejected"
    assert put(ordered, ACK, 1, practice="north") == "created"


def test_an_invoice_that_differs_is_an_issue_and_keeps_its_total(ordered: Any) -> None:
    wrong = replace(INVOICE, lines=(InvoiceLine(1, 4, Decimal("9.75")),))
    assert put(ordered, wrong, 1) == "created"
    assert set(ordered.codes) == {"price_difference", "total_difference"}
    assert all("9.75" not in issue.text for issue in ordered.issues)
    document = ordered.one(tables.OrderDocument)
    assert (document.total, document.connection_id) == (Decimal("43.00"), "vendor")


def test_an_invoice_as_ordered_is_no_issue(ordered: Any) -> None:
    put(ordered, INVOICE, 1)
    assert ordered.codes == []


def test_a_line_nobody_ordered_calls_for_review(ordered: Any) -> None:
    assert put(ordered, replace(SHIPPED, lines=(ShipmentLine(9, 1),)), 1) == "created"
    assert ordered.codes == ["unknown_order_line"]
    assert ordered.one(tables.PurchaseOrder).status == "needs_review"


def test_more_than_ordered_calls_for_review(ordered: Any) -> None:
    put(ordered, SHIPPED, 1)
    put(ordered, replace(SHIPPED, document="S9"), 2)
    assert state(ordered)[1][0] == "needs_review"


def test_an_amount_with_a_third_decimal_is_rejected(ordered: Any) -> None:
    assert put(ordered, replace(INVOICE, total=Decimal("43.001")), 1) == "rejected"
    assert ordered.codes == ["amount_precision"]


def test_silence_accepts_where_only_exceptions_are_listed(ordered: Any) -> None:
    put(ordered, OrderAcknowledged("PO-1", "A1", (AckLine(2, "rejected", 2),), True), 1)
    assert state(ordered)[1][:2] == ("accepted", 4)
    assert ordered.one(tables.PurchaseOrderLine, number=2).rejected == 2


def test_a_sent_order_without_documents_is_sent(ordered: Any) -> None:
    def work(session: Any) -> str:
        order = store.by_number(session, "PO-1", "vendor")
        assert order is not None
        return str(refresh_ledger(session, order).status)

    assert ordered.work(work) == "sent"
    assert {line.status for line in ordered.rows(tables.PurchaseOrderLine)} == {"sent"}


def test_facts_survive_storage(ordered: Any) -> None:
    put(ordered, INVOICE, 4)
    with ordered.database.read(unrestricted_scope("test")) as session:
        order = store.by_number(session, "PO-1", "vendor")
        assert order is not None
        (document,) = store.documents_of(session, order)
    facts = store.facts_from_json(document.facts["facts"])
    assert store.facts_to_json(facts) == document.facts["facts"]
    assert {entry.amount for fact in facts for entry in fact.entries} >= {PRICE, Decimal("43.00")}


def test_a_practice_without_the_order_cannot_read_it(ordered: Any) -> None:
    with ordered.database.read(practice_scope("south")) as session:
        assert store.by_number(session, "PO-1", "vendor") is None
