"""What a visit's messages say of procedures and people, from the socket to the application."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.end_to_end
FIXTURES = Path(__file__).parents[2] / "fixtures" / "ehr_hl7v2"
QUERY = """{
  encounters(first: 2) { nodes {
    procedures(first: 9) { nodes {
      code minutes modifiers provider { familyName } charge { procedureCode }
      careRoles(first: 5) { nodes { role provider { familyName } } }
    } }
    careRoles(first: 5) { nodes { role startsAtPrecision provider { familyName } } }
  } }
  patients(first: 2) { nodes { careRoles(first: 5) { nodes { role provider { familyName } } } } }
  charges(first: 5) { nodes { procedureCode modifiers procedures(first: 3) { nodes { code } } } }
  clinicalOrders(first: 5) { nodes { placerNumber careRoles(first: 5) { nodes { role } } } }
}"""


def of_this_hub(case: str) -> bytes:
    content = (FIXTURES / f"{case}.hl7").read_bytes()
    return content.replace(b"|CAREDESK|LAKEVIEW|", b"|DESKEHR|NORTH|")


def roles(owner: Any) -> list[tuple[str, str]]:
    return sorted(
        (one["role"], one["provider"]["familyName"]) for one in owner["careRoles"]["nodes"]
    )


def test_procedures_and_roles_are_reached_from_what_they_belong_to(flow: Any) -> None:
    for case in ("adt_a01", "adt_a08_procedures", "dft_p03_procedures", "omg_o19"):
        assert flow.send(of_this_hub(case)).code == "AA"
    flow.wait_until_idle()
    answer = flow.graphql(QUERY, "north")
    assert "errors" not in answer
    (visit,) = answer["data"]["encounters"]["nodes"]
    done = visit["procedures"]["nodes"]
    assert sorted(one["code"] for one in done if one["charge"] is None) == ["00790", "47562"]
    assert sorted(one["code"] for one in done if one["charge"]) == ["36415", "93000", "99213"]
    surgery = next(one for one in done if one["code"] == "47562")
    assert (surgery["minutes"], surgery["modifiers"]) == (75, ["22", "51"])
    assert (surgery["provider"]["familyName"], roles(surgery)) == ("Lund", [("AP", "Stone")])
    assert roles(visit) == [("AD", "Lund"), ("CP", "Lund"), ("CP", "Stone"), ("RP", "Stone")]
    assert roles(answer["data"]["patients"]["nodes"][0]) == [("PP", "Stone")]
    charges = answer["data"]["charges"]["nodes"]
    assert {one["procedureCode"]: one["modifiers"] for one in charges} == {
        "99213": ["25"],
        "93000": ["26", "GC"],
    }
    ordered = {one["placerNumber"]: one for one in answer["data"]["clinicalOrders"]["nodes"]}
    assert [one["role"] for one in ordered["ORD-120"]["careRoles"]["nodes"]] == ["RT"]
