"""A purchasing round from requisitions to invoices, and everything that may go wrong on the way."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from hub.domain.agreements import (
    READABLE_CLASSES,
    Domain,
    PrincipalKind,
    Purpose,
    Scope,
    practice_scope,
    unrestricted_scope,
)
from hub.domain.jobs import Job
from hub.domain.purchasing.scenarios import Changes
from hub.entrypoints.demo.purchasing import demand_of
from hub.errors import Cancelled, Conflict, Forbidden, NotFound, Rejected
from hub.services import approvals, requisitions, rounds, scenarios
from hub.storage.tables import (
    Item,
    JobRow,
    PurchaseOrder,
    PurchaseOrderLine,
    PurchasingRound,
    PurchasingScenario,
    PurchasingShare,
    PurchasingStep,
    SolveCheckpoint,
)
from jobs import purchasing as purchasing_jobs

ALL = unrestricted_scope("test")


@pytest.fixture
def stocked(office: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Catalogues read; solving stays in this process to be quick."""

    monkeypatch.setattr(
        purchasing_jobs,
        "run_telling",
        lambda job, call, argument, told, megabytes: call(argument, told),
    )
    for name in ("supply_rest", "supply_x12"):
        office.add(Job.SYNC_STREAMS, connection_id=office.connection(name))
    assert {row.state for row in office.drain()} == {"done"}
    return office


def write(office: Any, scope: Scope, work: Any) -> Any:
    return office.hub.database.transaction(scope, work)


def open_round(office: Any) -> str:
    found: str = write(
        office, ALL, lambda s: rounds.open_round(s, name="March", now=office.clock())
    )
    return found


def submit(office: Any, round_id: str) -> None:
    items = {item.gtin: item.id for item in office.all(Item)}
    for practice in office.world.practices:
        lines = [(items[gtin], units) for gtin, units in demand_of(practice, 1, list(items))]
        write(
            office,
            practice_scope(practice.id),
            lambda s, practice=practice, lines=lines: requisitions.submit_requisition(
                s,
                practice_id=practice.id,
                round_id=round_id,
                lines=lines,
                by="test",
                now=office.clock(),
            ),
        )


def solve(office: Any, round_id: str) -> Any:
    write(office, ALL, lambda s: rounds.run_round(s, round_id=round_id, now=office.clock()))
    office.drain()
    (row,) = office.all(PurchasingRound)
    return row


def approve(office: Any, scope: Scope, round_id: str, plan: int | None = None) -> list[str]:
    (row,) = office.all(PurchasingRound)
    seen = row.plan_version if plan is None else plan
    approved: list[str] = write(
        office,
        scope,
        lambda s: approvals.approve_round(
            s, round_id=round_id, plan_version=seen, by="test", now=office.clock()
        ),
    )
    office.drain()
    return approved


def mso(office: Any, *delegated: str) -> Scope:
    everyone = frozenset(practice.id for practice in office.world.practices)
    return Scope(
        principal_id="app",
        principal_name="app",
        kind=PrincipalKind.MSO_APP,
        purpose=Purpose.OPERATIONS,
        classes=READABLE_CLASSES,
        rows=dict.fromkeys(Domain, everyone),
        delegated_approval=frozenset(delegated),
    )


def test_a_round_is_solved_with_a_bound_and_shares_to_the_cent(stocked: Any) -> None:
    round_id = open_round(stocked)
    submit(stocked, round_id)
    row = solve(stocked, round_id)
    assert row.status == "solved"
    assert row.lower_bound <= row.pooled_cost < row.standalone_cost
    assert Decimal(0) <= row.gap <= Decimal("0.001")
    shares = stocked.all(PurchasingShare)
    assert sum(share.pays for share in shares) == row.pooled_cost
    assert all(share.pays <= share.standalone_cost for share in shares)
    orders = stocked.all(PurchaseOrder)
    assert {order.status for order in orders} == {"proposed"}
    for order in orders:
        lines = [line for line in stocked.all(PurchaseOrderLine) if line.order_id == order.id]
        assert sum(line.amount for line in lines) == order.goods
        assert order.total == order.goods + order.shipping


def test_nothing_is_ordered_before_every_practice_has_approved(stocked: Any) -> None:
    round_id = open_round(stocked)
    submit(stocked, round_id)
    solve(stocked, round_id)
    first, *others = stocked.world.practices
    assert approve(stocked, practice_scope(first.id), round_id) == [first.id]
    assert approve(stocked, practice_scope(first.id), round_id) == []
    assert {order.status for order in stocked.all(PurchaseOrder)} == {"proposed"}
    assert stocked.vendors.orders_held() == {}
    for practice in others:
        approve(stocked, practice_scope(practice.id), round_id)
    orders = stocked.all(PurchaseOrder)
    assert {order.send_state for order in orders} == {"sent"}
    assert stocked.vendors.orders_held() == {order.number: 1 for order in orders}


def test_the_mso_approves_only_where_it_was_delegated(stocked: Any) -> None:
    round_id = open_round(stocked)
    submit(stocked, round_id)
    solve(stocked, round_id)
    with pytest.raises(Forbidden):
        approve(stocked, mso(stocked), round_id)
    first = stocked.world.practices[0].id
    assert approve(stocked, mso(stocked, first), round_id) == [first]


def test_a_locked_round_takes_no_requisitions_and_an_ordered_one_is_not_run_again(
    stocked: Any,
) -> None:
    round_id = open_round(stocked)
    submit(stocked, round_id)
    solve(stocked, round_id)
    with pytest.raises(Conflict, match="locked"):
        submit(stocked, round_id)
    first = practice_scope(stocked.world.practices[0].id)
    assert approve(stocked, first, round_id)
    row = solve(stocked, round_id)
    assert row.plan_version == 2
    shares = stocked.all(PurchasingShare)
    assert len(shares) == len(stocked.world.practices)
    assert all(share.approved_at is None for share in shares)  # of the plan that is gone
    with pytest.raises(Conflict, match="another plan"):
        approve(stocked, first, round_id, plan=1)
    for practice in stocked.world.practices:
        approve(stocked, practice_scope(practice.id), round_id)
    with pytest.raises(Conflict, match="ordered"):
        solve(stocked, round_id)


def test_bad_requisitions_each_get_their_answer(stocked: Any) -> None:
    round_id, practice = open_round(stocked), stocked.world.practices[0].id
    item = stocked.all(Item)[0].id

    def state(round_id: str, lines: list[tuple[str, int]]) -> None:
        write(
            stocked,
            practice_scope(practice),
            lambda s: requisitions.submit_requisition(
                s,
                practice_id=practice,
                round_id=round_id,
                lines=lines,
                by="test",
                now=stocked.clock(),
            ),
        )

    for lines in ([], [(item, 0)], [(item, -3)], [(item, 1), (item, 2)]):
        with pytest.raises(Rejected):
            state(round_id, lines)
    for unknown in (("no-such-round", [(item, 1)]), (round_id, [("no-such-item", 1)])):
        with pytest.raises(NotFound):
            state(*unknown)
    with pytest.raises(Conflict):
        open_round(stocked)


def test_an_answer_lost_on_the_way_is_looked_up_and_not_ordered_twice(stocked: Any) -> None:
    round_id = open_round(stocked)
    submit(stocked, round_id)
    solve(stocked, round_id)
    fault = {"kind": "accepted_then_lost", "times": 1}
    stocked.faults("supply_rest", {**fault, "match": "/v1/orders"})
    stocked.faults("supply_x12", {**fault, "match": "/edi/850"})
    for practice in stocked.world.practices:
        approve(stocked, practice_scope(practice.id), round_id)
    stocked.clock.forward(hours=1)
    stocked.drain()
    placing = [job for job in stocked.all(JobRow) if job.kind == Job.PLACE_ORDER]
    assert max(job.attempt for job in placing) == 2
    orders = stocked.all(PurchaseOrder)
    assert {order.send_state for order in orders} == {"sent"}
    assert stocked.vendors.orders_held() == {order.number: 1 for order in orders}
    for app in ("supply_rest", "supply_x12"):
        for held in stocked.vendors.apps[app].state.vendor.orders.listing():
            assert held["submissions"] == 1


def test_an_order_the_vendor_refuses_waits_for_a_person(stocked: Any) -> None:
    round_id = open_round(stocked)
    submit(stocked, round_id)
    solve(stocked, round_id)
    refusal = {"kind": "status", "times": 99, "params": {"status": 422}}
    stocked.faults("supply_rest", {**refusal, "match": "/v1/orders"})
    for practice in stocked.world.practices:
        approve(stocked, practice_scope(practice.id), round_id)
    refused = [order for order in stocked.all(PurchaseOrder) if order.send_state == "refused"]
    assert refused
    assert {order.status for order in refused} == {"needs_review"}


def test_a_cancelled_solve_sends_the_round_back_and_the_next_begins_from_its_best_plan(
    stocked: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    round_id = open_round(stocked)
    submit(stocked, round_id)

    def cancelled(job: Any, call: Any, argument: Any, told: Any, megabytes: int) -> None:
        call(argument, told)
        raise Cancelled("The job was cancelled.")

    with monkeypatch.context() as patched:
        patched.setattr(purchasing_jobs, "run_telling", cancelled)
        assert solve(stocked, round_id).status == "locked"
    [kept] = stocked.all(SolveCheckpoint)
    assert (kept.subject, len(kept.demand_digest)) == (round_id, 64)
    [job] = [job for job in stocked.all(JobRow) if job.kind == Job.SOLVE_ROUND]
    assert {"phase", "seconds", "gap_millionths"} <= job.progress.keys()
    starts: list[Any] = []

    def heard(job: Any, call: Any, argument: Any, told: Any, megabytes: int) -> Any:
        starts.append(argument[1])
        return call(argument, told)

    monkeypatch.setattr(purchasing_jobs, "run_telling", heard)
    assert solve(stocked, round_id).status == "solved"
    assert len(starts[0]) == len(kept.choices["lines"])


def test_a_scenario_is_solved_by_its_own_job_beside_the_plan(stocked: Any) -> None:
    round_id = open_round(stocked)
    submit(stocked, round_id)
    row = solve(stocked, round_id)
    changes = Changes(max_vendors_per_practice=1)
    write(
        stocked,
        ALL,
        lambda s: scenarios.add_scenario(
            s, round_id=round_id, name="One each", changes=changes, by="mso", now=stocked.clock()
        ),
    )
    stocked.drain()
    [scenario] = stocked.all(PurchasingScenario)
    assert scenario.state in {"solved", "infeasible"}
    assert (scenario.base_cost, scenario.plan_version) == (row.pooled_cost, 1)


def test_demand_that_makes_no_sense_sends_the_round_back_with_the_reason(
    stocked: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    round_id = open_round(stocked)
    submit(stocked, round_id)

    def rejected(*_: Any, **__: Any) -> None:
        raise Rejected("A tier is dearer than the one below.")

    monkeypatch.setattr(purchasing_jobs.problems, "load_problem", rejected)
    assert solve(stocked, round_id).status == "locked"
    last = max(stocked.all(PurchasingStep), key=lambda step: step.number)
    assert (last.step, last.why) == ("stop_solving", "A tier is dearer than the one below.")
