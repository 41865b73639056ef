"""The answer to a purchasing instance: awards, orders, rebates, shares, and how good it is proven.

Money is integer cents. `to_result` gives the JSON form with decimal strings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from hub.domain.purchasing.fields import RATE_UNIT
from hub.domain.purchasing.instance import Cents

Status = Literal["optimal", "gap_reached", "time_limit", "infeasible"]


@dataclass(frozen=True, slots=True)
class Award:
    """The practice's line of `item` goes to `vendor`, as `offer_item` (the item or an equivalent).

    `units` are the base units delivered, `price` is per pack as invoiced: at the pooled tier, or
    the first price where tiers are incremental. `offer` is the offer's id, if it has one.
    """

    practice: str
    item: str
    offer_item: str
    vendor: str
    packs: int
    units: int
    price: Cents
    amount: Cents
    offer: str = ""

    @property
    def source(self) -> tuple[str, str]:
        """(vendor, offer key)"""
        return self.vendor, self.offer or self.offer_item


@dataclass(frozen=True, slots=True)
class Order:
    """What one practice orders from one vendor."""

    practice: str
    vendor: str
    goods: Cents
    shipping: Cents


@dataclass(frozen=True, slots=True)
class Rebate:
    """`rate` is in millionths; `amount` is rounded down to the cent."""

    vendor: str
    spend: Cents
    rate: int
    amount: Cents


@dataclass(frozen=True, slots=True)
class Credit:
    """What the incremental tiers of a vendor's offer give back on the pooled packs."""

    vendor: str
    offer: str
    packs: int
    amount: Cents


@dataclass(frozen=True, slots=True)
class Share:
    """What the practice pays of the invoices less rebates, and what it would cost alone.

    `alone` is None where the practice could not buy alone at all. `switching` is its own
    switching cost in this plan: it weighs in the choice but nobody invoices it.
    """

    practice: str
    alone: Cents | None
    pays: Cents
    switching: Cents = 0

    @property
    def saving(self) -> Cents | None:
        return None if self.alone is None else self.alone - self.pays - self.switching


@dataclass(frozen=True, slots=True)
class Blocking:
    """Practices that together pay `pays` and would pay `cost` without the rest."""

    practices: tuple[str, ...]
    cost: Cents
    pays: Cents


@dataclass(frozen=True, slots=True)
class Sampled:
    """What was sampled of coalitions: how many, and those that would do better without the rest.

    `orders` and `error` (the largest standard error, in cents) are those of a Shapley value.
    """

    coalitions: int = 0
    better_alone: tuple[Blocking, ...] = ()
    orders: int = 0
    error: float = 0.0


@dataclass(frozen=True, slots=True)
class Baselines:
    """Costs of simpler ways to buy; None where that way finds no allowed plan."""

    alone: Cents | None = None
    greedy: Cents | None = None
    local_search: Cents | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """`cost` = goods + shipping − credits − rebates + switching costs; None without a plan.

    `lower_bound` is proven: no allowed plan costs less. `interrupted` tells that the solve was
    asked to stop.
    """

    status: Status
    cost: Cents | None
    lower_bound: Cents | None
    seconds: float
    baselines: Baselines = Baselines()
    awards: tuple[Award, ...] = ()
    orders: tuple[Order, ...] = ()
    rebates: tuple[Rebate, ...] = ()
    credits: tuple[Credit, ...] = ()
    switching: Cents = 0
    shares: tuple[Share, ...] = ()
    sampled: Sampled | None = None
    infeasible_because: tuple[str, ...] = ()
    interrupted: bool = False

    @property
    def gap(self) -> float | None:
        """(cost − lower bound) / cost; None while either is unknown."""
        if self.cost is None or self.lower_bound is None:
            return None
        return (self.cost - self.lower_bound) / self.cost if self.cost else 0.0

    @property
    def invoiced(self) -> Cents:
        """Goods and shipping less credits and rebates: what leaves the practices' accounts."""
        bills = sum(order.goods + order.shipping for order in self.orders)
        credits = sum(credit.amount for credit in self.credits)
        return bills - credits - sum(rebate.amount for rebate in self.rebates)


def money(cents: Cents) -> str:
    """Cents as a decimal string: 1250 is "12.50"."""
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(cents) // 100}.{abs(cents) % 100:02d}"


def share_of_one(millionths: int) -> str:
    """Millionths as a decimal string of at least two decimals: 15000 is "0.015"."""
    whole, rest = divmod(millionths, RATE_UNIT)
    decimals = f"{rest:06d}".rstrip("0").ljust(2, "0")
    return f"{whole}.{decimals}"


def to_result(plan: Plan) -> dict[str, Any]:
    """The JSON result; `credits`, `switching` and an award's `offer` only where there are any."""
    result: dict[str, Any] = {
        "status": plan.status,
        "cost": _money(plan.cost),
        "lower_bound": _money(plan.lower_bound),
        "gap": plan.gap,
        "seconds": round(plan.seconds, 3),
        "baselines": {
            "alone": _money(plan.baselines.alone),
            "greedy": _money(plan.baselines.greedy),
            "local_search": _money(plan.baselines.local_search),
        },
        "awards": [_award(award) for award in plan.awards],
        "orders": [
            {
                "practice": order.practice,
                "vendor": order.vendor,
                "goods": money(order.goods),
                "shipping": money(order.shipping),
            }
            for order in plan.orders
        ],
        "rebates": [
            {
                "vendor": rebate.vendor,
                "spend": money(rebate.spend),
                "rate": share_of_one(rebate.rate),
                "amount": money(rebate.amount),
            }
            for rebate in plan.rebates
        ],
        "shares": [_share(share) for share in plan.shares],
        "infeasible_because": list(plan.infeasible_because),
    }
    if plan.sampled is not None:
        result["coalitions"] = _sampled(plan.sampled)
    if plan.credits:
        result["credits"] = [
            {
                "vendor": credit.vendor,
                "offer": credit.offer,
                "packs": credit.packs,
                "amount": money(credit.amount),
            }
            for credit in plan.credits
        ]
    if plan.switching:
        result["switching"] = money(plan.switching)
    return result


def _award(award: Award) -> dict[str, Any]:
    row: dict[str, Any] = {
        "practice": award.practice,
        "item": award.item,
        "offer_item": award.offer_item,
        "vendor": award.vendor,
        "packs": award.packs,
        "units": award.units,
        "price": money(award.price),
        "amount": money(award.amount),
    }
    if award.offer:
        row["offer"] = award.offer
    return row


def _share(share: Share) -> dict[str, Any]:
    row = {
        "practice": share.practice,
        "alone": _money(share.alone),
        "pays": money(share.pays),
        "saving": _money(share.saving),
    }
    if share.switching:
        row["switching"] = money(share.switching)
    return row


def _sampled(sampled: Sampled) -> dict[str, Any]:
    row: dict[str, Any] = {
        "sampled": sampled.coalitions,
        "better_alone": [
            {"practices": list(b.practices), "cost": money(b.cost), "pays": money(b.pays)}
            for b in sampled.better_alone
        ],
    }
    if sampled.orders:
        row |= {"orders": sampled.orders, "standard_error": money(round(sampled.error))}
    return row


def _money(cents: Cents | None) -> str | None:
    return None if cents is None else money(cents)
