"""A plan under change: what each line buys, with cost and broken rules kept exact by increments."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from hub.domain.purchasing.fields import RATE_UNIT
from hub.domain.purchasing.instance import Cents
from hub.domain.purchasing.problem import Problem

Change = tuple[int, int]
"""(line, index of its new option)"""

_VENDOR_TOO_MANY = 10_000
"""Weight of one vendor beyond a limit, beside cents below a minimum and packs above a maximum."""


class State:
    """Mutable. `violation` is 0 exactly when no rule is broken; then `cost`, in cents, is exact.

    `below` is what each order (practice by vendor) lacks of its minimum, in cents.
    """

    def __init__(self, problem: Problem, chosen: Sequence[int]) -> None:
        self.problem = problem
        vendors, rules = len(problem.vendors), problem.instance.rules
        self._width = vendors
        by_id = {vendor.id: vendor for vendor in problem.instance.vendors}
        self.terms = [by_id[key] for key in problem.vendors]
        self.chosen = list(chosen)
        self.packs = [0] * len(problem.offers)
        self.price = [prices[0] for prices in problem.prices]
        self.members: list[set[int]] = [set() for _ in problem.offers]
        self.goods = [0] * (len(problem.practices) * vendors)
        self.count = [0] * len(self.goods)
        self.spend = [0] * vendors
        self._shipping = [0] * len(self.goods)
        self.below = [0] * len(self.goods)
        self._rebate = [0] * vendors
        self._credit = [0] * len(problem.offers)
        self._categories = {name: n for n, name in enumerate(problem.categories)}
        self._category_limits = [
            (self._categories[n], k) for n, k in rules.max_vendors_per_category
        ]
        self._category_count = [0] * (len(problem.categories) * vendors)
        self._category_goods = [0] * len(self._category_count)
        self.cost: Cents = 0
        self._local_violation = 0
        self._place([(n, k) for n, k in enumerate(self.chosen)], first=True)

    @property
    def violation(self) -> int:
        return self._local_violation + self._rule_violation()

    @property
    def rank(self) -> tuple[int, Cents]:
        """Smaller is better: allowed before cheap."""
        return self.violation, self.cost

    def move(self, changes: Sequence[Change]) -> list[Change]:
        """Apply `changes` (each line at most once); gives the changes that undo them."""
        undo = [(line, self.chosen[line]) for line, _ in changes]
        self._place(changes)
        return undo

    def amount(self, line: int) -> Cents:
        option = self.problem.options[line][self.chosen[line]]
        return option.packs * self.price[option.offer]

    def vendor(self, line: int) -> int:
        return self.problem.vendor_of[self.problem.options[line][self.chosen[line]].offer]

    def _place(self, changes: Sequence[Change], *, first: bool = False) -> None:
        offers: set[int] = set()
        pairs: set[int] = set()
        vendors: set[int] = set()
        for line, new in changes:
            if not first:
                offers.add(self._add(line, -1, pairs, vendors))
            self.chosen[line] = new
            offers.add(self._add(line, 1, pairs, vendors))
        for offer in offers:
            self._reprice(offer, pairs)
        for pair in pairs:
            self._settle_order(pair)
        for vendor in vendors:
            self._settle_rebate(vendor)

    def _add(self, line: int, sign: int, pairs: set[int], vendors: set[int]) -> int:
        problem = self.problem
        option = problem.options[line][self.chosen[line]]
        offer = option.offer
        vendor = problem.vendor_of[offer]
        limit = problem.offers[offer].max_packs
        if limit is not None:
            self._local_violation -= max(0, self.packs[offer] - limit)
        self.packs[offer] += sign * option.packs
        if limit is not None:
            self._local_violation += max(0, self.packs[offer] - limit)
        if sign > 0:
            self.members[offer].add(line)
        else:
            self.members[offer].remove(line)
        pair = problem.practice_of[line] * self._width + vendor
        self.count[pair] += sign
        self._category_count[problem.category_of[line] * self._width + vendor] += sign
        self.cost += sign * option.switching
        self._spend(line, vendor, sign * option.packs * self.price[offer])
        pairs.add(pair)
        vendors.add(vendor)
        return offer

    def _spend(self, line: int, vendor: int, cents: Cents) -> None:
        self.goods[self.problem.practice_of[line] * self._width + vendor] += cents
        self._category_goods[self.problem.category_of[line] * self._width + vendor] += cents
        self.spend[vendor] += cents
        self.cost += cents

    def _reprice(self, offer: int, pairs: set[int]) -> None:
        problem = self.problem
        if problem.offers[offer].incremental:
            self._settle_credit(offer)
            return
        tier = bisect_right(problem.breaks[offer], self.packs[offer]) - 1
        price = problem.prices[offer][tier]
        change = price - self.price[offer]
        if not change:
            return
        self.price[offer] = price
        vendor = problem.vendor_of[offer]
        for line in self.members[offer]:
            packs = problem.options[line][self.chosen[line]].packs
            self._spend(line, vendor, packs * change)
            pairs.add(problem.practice_of[line] * self._width + vendor)

    def _settle_credit(self, offer: int) -> None:
        credit = self.problem.offers[offer].credit_at(self.packs[offer])
        self.spend[self.problem.vendor_of[offer]] -= credit - self._credit[offer]
        self.cost -= credit - self._credit[offer]
        self._credit[offer] = credit

    def _settle_order(self, pair: int) -> None:
        terms = self.terms[pair % self._width]
        shipping = below = 0
        if self.count[pair]:
            goods = self.goods[pair]
            free_from = terms.shipping.free_from
            if free_from is None or goods < free_from:
                shipping = terms.shipping.fee
            below = max(0, terms.min_order - goods)
        self.cost += shipping - self._shipping[pair]
        self._shipping[pair] = shipping
        self._local_violation += below - self.below[pair]
        self.below[pair] = below

    def _settle_rebate(self, vendor: int) -> None:
        spend, rate = self.spend[vendor], 0
        for level in self.terms[vendor].spend_rebates:
            if level.from_spend <= spend:
                rate = level.rate
        rebate = spend * rate // RATE_UNIT
        self.cost -= rebate - self._rebate[vendor]
        self._rebate[vendor] = rebate

    def _rule_violation(self) -> int:
        rules, width = self.problem.instance.rules, self._width
        total = 0
        if rules.max_vendors is not None:
            used = sum(any(self.count[v::width]) for v in range(width))
            total += max(0, used - rules.max_vendors) * _VENDOR_TOO_MANY
        if rules.max_vendors_per_practice is not None:
            for start in range(0, len(self.count), width):
                opened = sum(map(bool, self.count[start : start + width]))
                total += max(0, opened - rules.max_vendors_per_practice) * _VENDOR_TOO_MANY
        for category, limit in self._category_limits:
            start = category * width
            used = sum(map(bool, self._category_count[start : start + width]))
            total += max(0, used - limit) * _VENDOR_TOO_MANY
        for promise in rules.commitments:
            start = self._categories[promise.category] * width
            there = self._category_goods[start + self.problem.vendors.index(promise.vendor)]
            bought = sum(self._category_goods[start : start + width])
            total += max(0, -(-(bought * promise.share) // RATE_UNIT) - there)
        return total
