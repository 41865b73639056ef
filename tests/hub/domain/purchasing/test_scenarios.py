"""What if: changes of a problem, said in words, and refused where they name nothing."""

from __future__ import annotations

from typing import Any

import pytest

from hub.domain.purchasing.instance import (
    Demand,
    Instance,
    Item,
    Offer,
    Practice,
    Tier,
    Vendor,
)
from hub.domain.purchasing.scenarios import (
    Changes,
    OfferTiers,
    apply_changes,
    changes_from_json,
    changes_to_json,
    in_words,
)
from hub.domain.purchasing.solve import Progress, solve
from hub.errors import Rejected

ROUND = Instance(
    practices=(Practice("p"), Practice("q")),
    items=(Item("g", "gloves"), Item("s", "swabs")),
    demand=(Demand("p", "g", 15), Demand("q", "g", 10), Demand("p", "s", 5)),
    vendors=(Vendor("a"), Vendor("b")),
    offers=(
        Offer("a", "g", 1, (Tier(0, 100), Tier(20, 80))),
        Offer("b", "g", 1, (Tier(0, 90),)),
        Offer("b", "s", 1, (Tier(0, 10),)),
    ),
)


def cost(changes: Changes, start: Any = None) -> int | None:
    return solve(apply_changes(ROUND, changes), start=start).cost


def test_each_change_has_its_effect_and_the_round_stays_as_it_is() -> None:
    before = ROUND
    assert cost(Changes()) == 25 * 80 + 50
    assert cost(Changes(drop_vendors=("a",))) == 25 * 90 + 50
    assert cost(Changes(max_vendors=1)) == 25 * 90 + 50
    assert cost(Changes(offer_tiers=(OfferTiers("b", "g", (Tier(0, 70),)),))) == 25 * 70 + 50
    assert cost(Changes(demand_percent=(("gloves", 0),))) == 50
    assert cost(Changes(demand_percent=(("gloves", 50),))) == 13 * 90 + 50
    assert before == ROUND


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        (Changes(drop_vendors=("z",)), "dropSuppliers"),
        (Changes(offer_tiers=(OfferTiers("a", "s", (Tier(0, 1),)),)), "offerTiers"),
        (Changes(demand_percent=(("masks", 50),)), "demandPercent"),
        (Changes(demand_percent=(("gloves", -1),)), "demandPercent"),
    ],
)
def test_a_change_of_nothing_is_refused(changes: Changes, path: str) -> None:
    with pytest.raises(Rejected) as caught:
        apply_changes(ROUND, changes)
    assert caught.value.path == path


def test_changes_are_kept_and_said_in_words() -> None:
    changes = Changes(
        ("a",), 2, 1, (OfferTiers("b", "g", (Tier(0, 70), Tier(9, 65))),), (("x", 0),)
    )
    assert changes_from_json(changes_to_json(changes)) == changes
    assert in_words(changes, {"a": "Acme Supply", "g": "Gloves M"}) == (
        "Without Acme Supply; at most 2 suppliers; at most 1 supplier per practice; "
        "b asks 0.70 from 0, 0.65 from 9 packs for Gloves M; 0 % of x."
    )
    assert in_words(Changes(), {}) == "No change."


def test_a_solve_begins_from_an_earlier_plan_and_reports_each_better_one() -> None:
    reports: list[Progress] = []
    plan = solve(ROUND, reports.append)
    chosen = {(a.practice, a.item): (a.vendor, a.offer_item) for a in plan.awards}
    found = [r.choices for r in reports if r.choices is not None]
    assert found[-1] == chosen
    stopped = solve(ROUND, should_stop=lambda: True, start=chosen)
    assert (stopped.cost, stopped.interrupted) == (plan.cost, True)
    assert solve(ROUND, start={("p", "g"): ("z", "g")}).cost == plan.cost
