"""The independent checker: exact price of a set of awards, and every fault of a plan in words.

Nothing here looks at the optimisation model or the local search. Integers only.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hub.domain.purchasing.fields import RATE_UNIT
from hub.domain.purchasing.instance import Cents, Instance, Offer, Vendor
from hub.domain.purchasing.plan import Award, Order, Plan, Rebate, money

Line = tuple[str, str]
"""(practice, item)"""
Source = tuple[str, str]
"""(vendor, item offered)"""


@dataclass(frozen=True, slots=True)
class Priced:
    """Awards with everything that follows from them. `cost` as in Plan."""

    awards: tuple[Award, ...]
    orders: tuple[Order, ...]
    rebates: tuple[Rebate, ...]
    switching: Cents
    cost: Cents


def reprice(instance: Instance, choices: Mapping[Line, Source]) -> Priced:
    """Price `choices` exactly: pooled tiers, shipping per order, rebates on pooled spend.

    Every line of the demand must be chosen, at an offer that exists. The outcome may break
    rules: see `faults_of_rules`. Awards keep the order of the demand.
    """
    offers = {(offer.vendor, offer.item): offer for offer in instance.offers}
    packs = {
        (line.practice, line.item): offers[choices[line.practice, line.item]].packs_for(line.units)
        for line in instance.demand
    }
    pooled: Counter[Source] = Counter()
    for line, count in packs.items():
        pooled[choices[line]] += count
    awards = tuple(_award(line, offers[choices[line]], packs[line], pooled) for line in packs)
    orders = _orders(instance, awards)
    rebates = _rebates(instance, awards)
    switching = sum(switching_costs(instance, awards).values())
    bills = sum(order.goods + order.shipping for order in orders)
    cost = bills - sum(rebate.amount for rebate in rebates) + switching
    return Priced(awards, orders, rebates, switching, cost)


def switching_costs(instance: Instance, awards: Iterable[Award]) -> Counter[str]:
    """Switching cost incurred, by practice."""
    costs: Counter[str] = Counter()
    vendor_of = {(award.practice, award.item): award.vendor for award in awards}
    for switch in instance.rules.switching_cost:
        vendor = vendor_of.get((switch.practice, switch.item))
        if vendor is not None and vendor != switch.incumbent:
            costs[switch.practice] += switch.cost
    return costs


def faults_of_rules(instance: Instance, awards: Iterable[Award]) -> list[str]:
    """Sentences for each rule, minimum order and pack limit that `awards` break."""
    awards = tuple(awards)
    return [
        *_faults_of_offers(instance, awards),
        *_faults_of_orders(instance, awards),
        *_faults_of_counts(instance, awards),
        *_faults_of_commitments(instance, awards),
    ]


def check(instance: Instance, plan: Plan) -> list[str]:
    """Recompute the plan from its awards alone; an empty list means it is right in every part."""
    if plan.cost is None:
        return ["The plan has awards but no cost."] if plan.awards else []
    faults = _faults_of_lines(instance, plan.awards)
    if faults:
        return faults
    choices = {(a.practice, a.item): (a.vendor, a.offer_item) for a in plan.awards}
    true = reprice(instance, choices)
    faults = [
        f"The award of item {ours.item} to practice {ours.practice} should read {_terms(ours)}."
        for ours, theirs in zip(true.awards, _sorted_like(true.awards, plan.awards), strict=True)
        if ours != theirs
    ]
    faults += _differences("order", true.orders, plan.orders)
    faults += _differences("rebate", true.rebates, plan.rebates)
    if true.switching != plan.switching:
        faults.append(f"The switching costs should be {money(true.switching)}.")
    if true.cost != plan.cost:
        faults.append(f"The cost should be {money(true.cost)}.")
    if plan.lower_bound is not None and plan.lower_bound > true.cost:
        faults.append("The lower bound is above the cost.")
    return faults + faults_of_rules(instance, true.awards) + _faults_of_shares(instance, plan)


def _award(line: Line, offer: Offer, packs: int, pooled: Mapping[Source, int]) -> Award:
    price = offer.price_at(pooled[offer.vendor, offer.item])
    return Award(
        practice=line[0],
        item=line[1],
        offer_item=offer.item,
        vendor=offer.vendor,
        packs=packs,
        units=packs * offer.pack_units,
        price=price,
        amount=packs * price,
    )


def _orders(instance: Instance, awards: Iterable[Award]) -> tuple[Order, ...]:
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


def _rebates(instance: Instance, awards: Iterable[Award]) -> tuple[Rebate, ...]:
    spend: Counter[str] = Counter()
    for award in awards:
        spend[award.vendor] += award.amount
    earned = []
    for vendor in sorted(instance.vendors, key=lambda v: v.id):
        reached = [r.rate for r in vendor.spend_rebates if r.from_spend <= spend[vendor.id]]
        if reached and spend[vendor.id]:
            amount = spend[vendor.id] * reached[-1] // RATE_UNIT
            earned.append(Rebate(vendor.id, spend[vendor.id], reached[-1], amount))
    return tuple(earned)


def _faults_of_lines(instance: Instance, awards: tuple[Award, ...]) -> list[str]:
    """Lines missing, bought twice, never asked for, or at an offer that does not serve them."""
    offers = {(offer.vendor, offer.item): offer for offer in instance.offers}
    serves = {item.id: {item.id, *item.equivalents} for item in instance.items}
    wanted = {(line.practice, line.item) for line in instance.demand}
    times = Counter((award.practice, award.item) for award in awards)
    faults = []
    for practice, item in sorted(wanted - times.keys()):
        faults.append(f"Practice {practice} gets no award of item {item}.")
    for (practice, item), count in sorted(times.items()):
        if (practice, item) not in wanted:
            faults.append(f"Practice {practice} never asked for item {item}.")
        elif count > 1:
            faults.append(f"Practice {practice} gets item {item} more than once.")
    for award in awards:
        if (award.vendor, award.offer_item) not in offers:
            faults.append(f"Vendor {award.vendor} does not offer item {award.offer_item}.")
        elif award.offer_item not in serves.get(award.item, ()):
            faults.append(f"Item {award.offer_item} may not replace item {award.item}.")
    return faults


def _faults_of_offers(instance: Instance, awards: tuple[Award, ...]) -> list[str]:
    pooled: Counter[Source] = Counter()
    for award in awards:
        pooled[award.vendor, award.offer_item] += award.packs
    return [
        f"Vendor {offer.vendor} sells at most {offer.max_packs} packs of item {offer.item}."
        for offer in instance.offers
        if offer.max_packs is not None and pooled[offer.vendor, offer.item] > offer.max_packs
    ]


def _faults_of_orders(instance: Instance, awards: tuple[Award, ...]) -> list[str]:
    least = {vendor.id: vendor.min_order for vendor in instance.vendors}
    forbidden = {(ban.practice, ban.vendor) for ban in instance.rules.forbid}
    faults = []
    for order in _orders(instance, awards):
        if order.goods < least[order.vendor]:
            faults.append(
                f"The order of practice {order.practice} at vendor {order.vendor} is below the "
                f"minimum of {money(least[order.vendor])}."
            )
        if (order.practice, order.vendor) in forbidden:
            faults.append(f"Practice {order.practice} may not buy from vendor {order.vendor}.")
    return faults


def _faults_of_counts(instance: Instance, awards: tuple[Award, ...]) -> list[str]:
    category = {item.id: item.category for item in instance.items}
    by_practice: defaultdict[str, set[str]] = defaultdict(set)
    by_category: defaultdict[str, set[str]] = defaultdict(set)
    for award in awards:
        by_practice[award.practice].add(award.vendor)
        by_category[category[award.item]].add(award.vendor)
    rules = instance.rules
    faults = []
    everyone = set().union(*by_practice.values())
    if rules.max_vendors is not None and len(everyone) > rules.max_vendors:
        faults.append(f"The round uses more than {rules.max_vendors} vendors.")
    each = rules.max_vendors_per_practice
    if each is not None:
        for practice, used in sorted(by_practice.items()):
            if len(used) > each:
                faults.append(f"Practice {practice} uses more than {each} vendors.")
    for name, limit in rules.max_vendors_per_category:
        if len(by_category[name]) > limit:
            faults.append(f"Category {name} uses more than {limit} vendors.")
    return faults


def _faults_of_commitments(instance: Instance, awards: tuple[Award, ...]) -> list[str]:
    category = {item.id: item.category for item in instance.items}
    faults = []
    for promise in instance.rules.commitments:
        bought = [a for a in awards if category[a.item] == promise.category]
        total = sum(award.amount for award in bought)
        there = sum(award.amount for award in bought if award.vendor == promise.vendor)
        if there * RATE_UNIT < total * promise.share:
            faults.append(
                f"Vendor {promise.vendor} gets less of category {promise.category} than committed."
            )
    return faults


def _faults_of_shares(instance: Instance, plan: Plan) -> list[str]:
    if not plan.shares:
        return []
    faults = []
    if sum(share.pays for share in plan.shares) != plan.invoiced:
        faults.append(f"The shares should add up to {money(plan.invoiced)}.")
    if sorted(s.practice for s in plan.shares) != sorted(p.id for p in instance.practices):
        faults.append("The shares must name each practice once.")
    if any(share.pays < 0 for share in plan.shares):
        faults.append("No share may be negative.")
    return faults


def _sorted_like(model: Iterable[Award], awards: Iterable[Award]) -> list[Award]:
    by_line = {(award.practice, award.item): award for award in awards}
    return [by_line[award.practice, award.item] for award in model]


def _terms(award: Award) -> str:
    return (
        f"{award.packs} packs, {award.units} units, price {money(award.price)}, "
        f"amount {money(award.amount)}"
    )


def _differences(
    kind: str, true: tuple[Order, ...] | tuple[Rebate, ...], stated: tuple[Order | Rebate, ...]
) -> list[str]:
    before: set[Order | Rebate] = set(true)
    wrong = before.symmetric_difference(stated)
    parties = sorted({(getattr(row, "practice", ""), row.vendor) for row in wrong})
    faults = [
        f"The {kind} of practice {practice} at vendor {vendor} is wrong."
        if practice
        else f"The {kind} of vendor {vendor} is wrong."
        for practice, vendor in parties
    ]
    if not wrong and len(true) != len(stated):
        faults.append(f"An {kind} is repeated." if kind == "order" else f"A {kind} is repeated.")
    return faults
