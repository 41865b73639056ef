"""What some of the practices would pay if only they bought: the costs behind fair shares.

A coalition buys what the plan awards its members, at the tiers, rebates and free freight that its
own volume reaches, or each member buys alone where that is cheaper. Minimum orders do not count.
So these costs are at most a little above what the coalition could reach with a plan of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
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
    levels: tuple[tuple[Ints, Ints], ...]

    def cost(self, members: Members) -> Cents:
        """Cents that the members pay together; all of them pay what is invoiced."""
        if members.all():
            return self.total
        pooled = self.packs.T @ members.astype(np.int64)
        tier = np.maximum((pooled[:, None] >= self.breaks).sum(axis=1) - 1, 0)
        price = self.prices[np.arange(len(tier)), np.where(self.incremental, 0, tier)]
        rows = members[self.practice]
        goods = np.bincount(
            self.practice[rows] * len(self.fee) + self.vendor[self.packs.indices[rows]],
            weights=self.packs.data[rows] * price[self.packs.indices[rows]],
            minlength=len(self.names) * len(self.fee),
        ).reshape(len(self.names), len(self.fee))
        shipping = np.where((goods > 0) & (goods < self.free_from), self.fee, 0).sum()
        spend = goods.sum(axis=0) - np.bincount(
            self.vendor, weights=self._credits(pooled), minlength=len(self.fee)
        )
        paid = sum(self._less_rebate(n, round(each)) for n, each in enumerate(spend))
        return min(paid + int(shipping), int(self.alone[members].sum()))

    def _credits(self, pooled: Ints) -> Ints:
        fall = self.prices[:, :-1] - self.prices[:, 1:]
        beyond = np.maximum(pooled[:, None] - self.breaks[:, 1:] + 1, 0)
        return np.where(self.incremental, (fall * beyond).sum(axis=1), 0)

    def _less_rebate(self, vendor: int, spend: Cents) -> Cents:
        starts, rates = self.levels[vendor]
        level = int(np.searchsorted(starts, spend, side="right")) - 1
        return spend - (spend * int(rates[level]) // RATE_UNIT if level >= 0 else 0)


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
        levels=tuple(
            (
                np.array([level.from_spend for level in v.spend_rebates], dtype=np.int64),
                np.array([level.rate for level in v.spend_rebates], dtype=np.int64),
            )
            for v in vendors
        ),
    )
