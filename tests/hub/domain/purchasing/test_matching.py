"""Which item is meant: what decides alone, what only suggests, and what a person said before."""

from __future__ import annotations

import pytest

from hub.domain.purchasing.matching import (
    Catalogue,
    CatalogueItem,
    Match,
    Said,
    Unmatched,
    identify,
)

GLOVES = CatalogueItem(
    "gloves", "00012345678905", "Nitrile exam gloves, medium", "Acme Med", "NG-100",
    {"10012345678902": "CA"},
)  # fmt: skip
LARGE = CatalogueItem("large", "00036000291452", "Nitrile exam gloves, large", "Acme Med", "NG-200")
TWIN = CatalogueItem("twin", "04006381333931", "Marker, black", "Other", "ng100")
CATALOGUE = Catalogue([GLOVES, LARGE, TWIN])


def unmatched(said: Said, **more: object) -> Unmatched:
    found = identify(CATALOGUE, said, {}, **more)  # type: ignore[arg-type]
    assert isinstance(found, Unmatched)
    return found


@pytest.mark.parametrize(
    "gtin", ["012345678905", "00012345678905", " 12345678905 "[1:-1].zfill(12)]
)
def test_a_valid_gtin_decides_in_any_length(gtin: str) -> None:
    assert identify(CATALOGUE, Said(gtin=gtin), {}) == Match("gloves", "gtin")


def test_the_gtin_of_a_pack_says_item_and_unit() -> None:
    assert identify(CATALOGUE, Said(gtin="10012345678902"), {}) == Match(
        "gloves", "pack_gtin", "CA"
    )


def test_a_wrong_check_digit_decides_nothing_and_is_named() -> None:
    found = unmatched(Said(gtin="012345678904", description="nitrile exam gloves medium"))
    assert "check digit" in found.issue
    assert [s.item_id for s in found.suggestions] == ["gloves", "large"]


def test_a_part_number_decides_with_its_maker_only() -> None:
    said = Said(manufacturer="ACME-med", part="ng 100")
    assert identify(CATALOGUE, said, {}) == Match("gloves", "part")
    found = unmatched(Said(part="NG-100"))
    assert found.issue == "A part number counts only with its maker."
    assert {s.item_id for s in found.suggestions} == {"gloves", "twin"}
    assert found.suggestions[0].reasons == ("It has the same part number.",)


def test_a_gtin_that_nobody_knows_is_not_overruled_by_a_part_number() -> None:
    found = unmatched(Said(gtin="4006381333948", manufacturer="Acme Med", part="NG-100"))
    assert found.issue == "No item of the catalogue has this GTIN."
    assert found.suggestions[0].item_id == "gloves"


def test_a_reviewed_match_is_remembered_whatever_the_spelling() -> None:
    confirmed = {Said(description="Blue gloves, the box").key: "large"}
    said = Said(description="  BLUE glove box ")
    assert identify(CATALOGUE, said, confirmed) == Match("large", "reviewed")


def test_a_refused_suggestion_does_not_come_back() -> None:
    said = Said(description="exam gloves")
    assert len(unmatched(said).suggestions) == 2
    found = unmatched(said, refused={(said.key, "large")})
    assert [s.item_id for s in found.suggestions] == ["gloves"]


def test_a_line_without_likeness_has_no_suggestion_but_a_sentence() -> None:
    found = unmatched(Said(description="wheelchair"))
    assert found.suggestions == ()
    assert found.issue.endswith(".")
