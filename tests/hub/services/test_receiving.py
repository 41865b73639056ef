"""After the order: receipts, matched invoices, credit notes, and what a supplier falls short of."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from hub.domain.agreements import practice_scope
from hub.domain.supply import (
    AckLine,
    CreditLine,
    InvoiceLine,
    OrderAcknowledged,
    OrderCredited,
    OrderInvoiced,
    OrderShipped,
    ShipmentLine,
)
from hub.errors import Conflict, Forbidden, NotFound, Rejected
from hub.services import receipts, receiving, replanning
from hub.storage.tables import (
    InvoiceMatch,
    JobRow,
    MatchFinding,
    PurchaseOrder,
    PurchaseOrderLine,
    PurchasingExclusion,
    PurchasingRound,
    Requisition,
    RequisitionEntry,
    RequisitionLine,
    Shortfall,
)


@pytest.fixture
def bought(pool: Any) -> Any:
    """Three practices with 5 packs of gloves each, ordered from Acme at 10.00 and sent."""
    pool.round_id = pool.open()
    for practice in ("p1", "p2", "p3"):
        pool.want(pool.round_id, practice, gloves=50)
    pool.plan(pool.round_id)
    pool.approve(pool.round_id, "p1", "p2", "p3")
    assert pool.release(pool.round_id) == 3

    def send(session: Any) -> None:
        for order in session.query(PurchaseOrder):
            order.send_state, order.sent_at = "sent", pool.now

    pool.work(send)
    pool.order = pool.desk.one(PurchaseOrder, practice_id="p1")
    pool.connection = "rival" if pool.order.supplier_id == "best" else "vendor"
    pool.number = 0

    def put(event: Any) -> Any:
        pool.number += 1
        return pool.desk.put(
            event, f"E{pool.number}", pool.number, connection=pool.connection, practice=None,
            unrestricted=True,
        )  # fmt: skip

    pool.put = put
    return pool


def invoice(bought: Any, packs: int = 5, price: str = "9.00", number: str = "I-1") -> OrderInvoiced:
    lines = (InvoiceLine(1, packs, Decimal(price)),)
    total = packs * Decimal(price)
    return OrderInvoiced(bought.order.number, number, date(2026, 3, 4), lines, total)


def count(bought: Any, packs: int, document: str = "R-1") -> None:
    bought.work(
        lambda s: receipts.receive_goods(
            s,
            practice_id="p1",
            order_id=bought.order.id,
            document=document,
            packs={1: packs},
            now=bought.now,
        ),
        practice_scope("p1"),
    )


def match(bought: Any) -> Any:
    return bought.desk.one(InvoiceMatch)


def test_an_invoice_waits_for_the_receipt_and_then_matches(bought: Any) -> None:
    bought.put(OrderShipped(bought.order.number, "S-1", (ShipmentLine(1, 5),)))
    assert bought.desk.one(PurchasingRound).status == "receiving"
    bought.put(invoice(bought))
    assert match(bought).state == "waiting"
    count(bought, 3)
    assert match(bought).state == "exception"
    [finding] = bought.desk.rows(MatchFinding)
    assert finding.sentence == "Line 1: 5 packs invoiced, 3 received."
    count(bought, 5)  # the same receipt, corrected
    assert (match(bought).state, bought.desk.rows(MatchFinding)) == ("matched", [])
    assert bought.desk.one(PurchaseOrder, id=bought.order.id).status == "closed"


def test_a_persons_word_on_an_invoice_stands_until_its_findings_change(bought: Any) -> None:
    bought.put(invoice(bought, price="9.50"))
    decide = {"match_id": match(bought).id, "why": "Agreed by phone.", "now": bought.now}

    def say(practice: str, scope: Any, **more: Any) -> None:
        bought.work(
            lambda s: receiving.decide_match(
                s, practice_id=practice, by="ann", **{"accept": True, **decide, **more}
            ),
            scope,
        )

    with pytest.raises(Forbidden):
        say("p1", bought.mso())
    with pytest.raises(NotFound):
        say("p1", practice_scope("p2"))
    say("p1", practice_scope("p1"))
    assert (match(bought).decision, match(bought).decided_by) == ("accepted", "ann")
    count(bought, 5)
    assert match(bought).decision == "accepted"
    bought.put(invoice(bought, price="9.60"))
    assert (match(bought).decision, match(bought).at_stake) == ("none", Decimal("3.00"))


def test_a_credit_note_settles_an_invoice_whoever_brings_it(bought: Any) -> None:
    bought.put(invoice(bought, price="9.50"))
    credit = OrderCredited(
        bought.order.number, "C-1", "I-1", date(2026, 3, 5), (CreditLine(1, 0),), Decimal("1.00")
    )
    bought.put(credit)
    assert (match(bought).state, match(bought).credited) == ("exception", Decimal("1.00"))

    def paper(invoice: str, total: str) -> None:
        note = OrderCredited("", "C-2", invoice, date(2026, 3, 5), (), Decimal(total))
        bought.work(
            lambda s: receipts.record_credit(
                s, practice_id="p1", order_id=bought.order.id, credit=note, now=bought.now
            ),
            practice_scope("p1"),
        )

    for wrong in (("I-9", "1.00"), ("I-1", "0.00"), ("I-1", "1.001")):
        with pytest.raises(Rejected):
            paper(*wrong)
    paper("I-1", "1.50")
    assert (match(bought).state, match(bought).credited) == ("settled", Decimal("2.50"))


def test_a_tolerance_is_the_suppliers(bought: Any) -> None:
    bought.work(
        lambda s: receiving.set_tolerance(
            s,
            supplier_id=bought.order.supplier_id,
            price_percent=Decimal("10"),
            total=Decimal("0.00"),
        )
    )
    bought.put(invoice(bought, price="9.50"))
    assert match(bought).state == "waiting"
    with pytest.raises(Rejected, match="tolerance"):
        bought.work(
            lambda s: receiving.set_tolerance(
                s, supplier_id="acme", price_percent=Decimal("101"), total=Decimal(0)
            )
        )
    with pytest.raises(Rejected, match="two decimals"):
        bought.work(
            lambda s: receiving.set_tolerance(
                s,
                supplier_id=bought.order.supplier_id,
                price_percent=Decimal(1),
                total=Decimal("0.001"),
            )
        )


def test_a_receipt_names_lines_of_an_order_that_was_sent(bought: Any) -> None:
    def receive(order_id: str, packs: dict[int, int], document: str = "R") -> None:
        bought.work(
            lambda s: receipts.receive_goods(
                s,
                practice_id="p1",
                order_id=order_id,
                document=document,
                packs=packs,
                now=bought.now,
            ),
            practice_scope("p1"),
        )

    for packs, document in (({}, "R"), ({2: 1}, "R"), ({1: -1}, "R"), ({1: 1}, " ")):
        with pytest.raises(Rejected):
            receive(bought.order.id, packs, document)
    with pytest.raises(NotFound):
        receive(bought.desk.one(PurchaseOrder, practice_id="p2").id, {1: 1})


def rejected(bought: Any, packs: int = 2) -> Any:
    lines = (AckLine(1, "accepted", 5 - packs), AckLine(1, "rejected", packs))
    bought.put(OrderAcknowledged(bought.order.number, "A-1", lines))
    return bought.desk.one(Shortfall)


def act(bought: Any, name: str, scope: Any = None, **more: Any) -> Any:
    shortfall = bought.desk.one(Shortfall)
    return bought.work(
        lambda s: getattr(replanning, name)(
            s, practice_id="p1", shortfall_id=shortfall.id, by="ann", now=bought.now, **more
        ),
        scope or practice_scope("p1"),
    )


def test_what_is_rejected_is_noted_once_and_goes_if_the_supplier_takes_it_back(bought: Any) -> None:
    row = rejected(bought)
    assert (row.packs, row.units, row.reason, row.state) == (2, 20, "rejected", "open")
    assert row.planned_cost == 2 * Decimal("9.00")
    bought.put(OrderAcknowledged(bought.order.number, "A-2", (AckLine(1, "accepted", 5),)))
    assert bought.desk.rows(Shortfall) == []


def test_a_dearer_supplier_waits_for_the_practice_and_a_cheaper_one_does_not(
    bought: Any, offer_of: Any
) -> None:
    rejected(bought)
    assert act(bought, "replan").state == "proposed"
    row = bought.desk.one(Shortfall)
    assert (row.planned_cost, row.new_cost) == (Decimal("18.00"), Decimal("20.00"))
    new = bought.desk.one(PurchaseOrder, id=row.new_order_id)
    assert (new.status, new.replan, new.supplier_id) == ("proposed", 1, "acme")
    with pytest.raises(Forbidden):
        act(bought, "decide_replan", bought.mso(), approve=True)
    act(bought, "decide_replan", approve=False, why="Too dear.")
    assert bought.desk.one(Shortfall).state == "open"
    rows = offer_of("acme", "gloves", "8.00", id="sale")
    bought.work(lambda s: [(s.add(each), s.flush()) for each in rows])
    act(bought, "replan")
    row = bought.desk.one(Shortfall)
    new = bought.desk.one(PurchaseOrder, id=row.new_order_id)
    assert (row.state, new.status, new.replan) == ("ordered", "requested", 2)
    placing = [job for job in bought.desk.rows(JobRow) if job.unique_key == f"order:{new.id}"]
    assert len(placing) == 1
    with pytest.raises(Conflict, match="ordered"):
        act(bought, "replan")


def test_what_is_missing_returns_to_another_round_beside_what_was_stated_there(bought: Any) -> None:
    rejected(bought)
    with pytest.raises(Conflict, match="locked"):
        act(bought, "return_to_round", round_id=bought.round_id)
    april = bought.open("April")
    bought.want(april, "p1", gloves=7, gauze=3)
    act(bought, "return_to_round", round_id=april)
    [requisition] = bought.desk.rows(Requisition, practice_id="p1", round_id=april)
    lines = bought.desk.rows(RequisitionLine, requisition_id=requisition.id)
    assert {line.item_id: line.units for line in lines} == {"gloves": 27, "gauze": 3}
    entries = bought.desk.rows(RequisitionEntry)
    assert sorted(entry.source for entry in entries) == ["carried", "hand", "hand"]
    assert bought.desk.one(Shortfall).state == "returned"


def test_a_substitute_is_taken_by_the_practice_only(bought: Any) -> None:
    bought.put(OrderAcknowledged(bought.order.number, "A-1", (AckLine(1, "substituted", 5),)))
    assert bought.desk.one(Shortfall).reason == "substituted"
    with pytest.raises(Forbidden):
        act(bought, "accept", bought.mso())
    act(bought, "accept", bought.mso("p1"), why="Same maker.")
    assert bought.desk.one(Shortfall).state == "accepted"


def test_no_other_supplier_leaves_the_shortfall_open(bought: Any) -> None:
    rejected(bought)
    bought.work(
        lambda s: s.add(
            PurchasingExclusion(
                practice_id="p1",
                round_id=bought.round_id,
                supplier_id="acme",
                decided_at=bought.now,
            )
        )
    )
    with pytest.raises(Conflict, match="No other supplier"):
        act(bought, "replan")


def test_credit_notes_reach_the_order_and_its_lines(bought: Any) -> None:
    bought.put(invoice(bought))
    count(bought, 3)
    note = OrderCredited(
        bought.order.number, "C-1", "I-1", date(2026, 3, 9), (CreditLine(1, 2),), Decimal("18.00")
    )
    bought.put(note)
    order = bought.desk.one(PurchaseOrder, id=bought.order.id)
    assert (order.invoiced, order.credited) == (Decimal("45.00"), Decimal("18.00"))
    [line] = bought.desk.rows(PurchaseOrderLine, order_id=order.id)
    assert (line.invoiced, line.received, line.credited) == (5, 3, 2)
    assert order.status == "closed"  # nobody waits for what was credited


def backordered(bought: Any) -> Any:
    lines = (AckLine(1, "accepted", 3), AckLine(1, "backordered", 2))
    bought.put(OrderAcknowledged(bought.order.number, "A-1", lines))
    return bought.desk.one(Shortfall)


def test_a_backorder_that_is_shipped_after_all_is_no_shortfall(bought: Any) -> None:
    row = backordered(bought)
    assert (row.reason, row.packs, row.units, row.state) == ("backordered", 2, 20, "open")
    bought.put(OrderShipped(bought.order.number, "S-1", (ShipmentLine(1, 3),)))
    assert bought.desk.one(Shortfall).packs == 2
    bought.put(OrderShipped(bought.order.number, "S-2", (ShipmentLine(1, 2),)))
    assert bought.desk.rows(Shortfall) == []


def test_a_backorder_bought_elsewhere_is_withdrawn_from_its_supplier(bought: Any) -> None:
    row = backordered(bought)
    bought.work(
        lambda s: replanning.replan(
            s, practice_id="p1", shortfall_id=row.id, by="mso", now=bought.now
        )
    )
    if bought.desk.one(Shortfall).state == "proposed":
        bought.work(
            lambda s: replanning.decide_replan(
                s, practice_id="p1", shortfall_id=row.id, approve=True, by="p1", now=bought.now
            ),
            practice_scope("p1"),
        )
    row = bought.desk.one(Shortfall)
    assert (row.state, row.reason) == ("ordered", "backordered")
    new = bought.desk.one(PurchaseOrder, id=row.new_order_id)
    assert (new.status, new.replan) == ("requested", 1)
    [line] = bought.desk.rows(PurchaseOrderLine, order_id=bought.order.id)
    assert line.cancelled == 2
    bought.put(OrderShipped(bought.order.number, "S-1", (ShipmentLine(1, 5),)))
    assert bought.desk.one(PurchaseOrder, id=bought.order.id).status == "needs_review"
