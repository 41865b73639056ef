"""What a round buys from and by: offers kept at the lock, rules, equivalents, who shares how."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select

from hub.domain.agreements import practice_scope
from hub.domain.purchasing.round_rules import (
    Committed,
    RoundRules,
    check_rules,
    rules_from_json,
    rules_to_json,
)
from hub.errors import Conflict, NotFound, Rejected
from hub.services import bids, equivalents, frozen, participation, round_rules, rounds
from hub.storage import savings as prices
from hub.storage.supply import replace_tiers
from hub.storage.tables import (
    Item,
    Offer,
    OfferTier,
    PlanAward,
    PurchaseOrder,
    PurchasingPlan,
    PurchasingRound,
    PurchasingShare,
    PurchasingStep,
    RoundOffer,
    RoundSupplier,
    Supplier,
)


def rule(pool: Any, round_id: str, why: str = "Decided", **rules: Any) -> None:
    allocation = rules.pop("allocation_rule", None)
    pool.work(
        lambda s: round_rules.set_rules(
            s,
            round_id=round_id,
            rules=RoundRules(**rules),
            allocation_rule=allocation,
            by="mso",
            why=why,
            now=pool.now,
        )
    )


def lock(pool: Any, round_id: str) -> None:
    pool.work(lambda s: rounds.lock_round(s, round_id=round_id, now=pool.now))


def awards(pool: Any, practice: str) -> list[tuple[str, str, int]]:
    rows = pool.desk.rows(PlanAward, practice_id=practice)
    return sorted((row.item_id, row.offer_id, row.packs) for row in rows)


def add(pool: Any, rows: Sequence[Any]) -> None:
    def work(session: Any) -> None:
        for row in rows:
            session.add(row)
            session.flush()

    pool.work(work)


def reprice(pool: Any, offer_id: str, price: str) -> None:
    """The supplier's catalogue has another price from now on."""

    def work(session: Any) -> None:
        offer = session.get_one(Offer, offer_id)
        tiers = [OfferTier(offer_id=offer_id, from_packs=0, price=Decimal(price))]
        replace_tiers(session, offer_id, tiers)
        frozen.note_offer(session, offer, tiers, pool.now)

    pool.work(work)


def test_a_later_price_changes_no_locked_round_and_is_seen(pool: Any) -> None:
    round_id = pool.open()
    pool.want(round_id, "p1", gauze=20)
    lock(pool, round_id)
    reprice(pool, "best-gauze", "7.00")
    row = pool.plan(round_id)
    assert row.pooled_cost == Decimal("10.00")
    kept = pool.desk.one(RoundOffer, offer_id="best-gauze")
    assert kept.difference == "Price 5.00 from 0, now 7.00 from 0."
    assert kept.changed_at == pool.now
    reprice(pool, "best-gauze", "5.00")
    kept = pool.desk.one(RoundOffer, offer_id="best-gauze")
    assert (kept.difference, kept.changed_at) == ("", None)
    reprice(pool, "best-gauze", "6.00")
    pool.work(lambda s: rounds.reopen_round(s, round_id=round_id, why="Again.", now=pool.now))
    assert pool.plan(round_id).pooled_cost == Decimal("12.00")


def test_later_terms_of_a_supplier_change_no_locked_round_and_are_seen(pool: Any) -> None:
    round_id = pool.open()
    pool.want(round_id, "p1", gauze=20)
    lock(pool, round_id)

    def dearer(session: Any) -> None:
        supplier = session.get_one(Supplier, "best")
        supplier.shipping_fee = Decimal("9.00")
        frozen.note_terms(session, supplier, pool.now)

    pool.work(dearer)
    assert pool.plan(round_id).pooled_cost == Decimal("10.00")
    kept = pool.desk.one(RoundSupplier, supplier_id="best")
    assert kept.difference == "Shipping fee 0.00, now 9.00."


def test_an_offer_that_ended_since_the_lock_is_not_bought(pool: Any) -> None:
    def ending(session: Any) -> None:
        session.get_one(Offer, "best-gauze").ends_on = pool.now.date()

    pool.work(ending)
    round_id = pool.open()
    pool.want(round_id, "p1", gauze=20)
    lock(pool, round_id)
    pool.now += timedelta(days=1)
    row = pool.plan(round_id)
    assert (row.status, row.explanation) == ("infeasible", "No vendor sells item Gauze.")


def test_limits_on_suppliers_hold_and_clashes_are_told_by_name(pool: Any) -> None:
    round_id = pool.open()
    for practice in pool.practices:
        pool.want(round_id, practice, gloves=50, gauze=20)
    rule(pool, round_id, max_suppliers=1)
    pool.plan(round_id)
    assert {row.supplier_id for row in pool.desk.rows(PlanAward)} == {"best"}
    rule(pool, round_id, without_suppliers=("best",))
    row = pool.plan(round_id)
    assert (row.status, row.explanation) == ("infeasible", "No vendor sells item Gauze.")
    steps = [(s.step, s.why) for s in pool.desk.rows(PurchasingStep) if "rules" in s.step]
    assert steps == [
        ("set_rules", "Decided. At most 1 supplier."),
        ("change_rules", "Decided. Without best."),
    ]


def test_changed_rules_withdraw_the_plan_that_waits(pool: Any) -> None:
    round_id = pool.open()
    pool.want(round_id, "p1", gauze=20)
    pool.plan(round_id)
    rule(pool, round_id, split_lines=True)
    assert pool.desk.one(PurchasingRound).status == "locked"
    assert pool.desk.rows(PurchaseOrder) == []
    with pytest.raises(Conflict, match="no plan to approve"):
        pool.approve(round_id, "p1")
    pool.plan(round_id)
    pool.approve(round_id, "p1")
    pool.release(round_id)
    with pytest.raises(Conflict, match="ordered"):
        rule(pool, round_id)


def test_a_line_is_split_over_offers_where_the_round_allows_it(pool: Any, offer_of: Any) -> None:
    add(pool, offer_of("acme", "gauze", "3.00", id="few", max_packs=4))
    round_id = pool.open()
    pool.want(round_id, "p1", gauze=100)
    pool.plan(round_id)
    assert awards(pool, "p1") == [("gauze", "best-gauze", 10)]
    rule(pool, round_id, split_lines=True)
    row = pool.plan(round_id)
    second = pool.desk.one(PurchasingPlan, version=2)
    found = [a for a in pool.desk.rows(PlanAward) if a.plan_id == second.id]
    assert sorted((a.offer_id, a.packs) for a in found) == [("best-gauze", 6), ("few", 4)]
    assert row.pooled_cost == Decimal("42.00")
    pool.approve(round_id, "p1")
    assert pool.release(round_id) == 2


def test_how_savings_are_shared_is_fixed_before_bids_open(pool: Any) -> None:
    round_id = pool.open(allocation_rule="pooled_savings_by_volume")
    for practice, gloves in zip(pool.practices, (10, 20, 40, 80, 160, 320), strict=True):
        pool.want(round_id, practice, gloves=gloves)
    rule(pool, round_id, allocation_rule="sampled_shapley_value")
    with pytest.raises(Rejected, match="one of: pooled_savings_by_standalone_cost"):
        rule(pool, round_id, allocation_rule="by_luck")
    row = pool.plan(round_id)
    shares = pool.desk.rows(PurchasingShare)
    assert sum(share.pays for share in shares) == row.pooled_cost
    assert all(share.pays <= share.standalone_cost for share in shares)
    document = pool.desk.one(PurchasingPlan).document
    assert document["coalitions"]["orders"] > 0  # sampled for the Shapley value
    assert pool.desk.one(PurchasingPlan).coalitions == document["coalitions"]["sampled"]
    with pytest.raises(Conflict, match="fixed before bids open"):
        rule(pool, round_id, allocation_rule="pooled_savings_by_volume")
    with pytest.raises(Rejected, match="allocation rule"):
        pool.open("April", allocation_rule="by_luck")


def test_bids_out_fix_how_savings_are_shared(pool: Any) -> None:
    round_id = pool.open()
    lock(pool, round_id)
    pool.work(
        lambda s: bids.invite(
            s,
            round_id=round_id,
            supplier_ids=["acme"],
            deadline=pool.now + timedelta(days=1),
            by="mso",
            now=pool.now,
        )
    )
    with pytest.raises(Conflict, match="fixed before bids open"):
        rule(pool, round_id, allocation_rule="pooled_savings_by_volume")


def test_a_practice_keeps_one_item_of_one_supplier_out(pool: Any) -> None:
    round_id = pool.open()
    for practice in pool.practices:
        pool.want(round_id, practice, gloves=50, gauze=20)
    pool.work(
        lambda s: participation.exclude(
            s,
            practice_id="p1",
            round_id=round_id,
            item_id="gloves",
            supplier_id="acme",
            by="x",
            now=pool.now,
        ),
        practice_scope("p1"),
    )
    pool.plan(round_id)
    assert awards(pool, "p1") == [("gauze", "best-gauze", 2), ("gloves", "best-gloves", 5)]
    assert awards(pool, "p2")[1] == ("gloves", "acme-gloves", 5)


def approve(pool: Any, practice: str) -> str:
    found: str = pool.work(
        lambda s: equivalents.approve_equivalent(
            s,
            practice_id=practice,
            item_id="gauze",
            equivalent_id="gauze2",
            by=practice,
            now=pool.now,
        ),
        practice_scope(practice),
    )
    return found


def test_an_equivalent_is_bought_only_for_those_who_approved_it_before_the_lock(
    pool: Any, offer_of: Any
) -> None:
    add(pool, [Item(id="gauze2", gtin="00012345678912", name="Gauze B", category="gauze")])
    add(pool, offer_of("acme", "gauze2", "2.00", id="other"))
    assert approve(pool, "p1") == approve(pool, "p1")
    with pytest.raises(Rejected, match="itself"):
        pool.work(
            lambda s: equivalents.approve_equivalent(
                s,
                practice_id="p1",
                item_id="gauze",
                equivalent_id="gauze",
                by="p1",
                now=pool.now,
            )
        )
    round_id = pool.open()
    for practice in ("p1", "p2"):
        pool.want(round_id, practice, gauze=20)
    pool.now += timedelta(minutes=1)
    lock(pool, round_id)
    pool.now += timedelta(minutes=1)
    approve(pool, "p2")
    pool.plan(round_id)
    assert awards(pool, "p1") == [("gauze", "other", 2)]
    assert awards(pool, "p2") == [("gauze", "best-gauze", 2)]


def test_a_withdrawn_equivalent_counts_in_no_later_round(pool: Any, offer_of: Any) -> None:
    add(pool, [Item(id="gauze2", gtin="00012345678912", name="Gauze B", category="gauze")])
    add(pool, offer_of("acme", "gauze2", "2.00", id="other"))
    approval = approve(pool, "p1")

    def withdraw() -> None:
        pool.work(
            lambda s: equivalents.withdraw_equivalent(
                s, practice_id="p1", approval_id=approval, by="p1", now=pool.now
            ),
            practice_scope("p1"),
        )

    withdraw()
    with pytest.raises(Conflict):
        withdraw()
    round_id = pool.open()
    pool.want(round_id, "p1", gauze=20)
    pool.plan(round_id)
    assert awards(pool, "p1") == [("gauze", "best-gauze", 2)]


def test_leaving_the_supplier_of_the_last_invoice_counts(
    pool: Any, offer_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(pool, offer_of("acme", "gauze", "6.00", id="incumbent"))
    bought = {("p1", "gauze"): "acme"}
    monkeypatch.setattr(prices, "last_suppliers", lambda *_: bought)
    round_id = pool.open()
    pool.want(round_id, "p1", gauze=20)
    rule(pool, round_id, switching_cost=150)
    pool.plan(round_id)
    assert awards(pool, "p1") == [("gauze", "best-gauze", 2)]  # 10.00 and 1.50 against 12.00
    rule(pool, round_id, switching_cost=250)
    pool.plan(round_id)
    second = pool.desk.one(PurchasingPlan, version=2)
    assert [a.offer_id for a in pool.desk.rows(PlanAward, plan_id=second.id)] == ["incumbent"]


def test_rules_without_sense_are_refused_and_the_others_are_kept(pool: Any) -> None:
    half = Committed("acme", "gloves", 500_000)
    more = Committed("best", "gloves", 600_000)
    for rules, path in (
        (RoundRules(max_suppliers=0), "maxSuppliers"),
        (RoundRules(max_suppliers_per_category=(("gloves", -1),)), "maxSuppliersPerCategory"),
        (RoundRules(commitments=(half, half)), "commitments"),
        (RoundRules(commitments=(half, more)), "commitments"),
        (RoundRules(commitments=(half,), without_suppliers=("acme",)), "withoutSuppliers"),
        (RoundRules(switching_cost=-1), "switchingCost"),
    ):
        with pytest.raises(Rejected) as caught:
            check_rules(rules)
        assert caught.value.path == path
    kept = RoundRules(2, 1, (("gloves", 1),), (half,), ("best",), 2000, split_lines=True)
    assert rules_from_json(rules_to_json(kept)) == kept
    assert rules_to_json(RoundRules()) == {}
    round_id = pool.open()
    with pytest.raises(NotFound):
        rule(pool, round_id, without_suppliers=("nobody",))


def test_a_commitment_is_kept_or_told_by_name(pool: Any) -> None:
    round_id = pool.open()
    for practice in pool.practices[:2]:
        pool.want(round_id, practice, gloves=50)
    rule(pool, round_id, commitments=(Committed("acme", "gloves", 800_000),))
    pool.plan(round_id)
    assert {row.supplier_id for row in pool.desk.rows(PlanAward)} == {"acme"}
    rule(pool, round_id, commitments=(Committed("acme", "gauze", 800_000),))
    assert pool.plan(round_id).status == "solved"  # nobody asked for gauze

    def number(session: Any) -> int:
        return len(session.scalars(select(RoundOffer.id)).all())

    assert pool.work(number) == 3


def test_offers_in_another_currency_are_left_out_and_counted(pool: Any) -> None:
    def euros(session: Any) -> None:
        session.get_one(Offer, "best-gauze").currency = "EUR"

    pool.work(euros)
    round_id = pool.open()
    lock(pool, round_id)
    assert {row.offer_id for row in pool.desk.rows(RoundOffer)} == {"acme-gloves", "best-gloves"}
    last = max(pool.desk.rows(PurchasingStep), key=lambda step: step.number)
    assert (last.step, last.why) == (
        "lock",
        "Offers in another currency than USD left out: 1.",
    )
