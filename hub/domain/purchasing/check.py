"""The independent checker: every fault of a plan in words.

Nothing here looks at the optimisation model or the local search. Integers only.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import TypeVar

from hub.domain.purchasing.fields import RATE_UNIT
from hub.domain.purchasing.instance import Instance, Offer
from hub.domain.purchasing.plan import Award, Credit, Order, Plan, Rebate, money
from hub.domain.purchasing.pricing import Line, Purchases, Source, orders_of, price

Row = TypeVar("Row", Order, Credit, Rebate)


def faults_of_rules(instance: Instance, awards: Iterable[Award]) -> list[str]:
    """Sentences for each rule, minimum order and pack limit that `awards` break."""
    awards = tuple(awards)
    return [
        *_faults_of_offers(instance, awards),
        *_faults_of_orders(instance, awards),
        *_faults_of_bans(instance, awards),
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
    true = price(instance, _purchases(instance, plan.awards))
    faults = [
        f"The award of item {ours.item} to practice {ours.practice} should read {_terms(ours)}."
        for ours, theirs in zip(true.awards, _sorted_like(true.awards, plan.awards), strict=True)
        if ours != theirs
    ]
    faults += _differences("order", true.orders, plan.orders)
    faults += _differences("credit", true.credits, plan.credits)
    faults += _differences("rebate", true.rebates, plan.rebates)
    if true.switching != plan.switching:
        faults.append(f"The switching costs should be {money(true.switching)}.")
    if true.cost != plan.cost:
        faults.append(f"The cost should be {money(true.cost)}.")
    if plan.lower_bound is not None and plan.lower_bound > true.cost:
        faults.append("The lower bound is above the cost.")
    return faults + faults_of_rules(instance, true.awards) + _faults_of_shares(instance, plan)


def _purchases(instance: Instance, awards: Iterable[Award]) -> Purchases:
    """Packs as awarded where lines may be split, else as many as the line needs."""
    offers = {(offer.vendor, offer.key): offer for offer in instance.offers}
    units = {(line.practice, line.item): line.units for line in instance.demand}
    found: defaultdict[Line, dict[Source, int]] = defaultdict(dict)
    for award in awards:
        line = award.practice, award.item
        whole = offers[award.source].packs_for(units[line])
        found[line][award.source] = award.packs if instance.rules.split_lines else whole
    return found


def _faults_of_lines(instance: Instance, awards: tuple[Award, ...]) -> list[str]:
    """Lines missing, bought twice, never asked for, or at an offer that does not serve them."""
    offers = {(offer.vendor, offer.key): offer for offer in instance.offers}
    serves = {item.id: {item.id, *item.equivalents} for item in instance.items}
    wanted = {(line.practice, line.item) for line in instance.demand}
    parts: defaultdict[Line, list[Source]] = defaultdict(list)
    faults = []
    for award in awards:
        line = award.practice, award.item
        parts[line].append(award.source)
        offer = offers.get(award.source)
        if line not in wanted:
            faults.append(f"Practice {line[0]} never asked for item {line[1]}.")
        elif offer is None or offer.item != award.offer_item:
            faults.append(f"Vendor {award.vendor} does not offer item {award.offer_item}.")
        elif award.offer_item not in serves[award.item]:
            faults.append(f"Item {award.offer_item} may not replace item {award.item}.")
    for practice, item in sorted(wanted):
        sources = parts[practice, item]
        once = set(sources) if instance.rules.split_lines else sources[:1]
        if not sources:
            faults.append(f"Practice {practice} gets no award of item {item}.")
        elif len(sources) > len(once):
            faults.append(f"Practice {practice} gets item {item} more than once.")
    return faults or _faults_of_parts(instance, awards, offers)


def _faults_of_parts(
    instance: Instance, awards: tuple[Award, ...], offers: Mapping[Source, Offer]
) -> list[str]:
    """Split lines whose parts are not the line's units, each rounded up to whole packs."""
    if not instance.rules.split_lines:
        return []
    units = {(line.practice, line.item): line.units for line in instance.demand}
    most: Counter[Line] = Counter()
    least: Counter[Line] = Counter()
    broken = set()
    for award in awards:
        line, offer = (award.practice, award.item), offers[award.source]
        most[line] += award.packs * offer.pack_units
        least[line] += award.packs * offer.pack_units - offer.step + 1
        if award.packs < 1 or award.packs % offer.multiple:
            broken.add(line)
    return [
        f"The parts of item {item} for practice {practice} do not make up its "
        f"{units[practice, item]} units."
        for practice, item in sorted(units)
        if (practice, item) in broken
        or not least[practice, item] <= units[practice, item] <= most[practice, item]
    ]


def _faults_of_offers(instance: Instance, awards: tuple[Award, ...]) -> list[str]:
    pooled: Counter[Source] = Counter()
    for award in awards:
        pooled[award.source] += award.packs
    return [
        f"Vendor {offer.vendor} sells at most {offer.max_packs} packs of {_named(offer)}."
        for offer in instance.offers
        if offer.max_packs is not None and pooled[offer.vendor, offer.key] > offer.max_packs
    ]


def _named(offer: Offer) -> str:
    return f"offer {offer.id} of item {offer.item}" if offer.id else f"item {offer.item}"


def _faults_of_orders(instance: Instance, awards: tuple[Award, ...]) -> list[str]:
    least = {vendor.id: vendor.min_order for vendor in instance.vendors}
    faults = []
    for order in orders_of(instance, awards):
        if order.goods < least[order.vendor]:
            faults.append(
                f"The order of practice {order.practice} at vendor {order.vendor} is below the "
                f"minimum of {money(least[order.vendor])}."
            )
    return faults


def _faults_of_bans(instance: Instance, awards: tuple[Award, ...]) -> list[str]:
    offers = {(offer.vendor, offer.key): offer for offer in instance.offers}
    return [
        ban.sentence
        for ban in instance.rules.forbid
        if any(a.practice == ban.practice and ban.bars(a.item, offers[a.source]) for a in awards)
    ]


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
    by_part = {(award.practice, award.item, award.source): award for award in awards}
    return [by_part[award.practice, award.item, award.source] for award in model]


def _terms(award: Award) -> str:
    return (
        f"{award.packs} packs, {award.units} units, price {money(award.price)}, "
        f"amount {money(award.amount)}"
    )


def _differences(kind: str, true: tuple[Row, ...], stated: tuple[Row, ...]) -> list[str]:
    wrong = set(true).symmetric_difference(stated)
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
