"""A round step by step: who may do what when, what is kept, and what an approval binds."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import update

from hub.domain.agreements import practice_scope
from hub.errors import Conflict, Forbidden, Rejected
from hub.services import approvals, participation, rounds
from hub.storage import audit
from hub.storage.tables import (
    AuditEvent,
    JobRow,
    PlanAward,
    PlanShare,
    PurchaseOrder,
    PurchasingDecision,
    PurchasingPlan,
    PurchasingShare,
    PurchasingStep,
    RequisitionLine,
)


def everyone(pool: Any, round_id: str, gloves: int = 50) -> None:
    for practice in pool.practices:
        pool.want(round_id, practice, gloves=gloves, gauze=20)


def steps(pool: Any) -> list[str]:
    rows = sorted(pool.desk.rows(PurchasingStep), key=lambda row: row.number)
    return [row.step for row in rows]


def part(pool: Any, round_id: str, practice: str, takes_part: bool = False) -> None:
    pool.work(
        lambda s: participation.set_participation(
            s, practice_id=practice, round_id=round_id, takes_part=takes_part, by="x", now=pool.now
        ),
        practice_scope(practice),
    )


def exclude(pool: Any, round_id: str, practice: str, **what: str) -> str:
    found: str = pool.work(
        lambda s: participation.exclude(
            s, practice_id=practice, round_id=round_id, by="x", now=pool.now, **what
        ),
        practice_scope(practice),
    )
    return found


def bought(pool: Any, practice: str) -> dict[str, str]:
    rows = [row for row in pool.desk.rows(PlanAward) if row.practice_id == practice]
    return {row.item_id: row.supplier_id for row in rows}


def test_every_step_is_kept_with_who_and_why_and_audited(pool: Any) -> None:
    round_id = pool.open()
    everyone(pool, round_id)
    pool.plan(round_id)
    pool.work(
        lambda s: approvals.reject_round(
            s, round_id=round_id, by="p1", why="Too dear.", now=pool.now
        ),
        practice_scope("p1"),
    )
    pool.work(
        lambda s: rounds.reopen_round(
            s, round_id=round_id, by="mso", why="A late order.", now=pool.now
        )
    )
    assert steps(pool) == ["open", "lock", "solve", "keep_plan", "send_back", "reopen"]
    last = max(pool.desk.rows(PurchasingStep), key=lambda row: row.number)
    assert (last.taken_by, last.why, last.plan_version) == ("mso", "A late order.", 1)
    back = next(row for row in pool.desk.rows(PurchasingStep) if row.step == "send_back")
    assert back.taken_by == "a practice"
    assert "Too dear." not in back.why
    events = pool.desk.rows(AuditEvent)
    assert [e.operation.split(": ")[1] for e in sorted(events, key=lambda e: e.sequence)] == steps(
        pool
    )
    with pool.desk.database.read(practice_scope("p1")) as session:
        assert audit.verify(session).intact


def test_a_window_that_is_over_and_foreign_categories_take_no_requisitions(pool: Any) -> None:
    end = pool.now + timedelta(days=1)
    round_id = pool.open(requisitions_until=end, categories=("gloves",))
    pool.want(round_id, "p1", gloves=10)
    with pytest.raises(Rejected, match="buys only: gloves"):
        pool.want(round_id, "p1", gauze=10)
    pool.now = end + timedelta(seconds=1)
    with pytest.raises(Conflict, match="time for requisitions"):
        pool.want(round_id, "p1", gloves=20)
    with pytest.raises(Rejected, match="must end later"):
        pool.open("April", requisitions_until=end)


def test_who_stays_out_and_what_is_excluded_is_not_bought(pool: Any) -> None:
    round_id = pool.open()
    everyone(pool, round_id)
    part(pool, round_id, "p1")
    exclude(pool, round_id, "p2", item_id="gauze")
    exclude(pool, round_id, "p3", supplier_id="acme")
    row = pool.plan(round_id)
    assert row.status == "solved"
    assert bought(pool, "p1") == {}
    assert set(bought(pool, "p2")) == {"gloves"}
    assert bought(pool, "p3") == {"gloves": "best", "gauze": "best"}
    assert bought(pool, "p4")["gloves"] == "acme"
    assert len(pool.desk.rows(RequisitionLine)) == 12
    with pytest.raises(Conflict, match="locked"):
        part(pool, round_id, "p1", takes_part=True)


def test_an_exclusion_is_made_once_names_something_and_can_be_taken_back(pool: Any) -> None:
    round_id = pool.open()
    first = exclude(pool, round_id, "p1", item_id="gauze")
    assert exclude(pool, round_id, "p1", item_id="gauze") == first
    with pytest.raises(Rejected, match="item, a supplier"):
        exclude(pool, round_id, "p1")
    pool.work(
        lambda s: participation.include_again(
            s, practice_id="p1", round_id=round_id, exclusion_id=first
        ),
        practice_scope("p1"),
    )
    everyone(pool, round_id)
    pool.plan(round_id)
    assert set(bought(pool, "p1")) == {"gloves", "gauze"}


def test_an_approval_names_the_version_that_was_read(pool: Any) -> None:
    round_id = pool.open()
    everyone(pool, round_id)
    row = pool.plan(round_id)
    assert (row.plan_version, len(row.plan_digest)) == (1, 64)
    with pytest.raises(Conflict, match="another plan"):
        pool.approve(round_id, "p1", plan_version=2)
    with pytest.raises(Conflict, match="another plan"):
        pool.approve(round_id, "p1", digest="0" * 64)
    pool.approve(round_id, "p1", plan_version=1, digest=row.plan_digest)
    decision = pool.desk.one(PurchasingDecision)
    assert (decision.practice_id, decision.plan_version) == ("p1", 1)
    assert decision.plan_digest == row.plan_digest


def test_a_solve_again_keeps_the_old_version_and_asks_everyone_anew(pool: Any) -> None:
    round_id = pool.open()
    everyone(pool, round_id)
    first = pool.plan(round_id)
    pool.approve(round_id, "p1")
    second = pool.plan(round_id)
    assert (second.plan_version, second.plan_digest) == (2, first.plan_digest)
    assert [plan.version for plan in pool.desk.rows(PurchasingPlan)] == [1, 2]
    assert len(pool.desk.rows(PlanShare)) == 12
    assert {share.approved_at for share in pool.desk.rows(PurchasingShare)} == {None}
    assert [row.plan_version for row in pool.desk.rows(PurchasingDecision)] == [1]


def without_undecided(pool: Any, round_id: str) -> list[str]:
    left_out, _ = pool.work(
        lambda s: approvals.plan_without_undecided(
            s, round_id=round_id, by="mso", why="Time is up.", now=pool.now
        ),
        pool.mso(),
    )
    return list(left_out)


def test_going_on_without_some_keeps_approvals_whose_deal_is_the_same(pool: Any) -> None:
    round_id = pool.open()
    for practice in ("p1", "p2"):
        pool.want(round_id, practice, gauze=20)
    pool.plan(round_id)
    pool.approve(round_id, "p1")
    assert without_undecided(pool, round_id) == ["p2"]
    pool.plan(round_id)
    decisions = [(row.plan_version, row.decision) for row in pool.desk.rows(PurchasingDecision)]
    assert sorted(decisions) == [(1, "approved"), (2, "carried_over")]
    assert pool.release(round_id) == 1


def test_going_on_without_some_asks_anew_those_who_would_pay_more(pool: Any) -> None:
    round_id = pool.open()
    for practice in pool.practices[:5]:
        pool.want(round_id, practice, gloves=50)
    pool.want(round_id, "p6", gauze=20)
    pool.plan(round_id)
    assert bought(pool, "p1") == {"gloves": "acme"}
    pool.approve(round_id, "p1", "p6")
    assert without_undecided(pool, round_id) == ["p2", "p3", "p4", "p5"]
    row = pool.plan(round_id)
    shares = {share.practice_id: share for share in pool.desk.rows(PurchasingShare)}
    assert set(shares) == {"p1", "p6"}
    # without the others p1 misses its tier, and p6 its part of what the tier saved
    assert {share.approved_at for share in shares.values()} == {None}
    pool.approve(round_id, "p1", "p6", plan_version=row.plan_version)
    assert pool.release(round_id) == 2


def test_a_rejection_sends_the_round_back_and_orders_nothing(pool: Any) -> None:
    round_id = pool.open()
    everyone(pool, round_id)
    pool.plan(round_id)
    pool.approve(round_id, *pool.practices[1:])
    with pytest.raises(Rejected, match="reason"):
        pool.work(
            lambda s: approvals.reject_round(s, round_id=round_id, by="p1", why=" ", now=pool.now),
            practice_scope("p1"),
        )
    with pytest.raises(Forbidden):
        pool.work(
            lambda s: approvals.reject_round(s, round_id=round_id, by="m", why="No", now=pool.now),
            pool.mso(),
        )
    pool.work(
        lambda s: approvals.reject_round(s, round_id=round_id, by="p1", why="No", now=pool.now),
        practice_scope("p1"),
    )
    assert pool.release(round_id) == 0
    with pytest.raises(Conflict, match="no plan to approve"):
        pool.approve(round_id, "p1")
    assert {order.status for order in pool.desk.rows(PurchaseOrder)} == {"proposed"}


def test_orders_leave_only_as_they_were_approved(pool: Any) -> None:
    round_id = pool.open()
    everyone(pool, round_id)
    pool.plan(round_id)
    pool.approve(round_id)
    pool.work(
        lambda s: s.execute(
            update(PurchaseOrder)
            .where(PurchaseOrder.practice_id == "p1")
            .values(goods=PurchaseOrder.goods + Decimal("0.01"))
        )
    )
    with pytest.raises(Conflict, match="not those of the approved plan"):
        pool.release(round_id)
    assert not [job for job in pool.desk.rows(JobRow) if job.kind == "orders.place"]


def test_a_plan_changed_in_the_store_is_not_ordered(pool: Any) -> None:
    round_id = pool.open()
    everyone(pool, round_id)
    pool.plan(round_id)
    pool.approve(round_id)
    pool.work(lambda s: s.execute(update(PurchasingPlan).values(document={"cost": "1.00"})))
    with pytest.raises(Conflict, match="not the one that was approved"):
        pool.release(round_id)


def test_a_reopened_round_takes_demand_again_and_its_old_plan_stays_readable(pool: Any) -> None:
    round_id = pool.open(requisitions_until=pool.now + timedelta(hours=1))
    everyone(pool, round_id)
    pool.plan(round_id)
    pool.now += timedelta(days=1)
    pool.work(lambda s: rounds.reopen_round(s, round_id=round_id, why="More to buy.", now=pool.now))
    assert pool.desk.rows(PurchaseOrder) == []
    pool.want(round_id, "p1", gloves=500)
    pool.plan(round_id)
    plans = sorted(pool.desk.rows(PurchasingPlan), key=lambda plan: plan.version)
    assert [plan.version for plan in plans] == [1, 2]
    assert plans[0].demand_digest != plans[1].demand_digest
    packs = {
        (row.plan_id == plans[0].id): row.packs
        for row in pool.desk.rows(PlanAward, practice_id="p1", item_id="gloves")
    }
    assert packs == {True: 5, False: 50}


def test_a_round_is_closed_once_its_orders_are_over_and_never_again(pool: Any) -> None:
    round_id = pool.open()
    everyone(pool, round_id)
    pool.plan(round_id)
    pool.approve(round_id)
    pool.release(round_id)

    def close() -> None:
        pool.work(lambda s: rounds.close_round(s, round_id=round_id, why="Done.", now=pool.now))

    with pytest.raises(Conflict, match="on their way"):
        close()
    pool.work(lambda s: s.execute(update(PurchaseOrder).values(status="invoiced")))
    close()
    with pytest.raises(Conflict, match="nothing more is possible"):
        close()


def test_a_second_offer_of_a_vendor_for_an_item_is_used_where_it_is_cheaper(
    pool: Any, offer_of: Any
) -> None:
    rows = offer_of("acme", "gauze", "4.00", id="small", pack_units=10, max_packs=3)
    rows += offer_of("acme", "gauze", "30.00", id="large", pack_units=100)

    def add(session: Any) -> None:
        for row in rows:
            session.add(row)
            session.flush()

    pool.work(add)
    round_id = pool.open()
    pool.want(round_id, "p1", gauze=100)
    pool.want(round_id, "p2", gauze=20)
    pool.plan(round_id)
    assert {row.practice_id: row.offer_id for row in pool.desk.rows(PlanAward)} == {
        "p1": "large",
        "p2": "small",
    }
    pool.approve(round_id, "p1", "p2")
    assert pool.release(round_id) == 2


def test_a_plan_that_would_tell_of_the_practice_that_left_is_marked(pool: Any) -> None:
    round_id = pool.open()
    everyone(pool, round_id)
    first = pool.plan(round_id)
    assert not first.isolating
    pool.work(lambda s: rounds.reopen_round(s, round_id=round_id, why="One left.", now=pool.now))
    part(pool, round_id, "p1")
    second = pool.plan(round_id)
    pool.work(lambda s: rounds.reopen_round(s, round_id=round_id, why="It is back", now=pool.now))
    part(pool, round_id, "p1", takes_part=True)
    third = pool.plan(round_id)
    plans = sorted(pool.desk.rows(PurchasingPlan), key=lambda plan: plan.version)
    assert [plan.isolating for plan in plans] == [False, True, False]
    assert (second.isolating, third.isolating) == (True, False)
