"""What if: named changes to a round's problem, each giving a problem of its own to solve.

The demand, the offers and the rules of the round stay as they are; a scenario is compared with its
plan and never ordered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from hub.domain.purchasing.instance import Instance, Offer, Tier
from hub.domain.purchasing.round_rules import suppliers
from hub.errors import Rejected

MOST_PERCENT = 1_000


@dataclass(frozen=True, slots=True)
class OfferTiers:
    """What a vendor would ask for an item instead; with `offer` only at that offer of the item."""

    vendor: str
    item: str
    tiers: tuple[Tier, ...]
    offer: str = ""


@dataclass(frozen=True, slots=True)
class Changes:
    """`drop_vendors` sell nothing; the vendor limits replace the round's; `offer_tiers` replace an
    offer's; `demand_percent` is category → percent of its demand (0: put off by a month, 200: next
    month's brought forward too)."""

    drop_vendors: tuple[str, ...] = ()
    max_vendors: int | None = None
    max_vendors_per_practice: int | None = None
    offer_tiers: tuple[OfferTiers, ...] = ()
    demand_percent: tuple[tuple[str, int], ...] = ()


def apply_changes(instance: Instance, changes: Changes) -> Instance:
    """The problem as it would be. Rejected where a change names nothing of the round."""
    _check(instance, changes)
    percent = dict(changes.demand_percent)
    category = {item.id: item.category for item in instance.items}
    demand = [
        replace(line, units=_share(line.units, percent.get(category[line.item], 100)))
        for line in instance.demand
        if percent.get(category[line.item]) != 0
    ]
    tiers = {(each.vendor, each.item, each.offer): each.tiers for each in changes.offer_tiers}
    dropped = set(changes.drop_vendors)
    rules = instance.rules
    if changes.max_vendors is not None:
        rules = replace(rules, max_vendors=changes.max_vendors)
    if changes.max_vendors_per_practice is not None:
        rules = replace(rules, max_vendors_per_practice=changes.max_vendors_per_practice)
    return replace(
        instance,
        demand=tuple(demand),
        vendors=tuple(vendor for vendor in instance.vendors if vendor.id not in dropped),
        offers=tuple(
            replace(offer, tiers=_tiers_of(offer, tiers))
            for offer in instance.offers
            if offer.vendor not in dropped
        ),
        rules=replace(
            rules,
            forbid=tuple(ban for ban in rules.forbid if ban.vendor not in dropped),
            commitments=tuple(c for c in rules.commitments if c.vendor not in dropped),
            switching_cost=tuple(s for s in rules.switching_cost if s.incumbent not in dropped),
        ),
    )


def _tiers_of(
    offer: Offer, tiers: Mapping[tuple[str, str, str], tuple[Tier, ...]]
) -> tuple[Tier, ...]:
    anyone = tiers.get((offer.vendor, offer.item, ""), offer.tiers)
    return tiers.get((offer.vendor, offer.item, offer.id), anyone)


def _share(units: int, percent: int) -> int:
    """So many percent of the units, rounded up."""
    return -(-units * percent // 100)


def _check(instance: Instance, changes: Changes) -> None:
    vendors = {vendor.id for vendor in instance.vendors}
    offers = {(o.vendor, o.item, key) for o in instance.offers for key in ("", o.id)}
    categories = {item.category for item in instance.items}
    if set(changes.drop_vendors) - vendors:
        raise Rejected("A supplier to drop sells nothing in this round.", path="dropSuppliers")
    if any((each.vendor, each.item, each.offer) not in offers for each in changes.offer_tiers):
        raise Rejected("A supplier does not offer that item in this round.", path="offerTiers")
    for name, percent in changes.demand_percent:
        if name not in categories:
            raise Rejected(f"The round has no category {name}.", path="demandPercent")
        if not 0 <= percent <= MOST_PERCENT:
            raise Rejected(f"A percentage is 0 to {MOST_PERCENT}.", path="demandPercent")


def changes_to_json(changes: Changes) -> dict[str, Any]:
    """As a scenario's row keeps them; prices in cents."""
    return {
        "drop_vendors": list(changes.drop_vendors),
        "max_vendors": changes.max_vendors,
        "max_vendors_per_practice": changes.max_vendors_per_practice,
        "offer_tiers": [
            {
                "vendor": each.vendor,
                "item": each.item,
                "tiers": [[tier.from_packs, tier.price] for tier in each.tiers],
                "offer": each.offer,
            }
            for each in changes.offer_tiers
        ],
        "demand_percent": [list(pair) for pair in changes.demand_percent],
    }


def changes_from_json(stored: Mapping[str, Any]) -> Changes:
    """The inverse of `changes_to_json`."""
    return Changes(
        drop_vendors=tuple(stored["drop_vendors"]),
        max_vendors=stored["max_vendors"],
        max_vendors_per_practice=stored["max_vendors_per_practice"],
        offer_tiers=tuple(
            OfferTiers(
                each["vendor"],
                each["item"],
                tuple(Tier(packs, cents) for packs, cents in each["tiers"]),
                each.get("offer", ""),
            )
            for each in stored["offer_tiers"]
        ),
        demand_percent=tuple((name, percent) for name, percent in stored["demand_percent"]),
    )


def in_words(changes: Changes, names: Mapping[str, str]) -> str:
    """The changes as a sentence; `names` are those of vendors and items by id."""
    said = [f"without {names.get(vendor, vendor)}" for vendor in changes.drop_vendors]
    if changes.max_vendors is not None:
        said.append(f"at most {suppliers(changes.max_vendors)}")
    if changes.max_vendors_per_practice is not None:
        said.append(f"at most {suppliers(changes.max_vendors_per_practice)} per practice")
    for each in changes.offer_tiers:
        steps = ", ".join(f"{t.price / 100:.2f} from {t.from_packs}" for t in each.tiers)
        item = names.get(each.item, each.item)
        said.append(f"{names.get(each.vendor, each.vendor)} asks {steps} packs for {item}")
    said += [f"{percent} % of {name}" for name, percent in changes.demand_percent]
    text = "; ".join(said) or "no change"
    return f"{text[0].upper()}{text[1:]}."
