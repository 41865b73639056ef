"""Who pays what: the allocation rule of a round, fixed before bids open.

Each practice pays its awarded goods at the awarded prices plus its own shipping. What pooling
brings (credits, rebates, and on each award the difference to the tier the practice's own volume
would reach) is put together and shared in proportion to standalone cost. Then nobody pays more
than alone: what a practice is above is spread over the others in proportion to what they save. A
round may instead share in proportion to the awarded goods, or by a sampled Shapley value, with
the same cap.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping
from fractions import Fraction

from hub.domain.purchasing.coalitions import coalitions_of
from hub.domain.purchasing.instance import Cents, Instance
from hub.domain.purchasing.plan import Sampled, Share
from hub.domain.purchasing.pricing import Priced, switching_costs
from hub.domain.purchasing.sampling import better_alone, shapley


def compute_shares(
    instance: Instance, priced: Priced, alone: Mapping[str, Cents | None]
) -> tuple[Share, ...]:
    """One share per practice, in the order of the instance; whole cents.

    `alone` gives each practice's standalone cost, switching costs included; None where it
    cannot buy alone: it then weighs as its own goods and shipping, which also cap its share.
    The shares add up exactly to what is invoiced. Practices with the same demand and rules pay
    the same, up to the one cent that rounding needs. Where the plan costs more than all pay
    alone, nobody can be kept below it: the excess is shared in proportion to standalone cost
    (see `nobody_worse`).
    """
    return share_out(instance, priced, alone)[0]


def share_out(
    instance: Instance, priced: Priced, alone: Mapping[str, Cents | None]
) -> tuple[tuple[Share, ...], Sampled | None]:
    """The shares by the rule of the round, and what was sampled for them."""
    sharing = instance.sharing
    if sharing.rule != "shapley" and not sharing.sample:
        return _shares(instance, priced, alone, None), None
    coalitions = coalitions_of(instance, priced, alone)
    value = shapley(coalitions, sharing.seed) if sharing.rule == "shapley" else None
    shares = _shares(instance, priced, alone, value.due if value else None)
    count, blocking = better_alone(coalitions, shares, sharing.seed)
    if value is None:
        return shares, Sampled(count, blocking)
    return shares, Sampled(count, blocking, value.orders, value.error)


def _shares(
    instance: Instance,
    priced: Priced,
    alone: Mapping[str, Cents | None],
    value: Mapping[str, Fraction] | None,
) -> tuple[Share, ...]:
    names = sorted(practice.id for practice in instance.practices)
    own = _own_bills(instance, priced)
    switching = switching_costs(instance, priced.awards)
    total = priced.invoiced
    weight: dict[str, Fraction] = {}
    cap: dict[str, Fraction] = {}
    for name in names:
        standalone = alone[name]
        weight[name] = Fraction(own[name] if standalone is None else standalone)
        limit = own[name] if standalone is None else standalone - switching[name]
        cap[name] = Fraction(max(0, limit))
    if value is None:
        volume = _volumes(instance, priced) if instance.sharing.rule == "volume" else weight
        parts = _in_proportion(Fraction(sum(own.values()) - total), volume)
        value = {name: own[name] - parts[name] for name in names}
    due = _correct(_even(instance, value), cap, weight, Fraction(total))
    pays = _whole_cents(due, total)
    return tuple(
        Share(practice.id, alone[practice.id], pays[practice.id], switching[practice.id])
        for practice in instance.practices
    )


def _volumes(instance: Instance, priced: Priced) -> dict[str, Fraction]:
    """The awarded goods of each practice."""
    volume = {practice.id: Fraction(0) for practice in instance.practices}
    for award in priced.awards:
        volume[award.practice] += award.amount
    return volume


def nobody_worse(shares: tuple[Share, ...]) -> bool:
    """No practice pays more than alone."""
    return all(share.saving is None or share.saving >= 0 for share in shares)


def _own_bills(instance: Instance, priced: Priced) -> dict[str, Cents]:
    """Goods at the tier of each practice's own packs, plus its own shipping."""
    offers = {(offer.vendor, offer.key): offer for offer in instance.offers}
    packs: Counter[tuple[str, str, str]] = Counter()
    for award in priced.awards:
        packs[award.practice, *award.source] += award.packs
    bills = {practice.id: 0 for practice in instance.practices}
    for (practice, vendor, offer), count in packs.items():
        bills[practice] += offers[vendor, offer].goods_at(count)
    for order in priced.orders:
        bills[order.practice] += order.shipping
    return bills


def _in_proportion(amount: Fraction, weight: Mapping[str, Fraction]) -> dict[str, Fraction]:
    whole = sum(weight.values(), Fraction(0))
    if not whole:
        return {name: amount / len(weight) for name in weight}
    return {name: amount * part / whole for name, part in weight.items()}


def _even(instance: Instance, due: Mapping[str, Fraction]) -> dict[str, Fraction]:
    """Average over practices that asked for the same under the same rules."""
    asked: defaultdict[str, set[Hashable]] = defaultdict(set)
    for line in instance.demand:
        asked[line.practice].add((line.item, line.units))
    for ban in instance.rules.forbid:
        asked[ban.practice].add(("forbid", ban.vendor, ban.item, ban.offer_item))
    for switch in instance.rules.switching_cost:
        asked[switch.practice].add((switch.item, switch.incumbent, switch.cost))
    alike: defaultdict[frozenset[Hashable], list[str]] = defaultdict(list)
    for name in due:
        alike[frozenset(asked[name])].append(name)
    return {
        name: sum((due[n] for n in group), Fraction(0)) / len(group)
        for group in alike.values()
        for name in group
    }


def _correct(
    due: Mapping[str, Fraction],
    cap: Mapping[str, Fraction],
    weight: Mapping[str, Fraction],
    total: Fraction,
) -> dict[str, Fraction]:
    """Bring each amount between 0 and its cap, keeping the total."""
    most = sum(cap.values(), Fraction(0))
    if total > most:
        extra = _in_proportion(total - most, weight)
        return {name: cap[name] + extra[name] for name in due}
    held = {name: min(max(amount, Fraction(0)), cap[name]) for name, amount in due.items()}
    missing = total - sum(held.values(), Fraction(0))
    if missing == 0:
        return held
    room = {name: cap[name] - amount if missing > 0 else amount for name, amount in held.items()}
    extra = _in_proportion(missing, room)
    return {name: amount + extra[name] for name, amount in held.items()}


def _whole_cents(due: Mapping[str, Fraction], total: Cents) -> dict[str, Cents]:
    """Largest remainder; ties go by name."""
    pays = {name: int(amount // 1) for name, amount in due.items()}
    left = total - sum(pays.values())
    for name in sorted(due, key=lambda n: (pays[n] - due[n], n))[:left]:
        pays[name] += 1
    return pays
