"""Savings planned and realised, prices paid, statements to members, benchmarks once per quarter."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from hub.domain.purchasing.fees import FeeTerms
from hub.domain.supply import InvoiceLine, OrderCredited, OrderInvoiced
from hub.errors import Conflict, Rejected
from hub.services import benchmarks, fees
from hub.storage.tables import (
    FeeAgreement,
    MemberStatement,
    PriceBenchmark,
    PricePoint,
    PurchaseOrder,
    PurchasingShare,
    RoundSaving,
    Saving,
    SavingLine,
    Supplier,
)

NEXT_YEAR = datetime(2027, 1, 10, tzinfo=UTC)


@pytest.fixture
def bought(pool: Any) -> Any:
    """Every practice bought 5 packs of gloves (Acme, 8.00 by the tier) and 2 of gauze (Best)."""

    def buy(name: str) -> str:
        round_id: str = pool.open(name)
        for practice in pool.practices:
            pool.want(round_id, practice, gloves=50, gauze=20)
        pool.plan(round_id)
        pool.approve(round_id)
        pool.release(round_id)
        return round_id

    def invoice(round_id: str, practice: str, supplier: str, price: str, packs: int = 5) -> None:
        order = pool.desk.one(
            PurchaseOrder, practice_id=practice, round_id=round_id, supplier_id=supplier
        )
        pool.work(
            lambda s: setattr(s.get(PurchaseOrder, (practice, order.id)), "send_state", "sent")
        )
        amount = packs * Decimal(price)
        pool.desk.put(
            OrderInvoiced(
                order.number,
                f"I-{order.number}",
                pool.now.date(),
                (InvoiceLine(1, packs, Decimal(price)),),
                amount,
            ),
            order.number,
            0,
            connection={"acme": "vendor", "best": "rival"}[supplier],
            practice=None,
            unrestricted=True,
        )

    pool.buy, pool.invoice = buy, invoice
    return pool


def saving(pool: Any, round_id: str, practice: str, category: str) -> Any:
    return pool.desk.one(Saving, round_id=round_id, practice_id=practice, category=category)


def test_savings_are_planned_against_the_list_price_and_realised_by_invoices(bought: Any) -> None:
    round_id = bought.buy("March")
    row = saving(bought, round_id, "p1", "gloves")
    assert (row.baseline, row.planned, row.planned_saving) == (
        Decimal("45.00"),  # Best sells a pack for 9.00 without volume
        Decimal("40.00"),
        Decimal("5.00"),
    )
    assert (row.invoiced, row.realised_saving) == (Decimal("0.00"), Decimal("0.00"))
    bought.invoice(round_id, "p1", "acme", "8.20")
    row = saving(bought, round_id, "p1", "gloves")
    assert (row.invoiced, row.realised_saving) == (Decimal("41.00"), Decimal("4.00"))
    point = bought.desk.one(PricePoint)
    assert (point.units, point.unit_price) == (50, Decimal("0.82000000"))
    assert saving(bought, round_id, "p2", "gloves").invoiced == Decimal("0.00")
    assert saving(bought, round_id, "p1", "gauze").planned_saving == Decimal("0.00")


def test_the_next_round_is_measured_against_the_practices_own_price(bought: Any) -> None:
    bought.invoice(bought.buy("March"), "p1", "acme", "8.20")
    bought.now = datetime(2026, 5, 4, tzinfo=UTC)
    round_id = bought.buy("May")
    lines = {
        (row.practice_id, row.item_id): row
        for row in bought.desk.rows(SavingLine, round_id=round_id)
    }
    assert lines["p1", "gloves"].basis == "own_price"
    assert lines["p1", "gloves"].baseline == Decimal("41.00")
    assert lines["p2", "gloves"].basis == "list_price"


def test_a_credit_note_lowers_what_was_paid(bought: Any) -> None:
    round_id = bought.buy("March")
    bought.invoice(round_id, "p1", "acme", "8.20")
    order = bought.desk.one(PurchaseOrder, practice_id="p1", supplier_id="acme")
    note = OrderCredited(
        order.number, "C-1", f"I-{order.number}", date(2026, 3, 9), (), Decimal("1.00")
    )
    bought.desk.put(note, "C", 1, connection="vendor", practice=None, unrestricted=True)
    row = saving(bought, round_id, "p1", "gloves")
    assert (row.invoiced, row.realised_saving) == (Decimal("40.00"), Decimal("5.00"))


def agree(pool: Any, **terms: Any) -> None:
    facts = {"written_on": date(2026, 1, 1), "starts_on": date(2026, 1, 1), **terms}
    pool.work(
        lambda s: fees.add_agreement(
            s, supplier_id="acme", terms=FeeTerms(**facts), by="mso", now=pool.now
        )
    )


def pay(pool: Any, kind: str, amount: str, day: date = date(2026, 3, 2), **more: Any) -> None:
    pool.work(
        lambda s: fees.record_payment(
            s,
            supplier_id="acme",
            kind=kind,
            reference=more.get("reference", kind),
            received_on=day,
            amount=Decimal(amount),
            by="mso",
            now=pool.now,
        )
    )


def test_each_member_is_told_what_was_received_on_its_purchases(bought: Any) -> None:
    round_id = bought.buy("March")
    for practice, price in (("p1", "8.00"), ("p2", "8.00"), ("p3", "16.00")):
        bought.invoice(round_id, practice, "acme", price)
    agree(bought)
    pay(bought, "fee", "4.01")
    pay(bought, "rebate", "10.00")
    issued = bought.work(lambda s: fees.issue_statements(s, year=2026, now=NEXT_YEAR))
    assert issued == 3
    rows = {row.practice_id: row for row in bought.desk.rows(MemberStatement)}
    assert [rows[p].purchases for p in ("p1", "p2", "p3")] == [40, 40, 80]
    assert sum(row.fees for row in rows.values()) == Decimal("4.01")
    assert rows["p3"].fees in (Decimal("2.00"), Decimal("2.01"))
    assert [rows[p].rebates for p in ("p1", "p2", "p3")] == [
        Decimal("2.50"),
        Decimal("2.50"),
        Decimal("5.00"),
    ]
    assert rows["p1"].discounts == Decimal("10.00")  # the first tier is 10.00 a pack
    assert {row.remark for row in rows.values()} == {""}
    pay(bought, "fee", "0.80", reference="second")
    bought.work(lambda s: fees.issue_statements(s, year=2026, now=NEXT_YEAR))
    remarks = {row.remark for row in bought.desk.rows(MemberStatement)}
    assert remarks == {"The fees received are more than the agreement allows."}
    assert len(bought.desk.rows(MemberStatement)) == 3


def test_a_fee_needs_a_written_agreement_and_statements_a_year_that_is_over(bought: Any) -> None:
    with pytest.raises(Rejected, match="no written fee agreement"):
        pay(bought, "fee", "1.00")
    pay(bought, "rebate", "1.00")
    agree(bought, ends_on=date(2026, 3, 1))
    with pytest.raises(Rejected, match="no written fee agreement"):
        pay(bought, "fee", "1.00")
    with pytest.raises(Rejected, match="once it was received"):
        pay(bought, "rebate", "1.00", date(2026, 3, 3), reference="later")
    with pytest.raises(Conflict, match="later one"):
        agree(bought)
    agree(bought, starts_on=date(2026, 2, 1))
    ends = sorted(str(row.ends_on) for row in bought.desk.rows(FeeAgreement))
    assert ends == ["2026-02-01", "None"]
    with pytest.raises(Rejected, match="year that is over"):
        bought.work(lambda s: fees.request_statements(s, year=2026, now=bought.now))


def test_benchmarks_are_published_once_and_only_for_enough_practices(bought: Any) -> None:
    round_id = bought.buy("March")
    for number, practice in enumerate(bought.practices[:5]):
        bought.invoice(round_id, practice, "acme", f"8.{number}0")
    for practice in bought.practices[:4]:
        bought.invoice(round_id, practice, "best", "5.00", packs=2)

    def publish(moment: datetime) -> int:
        count: int = bought.work(lambda s: benchmarks.publish(s, now=moment))
        return count

    assert publish(datetime(2026, 6, 29, tzinfo=UTC)) == 0
    assert publish(datetime(2026, 6, 30, tzinfo=UTC)) == 1
    row = bought.desk.one(PriceBenchmark)
    assert (row.item_id, row.average_price, row.middle_price) == (
        "gloves",
        Decimal("0.8200"),
        Decimal("0.8200"),
    )
    bought.invoice(round_id, "p6", "acme", "80.00")
    assert publish(datetime(2026, 7, 1, tzinfo=UTC)) == 0
    assert bought.desk.one(PriceBenchmark).average_price == Decimal("0.8200")


def test_freight_and_rebates_count_in_the_savings_of_a_round(pool: Any, bought: Any) -> None:
    def terms(session: Any) -> None:
        acme = session.get_one(Supplier, "acme")
        acme.shipping_fee = Decimal("3.00")
        acme.rebates = {"levels": [["100.00", "0.05"]]}

    pool.work(terms)
    round_id = pool.buy("March")
    row = pool.desk.one(RoundSaving, round_id=round_id, practice_id="p1")
    share = pool.desk.one(PurchasingShare, round_id=round_id, practice_id="p1")
    assert (row.goods, row.freight) == (Decimal("50.00"), Decimal("3.00"))
    assert row.planned == share.pays
    assert row.returned == row.goods + row.freight - share.pays > 0
    assert row.planned_saving == row.baseline - share.pays
    order = pool.desk.one(PurchaseOrder, practice_id="p1", supplier_id="acme")
    goods, freight = Decimal("40.00"), Decimal("3.00")
    lines = (InvoiceLine(1, 5, Decimal("8.00")),)
    event = OrderInvoiced(order.number, "I-1", pool.now.date(), lines, goods + freight, freight)
    pool.desk.put(event, "I", 0, connection="vendor", practice=None, unrestricted=True)
    row = pool.desk.one(RoundSaving, round_id=round_id, practice_id="p1")
    assert (row.invoiced, row.invoiced_freight, row.rebates) == (goods, freight, Decimal("2.00"))
    assert row.realised_saving == Decimal("45.00") - goods - freight + Decimal("2.00")
