"""A supplier's bid on a round: its lines, and the JSON form in which it is sealed and read.

Prices are Decimals per pack with at most two decimals; a bid answers one invitation.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from hub.domain.supply import PriceTier
from hub.errors import Rejected

LARGEST_BID = 5_000_000
MOST_LINES = 20_000
MOST_TIERS = 20
LARGEST_PRICE = Decimal(10_000_000)
_LINE = frozenset(
    {"gtin", "vendor_part", "pack_units", "unit", "tiers", "max_packs", "multiple", "contract"}
)


@dataclass(frozen=True, slots=True)
class BidLine:
    """What the supplier would sell an item for in this round."""

    gtin: str
    vendor_part: str
    pack_units: int
    unit: str
    tiers: tuple[PriceTier, ...]
    max_packs: int | None = None
    multiple: int = 1
    contract: str = ""


@dataclass(frozen=True, slots=True)
class Bid:
    """`invitation` as the hub gave it to the supplier, `document` the supplier's own number."""

    invitation: str
    document: str
    lines: tuple[BidLine, ...]
    currency: str = "USD"


def check_bid(bid: Bid) -> None:
    """Rejected, naming the first faulty line, unless every line can be priced."""
    if not 1 <= len(bid.lines) <= MOST_LINES:
        raise Rejected(f"A bid has 1 to {MOST_LINES} lines.", reason="bid_lines", path="lines")
    for number, line in enumerate(bid.lines):
        _check_line(line, f"lines[{number}]")


def _check_line(line: BidLine, path: str) -> None:
    starts = [tier.from_packs for tier in line.tiers]
    prices = [tier.price for tier in line.tiers]
    if (
        not 1 <= len(starts) <= MOST_TIERS
        or starts != sorted(set(starts))
        or starts[0] not in (0, 1)
    ):
        raise Rejected(
            "Price tiers ascend, the first from 0 or 1 packs.", reason="bid_tiers", path=path
        )
    if prices != sorted(prices, reverse=True):
        raise Rejected("A higher tier costs no more.", reason="bid_tiers", path=path)
    for price in prices:
        if not 0 <= price <= LARGEST_PRICE or price != price.quantize(Decimal("0.01")):
            raise Rejected("A price has at most two decimals.", reason="bid_price", path=path)
    if line.pack_units < 1 or line.multiple < 1 or (line.max_packs or 0) < 0:
        raise Rejected(
            "A pack holds at least one unit and is sold in whole multiples.",
            reason="bid_pack",
            path=path,
        )


def bid_to_json(bid: Bid) -> bytes:
    """The canonical JSON of a bid: equal bids, equal bytes."""
    document = {
        "invitation": bid.invitation,
        "document": bid.document,
        "currency": bid.currency,
        "lines": [
            {
                "gtin": line.gtin,
                "vendor_part": line.vendor_part,
                "pack_units": line.pack_units,
                "unit": line.unit,
                "tiers": [
                    {"from_packs": t.from_packs, "price": f"{t.price:.2f}"} for t in line.tiers
                ],
                "max_packs": line.max_packs,
                "multiple": line.multiple,
                "contract": line.contract,
            }
            for line in bid.lines
        ],
    }
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def read_bid(content: bytes) -> Bid:
    """The bid in a JSON file: ``{invitation, document, currency, lines: [{gtin, vendor_part,
    pack_units, unit, tiers: [{from_packs, price}], max_packs, multiple, contract}]}``, money as
    decimal strings. Raises Rejected with the path of the first fault."""
    if len(content) > LARGEST_BID:
        raise Rejected(f"A bid has at most {LARGEST_BID} bytes.", path="bid")
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        raise Rejected("The bid is not JSON.", path="bid") from None
    top = _object(document, "bid", {"invitation", "document", "currency", "lines"})
    rows = top.get("lines")
    if not isinstance(rows, list):
        raise Rejected("A bid has a list of lines.", path="lines")
    bid = Bid(
        _text(top, "invitation", "bid"),
        _text(top, "document", "bid"),
        tuple(_line(row, f"lines[{n}]") for n, row in enumerate(rows)),
        str(top.get("currency", "USD")),
    )
    check_bid(bid)
    return bid


def _line(row: Any, path: str) -> BidLine:
    line = _object(row, path, _LINE)
    tiers = line.get("tiers")
    if not isinstance(tiers, list):
        raise Rejected("A line has a list of tiers.", path=f"{path}.tiers")
    maximum = line.get("max_packs")
    return BidLine(
        gtin=_text(line, "gtin", path),
        vendor_part=_text(line, "vendor_part", path),
        pack_units=_whole(line.get("pack_units"), f"{path}.pack_units"),
        unit=str(line.get("unit", "EA")),
        tiers=tuple(_tier(tier, f"{path}.tiers[{n}]") for n, tier in enumerate(tiers)),
        max_packs=None if maximum is None else _whole(maximum, f"{path}.max_packs"),
        multiple=_whole(line.get("multiple", 1), f"{path}.multiple"),
        contract=str(line.get("contract") or ""),
    )


def _tier(row: Any, path: str) -> PriceTier:
    tier = _object(row, path, {"from_packs", "price"})
    price = tier.get("price")
    try:
        amount = Decimal(price) if isinstance(price, str) else Decimal("NaN")
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite():
        raise Rejected("A price is a decimal string.", path=f"{path}.price")
    return PriceTier(_whole(tier.get("from_packs"), f"{path}.from_packs"), amount)


def _object(value: Any, path: str, known: frozenset[str] | set[str]) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise Rejected("An object is needed here.", path=path)
    unknown = sorted(value.keys() - known)
    if unknown:
        raise Rejected(f"There is no key {unknown[0]} here.", path=path)
    return value


def _text(row: Mapping[str, Any], key: str, path: str) -> str:
    value = row.get(key)
    if not isinstance(value, str) or not value.strip() or len(value) > 200:
        raise Rejected(f"The key {key} is a text of 1 to 200 characters.", path=path)
    return value.strip()


def _whole(value: Any, path: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > 10**9:
        raise Rejected("A whole number is needed here.", path=path)
    return value
