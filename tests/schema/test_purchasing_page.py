"""The page of scenarios over HTTP: for the MSO, under the small-group rule."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from hub.domain.agreements import Domain
from hub.storage import tables
from hub.storage.reads.write import global_id as gid


@pytest.fixture
def compared(world: Any) -> Any:
    """A round with a plan and a scenario over two practices."""
    world.north, world.south = world.practice("North"), world.practice("South")
    world.agreement(world.north, Domain.SUPPLY)
    world.add(
        tables.PurchasingRound(
            id="r", name="March", status="solved", opened_at=world.now, pooled_cost=Decimal("90.00")
        ),
        tables.PurchasingScenario(
            id="s",
            round_id="r",
            name="One supplier",
            changes={},
            summary="At most 1 suppliers.",
            state="solved",
            pooled_cost=Decimal("95.00"),
            difference=Decimal("5.00"),
            created_at=world.now,
        ),
    )
    for practice in (world.north, world.south):
        figures = {"standalone_cost": Decimal("50.00"), "pays": Decimal("45.00")}
        world.add(
            tables.PurchasingShare(practice_id=practice, round_id="r", **figures),
            tables.ScenarioShare(practice_id=practice, scenario_id="s", **figures),
        )
    return world


def get(world: Any, app: Any, round_id: str = "r") -> Any:
    path = f"/purchasing/rounds/{gid('PurchasingRound', round_id)}/scenarios"
    return world.http.get(path, headers={"authorization": f"Bearer {app.key}"})


def test_the_mso_sees_plan_and_scenarios_side_by_side_where_agreements_cover_all(
    compared: Any,
) -> None:
    office = compared.mso()
    partly = get(compared, office)
    assert partly.status_code == 200
    assert "95.00" not in partly.text
    assert "not all agreements cover them" in partly.text
    compared.agreement(compared.south, Domain.SUPPLY)
    page = get(compared, office)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "not all agreements" not in page.text
    for text in ("March", "90.00", "One supplier", "95.00", "5.00", "<svg"):
        assert text in page.text


def test_others_do_not_see_it(compared: Any) -> None:
    assert get(compared, compared.app(compared.north)).status_code == 403
    assert get(compared, compared.mso(), "nothing").status_code == 404
    path = f"/purchasing/rounds/{gid('PurchasingRound', 'r')}/scenarios"
    answer = compared.http.get(path)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
