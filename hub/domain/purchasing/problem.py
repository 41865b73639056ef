"""An instance compiled for optimisation: indices instead of ids, useless offers and tiers removed.

Everything is sorted by id, so the order of the input changes nothing that follows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hub.domain.purchasing.instance import Cents, Demand, Forbidden, Instance, Offer
from hub.domain.purchasing.pricing import Line, Source

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Option:
    """One way to fill a line: `packs` of the offer; `switching` is the cost of leaving.

    Where lines may be split, a part of the line may be bought there: up to `packs`.
    """

    offer: int
    packs: int
    switching: Cents


@dataclass(frozen=True, slots=True)
class Problem:
    """Lines, their options, and the offers' reachable tiers; all by index.

    `options[line]` is empty where nobody may fill the line. `breaks[offer]` and `prices[offer]`
    run over the tiers that differ in price and that all lines together could reach.
    """

    instance: Instance
    practices: tuple[str, ...]
    vendors: tuple[str, ...]
    categories: tuple[str, ...]
    lines: tuple[Line, ...]
    units_of: tuple[int, ...]
    practice_of: tuple[int, ...]
    category_of: tuple[int, ...]
    options: tuple[tuple[Option, ...], ...]
    offers: tuple[Offer, ...]
    vendor_of: tuple[int, ...]
    breaks: tuple[tuple[int, ...], ...]
    prices: tuple[tuple[Cents, ...], ...]
    reachable: tuple[int, ...]

    @property
    def split(self) -> bool:
        """A line's units may be divided over several offers."""
        return self.instance.rules.split_lines

    def source(self, offer: int) -> Source:
        return self.offers[offer].vendor, self.offers[offer].key

    def choices(self, chosen: Sequence[int]) -> dict[Line, Source]:
        """Option indices by line as (vendor, offer key) by (practice, item)."""
        picked = (self.options[n][k] for n, k in enumerate(chosen))
        return {
            line: self.source(option.offer) for line, option in zip(self.lines, picked, strict=True)
        }

    def chosen(self, choices: Mapping[Line, Source]) -> list[int]:
        """The inverse of `choices`."""
        return [
            next(
                k
                for k, option in enumerate(self.options[n])
                if self.source(option.offer) == choices[line]
            )
            for n, line in enumerate(self.lines)
        ]

    @property
    def unfillable(self) -> tuple[Line, ...]:
        return tuple(
            line for line, options in zip(self.lines, self.options, strict=True) if not options
        )


def compile_instance(instance: Instance) -> Problem:
    """Compile; never fails on a validated instance."""
    offers = tuple(sorted(instance.offers, key=lambda o: (o.vendor, o.key)))
    demand = sorted(instance.demand, key=lambda d: (d.practice, d.item))
    practices = tuple(sorted(p.id for p in instance.practices))
    vendors = tuple(sorted(v.id for v in instance.vendors))
    categories = tuple(sorted({item.category for item in instance.items}))
    category = {item.id: categories.index(item.category) for item in instance.items}
    practice_index = {key: n for n, key in enumerate(practices)}
    vendor_index = {key: n for n, key in enumerate(vendors)}
    options = _options(instance, offers, demand)
    reachable = _reachable(options, offers)
    tiers = [_tiers(offer, most) for offer, most in zip(offers, reachable, strict=True)]
    return Problem(
        instance=instance,
        practices=practices,
        vendors=vendors,
        categories=categories,
        lines=tuple((line.practice, line.item) for line in demand),
        units_of=tuple(line.units for line in demand),
        practice_of=tuple(practice_index[line.practice] for line in demand),
        category_of=tuple(category[line.item] for line in demand),
        options=options,
        offers=offers,
        vendor_of=tuple(vendor_index[offer.vendor] for offer in offers),
        breaks=tuple(breaks for breaks, _ in tiers),
        prices=tuple(prices for _, prices in tiers),
        reachable=reachable,
    )


def bans_of(instance: Instance) -> dict[str, list[Forbidden]]:
    """Practice → what is forbidden to it."""
    found: dict[str, list[Forbidden]] = {}
    for ban in instance.rules.forbid:
        found.setdefault(ban.practice, []).append(ban)
    return found


def _options(
    instance: Instance, offers: Sequence[Offer], demand: Sequence[Demand]
) -> tuple[tuple[Option, ...], ...]:
    sources = {item.id: (item.id, *item.equivalents) for item in instance.items}
    bans = bans_of(instance)
    switches = {(s.practice, s.item): s for s in instance.rules.switching_cost}
    by_item: dict[str, list[int]] = {}
    for n, offer in enumerate(offers):
        by_item.setdefault(offer.item, []).append(n)
    result = []
    for line in demand:
        switch = switches.get((line.practice, line.item))
        found = []
        for n in sorted({n for i in sources[line.item] for n in by_item.get(i, ())}):
            offer = offers[n]
            packs = offer.packs_for(line.units)
            least = offer.multiple if instance.rules.split_lines else packs
            too_many = offer.max_packs is not None and least > offer.max_packs
            barred = any(ban.bars(line.item, offer) for ban in bans.get(line.practice, ()))
            if too_many or barred:
                continue
            leaves = switch is not None and switch.incumbent != offer.vendor
            found.append(Option(n, packs, switch.cost if switch and leaves else 0))
        result.append(tuple(found))
    return tuple(result)


def _reachable(options: Sequence[Sequence[Option]], offers: Sequence[Offer]) -> tuple[int, ...]:
    """The most packs each offer could sell: all lines that may use it, up to its limit."""
    most = [0] * len(offers)
    for line in options:
        for option in line:
            most[option.offer] += option.packs
    return tuple(
        packs if offer.max_packs is None else min(packs, offer.max_packs)
        for packs, offer in zip(most, offers, strict=True)
    )


def _tiers(offer: Offer, reachable: int) -> tuple[tuple[int, ...], tuple[Cents, ...]]:
    breaks, prices = [0], [offer.tiers[0].price]
    for tier in offer.tiers[1:]:
        if tier.price < prices[-1] and tier.from_packs <= reachable:
            breaks.append(tier.from_packs)
            prices.append(tier.price)
    return tuple(breaks), tuple(prices)
