"""Solves that die, are stopped or withdrawn: the round says so, and goes on from its best plan."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from hub.domain.agreements import practice_scope, unrestricted_scope
from hub.domain.jobs import Job
from hub.domain.purchasing.scenarios import Changes
from hub.errors import Conflict
from hub.services import jobs, requisitions, rounds, scenarios
from hub.services.operators import Operator
from hub.storage import leases, queue
from hub.storage.session import ScopedSession
from hub.storage.tables import (
    Connection,
    Item,
    JobRow,
    Offer,
    OfferTier,
    Practice,
    PurchasingRound,
    PurchasingScenario,
    PurchasingStep,
    SolveCheckpoint,
    Supplier,
)
from jobs import purchasing as purchasing_jobs
from jobs.children import ChildDied
from jobs.worker import rescue

ALL = unrestricted_scope("test")


@pytest.fixture
def market(bare_office: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Two practices that want gloves of one supplier, in an open round; solved in this process."""
    monkeypatch.setattr(
        purchasing_jobs,
        "run_telling",
        lambda job, call, argument, told, megabytes: call(argument, told),
    )
    now = bare_office.clock()

    def seed(session: ScopedSession) -> str:
        for practice in ("p1", "p2"):
            session.add(Practice(id=practice, name=practice, zone="UTC", created_at=now))
        session.add(Connection(id="c", name="c", connector_id="t", config={}, created_at=now))
        session.add(Item(id="gloves", gtin="00012345678905", name="Gloves", category="gloves"))
        session.flush()
        session.add(Supplier(id="acme", name="Acme", connection_id="c", rebates={}))
        session.flush()
        facts = {"pack_units": 10, "pack_unit_code": "BX", "updated_at": now}
        session.add(
            Offer(
                id="o",
                supplier_id="acme",
                item_id="gloves",
                external_id="o",
                vendor_part="G",
                **facts,
            )
        )
        session.flush()
        session.add(OfferTier(offer_id="o", from_packs=0, price=Decimal("9.00")))
        return rounds.open_round(session, name="March", now=now)

    bare_office.round_id = write(bare_office, seed)
    for practice in ("p1", "p2"):
        scope = practice_scope(practice)
        bare_office.hub.database.transaction(
            scope,
            lambda s, practice=practice: requisitions.submit_requisition(
                s,
                practice_id=practice,
                round_id=bare_office.round_id,
                lines=[("gloves", 50)],
                by="test",
                now=now,
            ),
        )
    return bare_office


def write(office: Any, work: Any) -> Any:
    return office.hub.database.transaction(ALL, work)


def run(office: Any) -> None:
    write(office, lambda s: rounds.run_round(s, round_id=office.round_id, now=office.clock()))


def solve(office: Any) -> Any:
    run(office)
    office.drain()
    (row,) = office.all(PurchasingRound)
    return row


def job_of(office: Any, kind: Job) -> Any:
    return max((job for job in office.all(JobRow) if job.kind == kind), key=lambda job: job.id)


def told_once(job: Any, call: Any, argument: Any, told: Any, megabytes: int) -> None:
    """A solve that has told of its best plan when its process is killed."""
    call(argument, told)
    raise ChildDied


def test_a_solve_killed_on_every_attempt_says_so_and_goes_on_from_its_best_plan(
    market: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(purchasing_jobs, "run_telling", told_once)
        row = solve(market)
        assert row.status == "solving"  # two attempts are left
        for _ in range(2):
            market.clock.forward(hours=2)
            market.drain()
    (row,) = market.all(PurchasingRound)
    assert (row.status, job_of(market, Job.SOLVE_ROUND).state) == ("locked", "dead")
    last = max(market.all(PurchasingStep), key=lambda step: step.number)
    assert (last.step, last.why) == ("stop_solving", "An unexpected ChildDied stopped the job.")
    starts: list[Any] = []

    def heard(job: Any, call: Any, argument: Any, told: Any, megabytes: int) -> Any:
        starts.append(argument[1])
        return call(argument, told)

    monkeypatch.setattr(purchasing_jobs, "run_telling", heard)
    assert solve(market).status == "solved"
    [kept] = market.all(SolveCheckpoint)
    assert len(starts[0]) == len(kept.choices["lines"])


def test_a_solve_whose_worker_dies_leaves_no_round_behind(market: Any) -> None:
    run(market)
    for attempt in range(3):
        assert [job.attempt for job in market.claim(queue.DEFAULT_QUEUE)] == [attempt + 1]
        market.clock.forward(minutes=5)
        assert len(write(market, lambda s: rescue(s, market.clock()))) == 1
        market.clock.forward(hours=1)
    (row,) = market.all(PurchasingRound)
    last = max(market.all(PurchasingStep), key=lambda step: step.number)
    assert (row.status, last.why) == ("locked", "The worker died or hung on every attempt.")
    dead = job_of(market, Job.SOLVE_ROUND).id
    who = Operator("ann")
    write(
        market,
        lambda s: jobs.retry(s, dead, operator=who, reason="Again.", now=market.clock()),
    )
    assert market.all(PurchasingRound)[0].status == "solving"
    market.drain()
    assert market.all(PurchasingRound)[0].status == "solved"


def test_a_solve_is_withdrawn_before_it_begins_and_stops_while_it_runs(
    market: Any, monkeypatch: pytest.MonkeyPatch
) -> None:

    def stop() -> int:
        found: int = write(
            market,
            lambda s: rounds.ask_to_stop(
                s, round_id=market.round_id, by="ann", why="Prices changed.", now=market.clock()
            ),
        )
        return found

    run(market)
    job_id = stop()
    assert market.all(PurchasingRound)[0].status == "locked"
    assert job_of(market, Job.SOLVE_ROUND).state == "cancelled"
    with pytest.raises(Conflict, match="locked"):
        stop()

    def stopped(job: Any, call: Any, argument: Any, told: Any, megabytes: int) -> None:
        call(argument, told)
        assert stop() == job.claimed.id > job_id
        beat = write(
            market,
            lambda s: leases.heartbeat(
                s, [job.claimed], lease=timedelta(minutes=1), now=market.clock()
            ),
        )
        job.cancel_asked = job.claimed.token in beat
        job.check()

    monkeypatch.setattr(purchasing_jobs, "run_telling", stopped)
    assert solve(market).status == "locked"
    steps = sorted(market.all(PurchasingStep), key=lambda step: step.number)
    assert [step.step for step in steps[-3:]] == ["solve", "ask_to_stop", "stop_solving"]
    assert (steps[-2].taken_by, steps[-2].why) == ("ann", "Prices changed.")


def test_progress_tells_the_best_plan_and_the_bound_without_amounts(market: Any) -> None:
    solve(market)
    progress = job_of(market, Job.SOLVE_ROUND).progress
    assert progress.keys() == {
        "phase",
        "seconds",
        "gap_millionths",
        "cost_millionths",
        "lower_bound_millionths",
    }
    assert progress["lower_bound_millionths"] <= progress["cost_millionths"] <= 1_000_000


def test_a_scenario_whose_solve_dies_or_is_stopped_says_so(market: Any) -> None:
    solve(market)

    def ask(name: str) -> str:
        found: tuple[str, int] = write(
            market,
            lambda s: scenarios.add_scenario(
                s,
                round_id=market.round_id,
                name=name,
                changes=Changes(max_vendors=1),
                by="mso",
                now=market.clock(),
            ),
        )
        return found[0]

    stopped, lost = ask("One"), ask("Two")
    write(market, lambda s: scenarios.ask_to_stop(s, scenario_id=stopped, now=market.clock()))
    for _ in range(3):
        assert len(market.claim(queue.DEFAULT_QUEUE)) == 1
        market.clock.forward(minutes=5)
        write(market, lambda s: rescue(s, market.clock()))
        market.clock.forward(hours=1)
    rows = {row.id: (row.state, row.explanation) for row in market.all(PurchasingScenario)}
    assert rows == {
        stopped: ("failed", "It was stopped before it was solved."),
        lost: ("failed", "The worker died or hung on every attempt."),
    }
