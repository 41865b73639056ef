"""The instance of a purchasing round: who needs what, who sells it, under which rules.

Money is integer cents, quantities are integer base units or packs, rates are integer millionths.
Every constructor may be called from code; `Instance` checks the whole when it is built.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

from hub.domain.purchasing.validation import validate

Cents = int
SharingRule = Literal["standalone", "volume", "shapley"]
TierType = Literal["all_units", "incremental"]


@dataclass(frozen=True, slots=True)
class Practice:
    id: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """`equivalents` are ids of items that may be bought in place of this one, unit for unit."""

    id: str
    category: str = ""
    equivalents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Demand:
    """One line: the practice needs `units` base units of the item."""

    practice: str
    item: str
    units: int


@dataclass(frozen=True, slots=True)
class Shipping:
    """Per order of one practice: `fee`, waived from `free_from` of goods; None: never waived."""

    fee: Cents = 0
    free_from: Cents | None = None


@dataclass(frozen=True, slots=True)
class SpendRebate:
    """From `from_spend` pooled goods with the vendor, `rate` millionths of all of it come back."""

    from_spend: Cents
    rate: int


@dataclass(frozen=True, slots=True)
class Vendor:
    """`min_order` and `shipping` hold per practice; `spend_rebates` ascend and are pooled."""

    id: str
    min_order: Cents = 0
    shipping: Shipping = Shipping()
    spend_rebates: tuple[SpendRebate, ...] = ()
    related_party: bool = False


@dataclass(frozen=True, slots=True)
class Tier:
    """`price` of a pack from `from_packs` packs on, pooled over all practices."""

    from_packs: int
    price: Cents


@dataclass(frozen=True, slots=True)
class Offer:
    """What a vendor sells an item for; `max_packs` is pooled, a line buys whole `multiple`s.

    With `all_units` tiers every pack costs the price of the highest tier reached. With
    `incremental` ones each pack is invoiced at the first price, and the packs from a tier's
    `from_packs` on bring a credit of the difference. `id` tells a vendor's offers of one item
    apart; an offer that stands alone needs none.
    """

    vendor: str
    item: str
    pack_units: int
    tiers: tuple[Tier, ...]
    max_packs: int | None = None
    multiple: int = 1
    tier_type: TierType = "all_units"
    id: str = ""

    @property
    def key(self) -> str:
        """Names the offer among those of its vendor."""
        return self.id or self.item

    @property
    def step(self) -> int:
        """The least base units that can be bought."""
        return self.pack_units * self.multiple

    @property
    def incremental(self) -> bool:
        return self.tier_type == "incremental"

    def packs_for(self, units: int) -> int:
        """Packs that cover `units`, rounded up to whole multiples."""
        return -(-units // self.step) * self.multiple

    def price_at(self, pooled_packs: int) -> Cents:
        """The pack's invoiced price when `pooled_packs` are bought."""
        price = self.tiers[0].price
        for tier in () if self.incremental else self.tiers:
            if tier.from_packs <= pooled_packs:
                price = tier.price
        return price

    def credit_at(self, pooled_packs: int) -> Cents:
        """What incremental tiers give back on `pooled_packs`; 0 with all-units tiers."""
        if not self.incremental:
            return 0
        return sum(
            (before.price - tier.price) * max(0, pooled_packs - tier.from_packs + 1)
            for before, tier in pairwise(self.tiers)
        )

    def goods_at(self, pooled_packs: int) -> Cents:
        """What `pooled_packs` cost less the credit."""
        return pooled_packs * self.price_at(pooled_packs) - self.credit_at(pooled_packs)


@dataclass(frozen=True, slots=True)
class Forbidden:
    """The practice does not buy from the vendor; with `item` only not for its line of that item.
    `offer_item` names an equivalent it does not take (from that vendor, or from any if empty)."""

    practice: str
    vendor: str = ""
    item: str = ""
    offer_item: str = ""

    def bars(self, item: str, offer: Offer) -> bool:
        """True if the practice's line of `item` may not be bought at the offer."""
        return (
            self.vendor in ("", offer.vendor)
            and self.item in ("", item)
            and self.offer_item in ("", offer.item)
        )

    @property
    def sentence(self) -> str:
        """The rule in words."""
        what = f" item {self.offer_item}" if self.offer_item else ""
        line = f" for item {self.item}" if self.item else ""
        vendor = f" from vendor {self.vendor}" if self.vendor else ""
        return f"Practice {self.practice} may not buy{what}{line}{vendor}."


@dataclass(frozen=True, slots=True)
class Commitment:
    """At least `share` millionths of the goods in the category go to the vendor."""

    vendor: str
    category: str
    share: int


@dataclass(frozen=True, slots=True)
class SwitchingCost:
    """`cost` counts when the practice's line of the item leaves the incumbent vendor."""

    practice: str
    item: str
    incumbent: str
    cost: Cents


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of the round. A category is that of the item demanded.

    With `split_lines` a line's units may be divided over several offers; each part is rounded up
    to packs.
    """

    max_vendors: int | None = None
    max_vendors_per_practice: int | None = None
    max_vendors_per_category: tuple[tuple[str, int], ...] = ()
    forbid: tuple[Forbidden, ...] = ()
    commitments: tuple[Commitment, ...] = ()
    switching_cost: tuple[SwitchingCost, ...] = ()
    split_lines: bool = False


@dataclass(frozen=True, slots=True)
class Sharing:
    """How what pooling brings is shared: in proportion to standalone cost or to volume, or by a
    sampled Shapley value. With `sample` coalitions are looked at under every rule.
    """

    rule: SharingRule = "standalone"
    sample: bool = False
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Limits:
    """When to stop: wall-clock seconds, or a proven gap in millionths of the cost."""

    seconds: float = 60.0
    gap: int = 1_000


@dataclass(frozen=True, slots=True)
class Instance:
    """A purchasing round to solve (the format of docs/reference/purchasing-instance.md).

    Raises Rejected with one sentence and the path of the line when ids are unknown or repeated,
    amounts negative, tiers out of order or a feature is not priced here. An item that nobody
    sells is allowed: the solve then answers "infeasible" and says why.
    """

    practices: tuple[Practice, ...]
    items: tuple[Item, ...]
    demand: tuple[Demand, ...]
    vendors: tuple[Vendor, ...]
    offers: tuple[Offer, ...]
    rules: Rules = field(default_factory=Rules)
    limits: Limits = field(default_factory=Limits)
    currency: str = "USD"
    sharing: Sharing = field(default_factory=Sharing)

    def __post_init__(self) -> None:
        validate(self)
