"""Bids: their canonical form, and a sentence with a place for each fault."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.supply import PriceTier
from hub.domain.supply_bids import Bid, BidLine, bid_to_json, check_bid, read_bid
from hub.errors import Rejected

LINE: dict[str, Any] = {
    "gtin": "012345678905",
    "vendor_part": "A-1",
    "pack_units": 100,
    "unit": "BX",
    "tiers": [{"from_packs": 0, "price": "9.50"}, {"from_packs": 10, "price": "9"}],
}
BID: dict[str, Any] = {"invitation": "i", "document": "B-1", "lines": [LINE]}


def test_a_bid_is_the_same_after_it_was_sealed_and_read() -> None:
    bid = read_bid(json.dumps(BID).encode())
    assert bid.lines[0].tiers[1] == PriceTier(10, Decimal("9"))
    assert read_bid(bid_to_json(bid)) == bid
    assert bid_to_json(read_bid(bid_to_json(bid))) == bid_to_json(bid)


@pytest.mark.parametrize(
    ("change", "sentence", "path"),
    [
        ({"tiers": []}, "tiers ascend", "lines[0]"),
        ({"tiers": [{"from_packs": 5, "price": "1.00"}]}, "tiers ascend", "lines[0]"),
        (
            {"tiers": [{"from_packs": 0, "price": "1.00"}, {"from_packs": 5, "price": "1.01"}]},
            "costs no more",
            "lines[0]",
        ),
        ({"tiers": [{"from_packs": 0, "price": "1.001"}]}, "two decimals", "lines[0]"),
        ({"tiers": [{"from_packs": 0, "price": 1.5}]}, "decimal string", "lines[0].tiers[0].price"),
        ({"pack_units": 0}, "at least one unit", "lines[0]"),
        ({"pack_units": "10"}, "whole number", "lines[0].pack_units"),
        ({"gtin": ""}, "key gtin", "lines[0]"),
        ({"colour": "blue"}, "no key colour", "lines[0]"),
    ],
)
def test_each_fault_of_a_line_has_its_sentence_and_place(
    change: dict[str, Any], sentence: str, path: str
) -> None:
    with pytest.raises(Rejected, match=sentence) as caught:
        read_bid(json.dumps({**BID, "lines": [{**LINE, **change}]}).encode())
    assert caught.value.path == path


@given(st.binary(max_size=80))
def test_no_bytes_crash_the_reader(content: bytes) -> None:
    with pytest.raises(Rejected):
        read_bid(content)


def test_a_bid_without_lines_is_none() -> None:
    with pytest.raises(Rejected, match="1 to 20000 lines"):
        check_bid(Bid("i", "d", ()))
    line = BidLine("1", "a", 1, "EA", (PriceTier(0, Decimal("0.00")),))
    check_bid(Bid("i", "d", (line,)))
