"""Which numbers are kept: what fits into every column, and nothing that cannot be computed with."""

from __future__ import annotations

from decimal import Decimal

import pytest

from hub.domain.decimals import is_storable


@pytest.mark.parametrize("text", ["0", "-0.5", "999999999999999.99", "1E14", "1E-30", "-1E-30"])
def test_a_number_of_this_world_is_kept_in_64_characters(text: str) -> None:
    assert is_storable(Decimal(text))
    assert len(format(Decimal(text), "f")) <= 64


@pytest.mark.parametrize(
    "text",
    ["NaN", "sNaN", "Infinity", "1E15", "1E400", "1E+9999999", "-1E+9999999", "1E-31", "1E-9999999",
     "0." + "1" * 100, "0E-400"],
)  # fmt: skip
def test_other_numbers_are_not(text: str) -> None:
    assert not is_storable(Decimal(text))
