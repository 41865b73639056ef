"""Quantities in base units: by the item's own packs, or not at all."""

from __future__ import annotations

import pytest

from hub.domain.supply_units import NoUnits, PackLevel, unit_code, units_in, whole_quantity

PACKS = (PackLevel("CA", 10, "BX"), PackLevel("BX", 100, "EA"))


@pytest.mark.parametrize(("unit", "units"), [("EA", 1), ("BX", 100), ("CA", 1000)])
def test_a_unit_is_followed_down_to_the_base_unit(unit: str, units: int) -> None:
    assert units_in(PACKS, unit, "EA") == units


def test_what_the_packs_do_not_say_is_named_and_not_guessed() -> None:
    for levels in ((), PACKS[:1], (PackLevel("CA", 10, "BX"), PackLevel("BX", 2, "CA"))):
        found = units_in(levels, "CA", "EA")
        assert isinstance(found, NoUnits)
        assert "how many EA are in one CA" in found.reason


def test_two_ways_with_different_results_are_ambiguous_and_with_equal_ones_are_not() -> None:
    found = units_in((*PACKS, PackLevel("CA", 500, "EA")), "CA", "EA")
    assert isinstance(found, NoUnits)
    assert "500 or 1000" in found.reason
    assert units_in((*PACKS, PackLevel("CA", 1000, "EA")), "CA", "EA") == 1000


@pytest.mark.parametrize(
    ("text", "code"),
    [("box", "BX"), ("Boxes", "BX"), ("BX", "BX"), (" each. ", "EA"), ("cs", "CA"), ("ZZ", "ZZ")],
)
def test_units_are_read_as_people_write_them(text: str, code: str) -> None:
    assert unit_code(text) == code


@pytest.mark.parametrize(("text", "count"), [("12", 12), (" 1,200 ", 1200), ("3.0", 3)])
def test_whole_quantities_are_read(text: str, count: int) -> None:
    assert whole_quantity(text) == count


@pytest.mark.parametrize("text", ["", "a dozen", "1.5", "0", "-3", "NaN", "1e99", "10000001"])
def test_other_quantities_get_a_sentence(text: str) -> None:
    found = whole_quantity(text)
    assert isinstance(found, NoUnits)
    assert found.reason.endswith(".")
