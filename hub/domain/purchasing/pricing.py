"""What a plan costs, exactly: pooled tiers, shipping per order, credits and rebates.

Nothing here looks at the optimisation model or the local search. Integers only.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hub.domain.purchasing.fields import RATE_UNIT
from hub.domain.purchasing.instance import Cents, Instance, Offer, Vendor
from hub.domain.purchasing.plan import Award, Credit, Order, Rebate

Line = tuple[str, str]
"""(practice, item)"""
Source = tuple[str, str]
"""(vendor, offer key)"""
Purchases = Mapping[Line, Mapping[Source, int]]
"""Packs of each line by source."""


@dataclass(frozen=True, slots=True)
class Priced:
    """Awards with everything that follows from them. `cost` as in Plan."""

    awards: tuple[Award, ...]
    orders: tuple[Order, ...]
    credits: tuple[Credit, ...]
    rebates: tuple[Rebate, ...]
    switching: Cents
    cost: Cents

    @property
    def invoiced(self) -> Cents:
        """Goods and shipping less credits and rebates."""
        return self.cost - self.switching


def reprice(instance: Instance, choices: Mapping[Line, Source]) -> Priced:
    """Price a plan that buys each line whole, at the offer chosen; see `price`."""
    offers = {(offer.vendor, offer.key): offer for offer in instance.offers}
    whole = {}
    for line in instance.demand:
        source = choices[line.practice, line.item]
        whole[line.practice, line.item] = {source: offers[source].packs_for(line.units)}
    return price(instance, whole)


def price(instance: Instance, purchases: Purchases) -> Priced:
    """Price `purchases` exactly: pooled tiers, shipping per order, credits and rebates.

    Every line of the demand must be bought, at offers that exist. The outcome may break rules:
    see `faults_of_rules`. Awards keep the order of the demand.
    """
    offers = {(offer.vendor, offer.key): offer for offer in instance.offers}
    pooled: Counter[Source] = Counter()
    for parts in purchases.values():
        pooled.update(parts)
    awards = tuple(
        _award(line, offers[source], packs, pooled)
        for line in ((each.practice, each.item) for each in instance.demand)
        for source, packs in sorted(purchases[line].items())
    )
    orders = orders_of(instance, awards)
    credits = _credits(instance, pooled)
    rebates = _rebates(instance, awards, credits)
    switching = sum(switching_costs(instance, awards).values())
    bills = sum(order.goods + order.shipping for order in orders)
    back = sum(credit.amount for credit in credits) + sum(rebate.amount for rebate in rebates)
    cost = bills - back + switching
    return Priced(awards, orders, credits, rebates, switching, cost)


def switching_costs(instance: Instance, awards: Iterable[Award]) -> Counter[str]:
    """Switching cost incurred, by practice; a part bought elsewhere is enough."""
    costs: Counter[str] = Counter()
    vendors_of: defaultdict[Line, set[str]] = defaultdict(set)
    for award in awards:
        vendors_of[award.practice, award.item].add(award.vendor)
    for switch in instance.rules.switching_cost:
        if vendors_of[switch.practice, switch.item] - {switch.incumbent}:
            costs[switch.practice] += switch.cost
    return costs


def _award(line: Line, offer: Offer, packs: int, pooled: Mapping[Source, int]) -> Award:
    price = offer.price_at(pooled[offer.vendor, offer.key])
    return Award(
        practice=line[0],
        item=line[1],
        offer_item=offer.item,
        vendor=offer.vendor,
        packs=packs,
        units=packs * offer.pack_units,
        price=price,
        amount=packs * price,
        offer=offer.id,
    )


def orders_of(instance: Instance, awards: Iterable[Award]) -> tuple[Order, ...]:
    vendors = {vendor.id: vendor for vendor in instance.vendors}
    goods: Counter[tuple[str, str]] = Counter()
    for award in awards:
        goods[award.practice, award.vendor] += award.amount
    return tuple(
        Order(practice, vendor, amount, _shipping(vendors[vendor], amount))
        for (practice, vendor), amount in sorted(goods.items())
    )


def _shipping(vendor: Vendor, goods: Cents) -> Cents:
    free_from = vendor.shipping.free_from
    return 0 if free_from is not None and goods >= free_from else vendor.shipping.fee


def _credits(instance: Instance, pooled: Mapping[Source, int]) -> tuple[Credit, ...]:
    found = []
    for offer in sorted(instance.offers, key=lambda o: (o.vendor, o.key)):
        packs = pooled.get((offer.vendor, offer.key), 0)
        amount = offer.credit_at(packs)
        if amount:
            found.append(Credit(offer.vendor, offer.key, packs, amount))
    return tuple(found)


def _rebates(
    instance: Instance, awards: Iterable[Award], credits: Iterable[Credit]
) -> tuple[Rebate, ...]:
    """Spend is goods less credits."""
    spend: Counter[str] = Counter()
    for award in awards:
        spend[award.vendor] += award.amount
    for credit in credits:
        spend[credit.vendor] -= credit.amount
    earned = []
    for vendor in sorted(instance.vendors, key=lambda v: v.id):
        reached = [r.rate for r in vendor.spend_rebates if r.from_spend <= spend[vendor.id]]
        if reached and spend[vendor.id]:
            amount = spend[vendor.id] * reached[-1] // RATE_UNIT
            earned.append(Rebate(vendor.id, spend[vendor.id], reached[-1], amount))
    return tuple(earned)
