"""What practices let the MSO see: told to the MSO, and to each practice of its own."""

from __future__ import annotations

from typing import Any

from hub.domain.agreements import Domain

AGREEMENTS = """{ serviceAgreements { nodes { domain granularity purposes startsOn endsOn
  practice { name } } } }"""


def test_a_practice_sees_its_own_agreements_and_the_mso_all(world: Any) -> None:
    mine, other = world.practice("Mine"), world.practice("Other")
    world.agreement(mine, Domain.CLINICAL, "LIMITED")
    world.agreement(other, Domain.SUPPLY)
    (own,) = world.app(mine).data(AGREEMENTS)["serviceAgreements"]["nodes"]
    assert own == {
        "domain": "CLINICAL", "granularity": "LIMITED", "purposes": ["OPERATIONS", "PURCHASING"],
        "startsOn": "2026-01-01", "endsOn": None, "practice": {"name": "Mine"},
    }  # fmt: skip
    all_of_them = world.mso().data(AGREEMENTS)["serviceAgreements"]["nodes"]
    assert {one["domain"] for one in all_of_them} == {"CLINICAL", "SUPPLY"}
