"""What some of the practices would pay if only they bought: the costs behind fair shares.

A coalition buys what the plan awards its members, at the tiers, rebates and free freight that its
own volume reaches, or each member buys alone where that is cheaper. Minimum orders do not count.
So these costs are at most a little above what the coalition could reach with a plan of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from hub.domain.purchasing.fields import RATE_UNIT
from hub.domain.purchasing.instance import Cents, Instance
from hub.domain.purchasing.pricing import Priced, switching_costs

Ints = npt.NDArray[np.int64]
Members = npt.NDArray[np.bool_]

_NEVER = 2**62


@dataclass(frozen=True, slots=True)
class Coalitions:
    """The plan of all as arrays; practices in the order of `names`."""

    names: tuple[str, ...]
    total: Cents
    alone: Ints
    packs: csr_array
    practice: Ints
    vendor: Ints
    breaks: Ints
    prices: Ints
    incremental: npt.NDArray[np.bool_]
    fee: Ints
    free_from: Ints
    starts: Ints
    rates: Ints

    def cost(self, members: Members) -> Cents:
        """Cents that the members pay together; all of them pay what is invoiced."""
        if members.all():
            return self.total
        pooled = self.packs.T @ members.astype(np.int64)
        price = self.price_at(np.arange(len(pooled)), pooled)
        rows = members[self.practice]
        goods = np.bincount(
            self.practice[rows] * len(self.fee) + self.vendor[self.packs.indices[rows]],
            weights=self.packs.data[rows] * price[self.packs.indices[rows]],
            minlength=len(self.names) * len(self.fee),
        ).reshape(len(self.names), len(self.fee))
        shipping = np.where((goods > 0) & (goods < self.free_from), self.fee, 0).sum()
        credit = self.credit_at(np.arange(len(pooled)), pooled)
        spend = goods.sum(axis=0) - np.bincount(
            self.vendor, weights=credit, minlength=len(self.fee)
        )
        paid = self.less_rebates(np.rint(spend).astype(np.int64)).sum()
        return min(int(paid + shipping), int(self.alone[members].sum()))

    def price_at(self, offers: Ints, pooled: Ints) -> Ints:
        """What a pack of each of the offers is invoiced at."""
        tier = np.maximum((pooled[:, None] >= self.breaks[offers]).sum(axis=1) - 1, 0)
        price: Ints = self.prices[offers, np.where(self.incremental[offers], 0, tier)]
        return price

    def credit_at(self, offers: Ints, pooled: Ints) -> Ints:
        """What incremental tiers of each of the offers give back."""
        prices = self.prices[offers]
        beyond = np.maximum(pooled[:, None] - self.breaks[offers, 1:] + 1, 0)
        credit = ((prices[:, :-1] - prices[:, 1:]) * beyond).sum(axis=1)
        return np.where(self.incremental[offers], credit, 0)

    def less_rebates(self, spend: Ints) -> Ints:
        """Spend by vendor less the rebate it earns."""
        level = (spend[:, None] >= self.starts).sum(axis=1)
        paid: Ints = spend - spend * self.rates[np.arange(len(spend)), level] // RATE_UNIT
        return paid


class Growing:
    """A coalition that practices join one after another; each looks only at what changes."""

    def __init__(self, coalitions: Coalitions) -> None:
        self._of = coalitions
        self._by_offer = coalitions.packs.tocsc()
        practices, vendors = len(coalitions.names), len(coalitions.fee)
        self._members = np.zeros(practices, dtype=bool)
        self._pooled = np.zeros(len(coalitions.vendor), dtype=np.int64)
        self._price = coalitions.price_at(np.arange(len(self._pooled)), self._pooled)
        self._goods = np.zeros(practices * vendors, dtype=np.int64)
        self._shipping = np.zeros_like(self._goods)
        self._spend = np.zeros(vendors, dtype=np.int64)
        self._shipped = self._alone = 0

    def join(self, member: int) -> Cents:
        """Cents that all who joined so far pay together, as `Coalitions.cost` has it."""
        of, packs = self._of, self._of.packs
        bought = slice(packs.indptr[member], packs.indptr[member + 1])
        offers, count = packs.indices[bought].astype(np.int64), packs.data[bought]
        before = self._pooled[offers]
        after = before + count
        self._pooled[offers] = after
        price = of.price_at(offers, after)
        fall = price - self._price[offers]
        self._price[offers] = price
        touched = self._pay(np.full(len(offers), member), offers, count * price)
        moved = np.flatnonzero(fall)
        others = self._repriced(offers[moved], fall[moved])
        credit = of.credit_at(offers, after) - of.credit_at(offers, before)
        np.subtract.at(self._spend, of.vendor[offers], credit)
        self._ship(np.unique(np.concatenate((touched, others))))
        self._members[member] = True
        self._alone += int(of.alone[member])
        if self._members.all():
            return of.total
        return min(int(of.less_rebates(self._spend).sum()) + self._shipped, self._alone)

    def _pay(self, practices: Ints, offers: Ints, cents: Ints) -> Ints:
        """Add goods and spend; gives the pairs of practice and vendor."""
        vendors = self._of.vendor[offers]
        pairs: Ints = practices * len(self._of.fee) + vendors
        np.add.at(self._goods, pairs, cents)
        np.add.at(self._spend, vendors, cents)
        return pairs

    def _repriced(self, offers: Ints, fall: Ints) -> Ints:
        """The members' earlier packs at the new prices."""
        by_offer = self._by_offer
        starts, ends = by_offer.indptr[offers], by_offer.indptr[offers + 1]
        length = (ends - starts).astype(np.int64)
        shift = np.repeat(starts - np.concatenate(([0], np.cumsum(length)[:-1])), length)
        entry = np.arange(int(length.sum())) + shift
        kept = self._members[by_offer.indices[entry]]
        entry, offer, cents = entry[kept], np.repeat(offers, length)[kept], np.repeat(fall, length)
        practices = by_offer.indices[entry].astype(np.int64)
        return self._pay(practices, offer, by_offer.data[entry] * cents[kept])

    def _ship(self, pairs: Ints) -> None:
        goods, vendor = self._goods[pairs], pairs % len(self._of.fee)
        free = (goods <= 0) | (goods >= self._of.free_from[vendor])
        shipping = np.where(free, 0, self._of.fee[vendor])
        self._shipped += int((shipping - self._shipping[pairs]).sum())
        self._shipping[pairs] = shipping


def coalitions_of(
    instance: Instance, priced: Priced, alone: Mapping[str, Cents | None]
) -> Coalitions:
    """The coalitions of a plan; a practice that cannot buy alone never prefers to."""
    names = tuple(sorted(practice.id for practice in instance.practices))
    offers = sorted(instance.offers, key=lambda o: (o.vendor, o.key))
    vendors = sorted(instance.vendors, key=lambda v: v.id)
    practice_at = {key: n for n, key in enumerate(names)}
    vendor_at = {vendor.id: n for n, vendor in enumerate(vendors)}
    offer_at = {(offer.vendor, offer.key): n for n, offer in enumerate(offers)}
    packs = csr_array(
        (
            np.array([award.packs for award in priced.awards], dtype=np.int64),
            (
                np.array([practice_at[a.practice] for a in priced.awards], dtype=np.int64),
                np.array([offer_at[a.source] for a in priced.awards], dtype=np.int64),
            ),
        ),
        shape=(len(names), len(offers)),
    )
    widest = max((len(offer.tiers) for offer in offers), default=1)
    breaks = np.full((len(offers), widest), _NEVER, dtype=np.int64)
    prices = np.zeros((len(offers), widest), dtype=np.int64)
    for n, offer in enumerate(offers):
        count = len(offer.tiers)
        breaks[n, :count] = [tier.from_packs for tier in offer.tiers]
        prices[n, :count] = [tier.price for tier in offer.tiers]
        prices[n, count:] = prices[n, count - 1]
    switching = switching_costs(instance, priced.awards)
    single = [alone[name] for name in names]
    return Coalitions(
        names=names,
        total=priced.invoiced,
        alone=np.array(
            [
                10**14 if cost is None else max(0, cost - switching[name])
                for name, cost in zip(names, single, strict=True)
            ],
            dtype=np.int64,
        ),
        packs=packs,
        practice=np.repeat(np.arange(len(names)), np.diff(packs.indptr)),
        vendor=np.array([vendor_at[offer.vendor] for offer in offers], dtype=np.int64),
        breaks=breaks,
        prices=prices,
        incremental=np.array([offer.incremental for offer in offers], dtype=bool),
        fee=np.array([v.shipping.fee for v in vendors], dtype=np.int64),
        free_from=np.array(
            [_NEVER if v.shipping.free_from is None else v.shipping.free_from for v in vendors],
            dtype=np.int64,
        ),
        starts=_padded([[level.from_spend for level in v.spend_rebates] for v in vendors], _NEVER),
        rates=_padded([[0, *(level.rate for level in v.spend_rebates)] for v in vendors], 0),
    )


def _padded(rows: Sequence[Sequence[int]], filler: int) -> Ints:
    table = np.full((len(rows), max(map(len, rows), default=0)), filler, dtype=np.int64)
    for n, row in enumerate(rows):
        table[n, : len(row)] = row
    return table
