"""What makes an instance senseless whoever built it; each fault is one sentence with its path."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from hub.domain.purchasing.fields import (
    LARGEST_CENTS,
    LARGEST_UNITS,
    RATE_UNIT,
    reject,
)

if TYPE_CHECKING:
    from hub.domain.purchasing.instance import Instance, Offer, Vendor


def validate(instance: Instance) -> None:
    """Raise Rejected for the first fault; see `Instance`."""
    practices = _ids((p.id for p in instance.practices), "practices")
    items = _ids((i.id for i in instance.items), "items")
    vendors = _ids((v.id for v in instance.vendors), "vendors")
    for n, item in enumerate(instance.items):
        for k, other in enumerate(item.equivalents):
            _known(other, items, f"items[{n}].equivalents[{k}]", "items")
    for n, vendor in enumerate(instance.vendors):
        _vendor(vendor, f"vendors[{n}]")
    seen: set[tuple[str, str]] = set()
    for n, line in enumerate(instance.demand):
        path = f"demand[{n}]"
        _known(line.practice, practices, f"{path}.practice", "practices")
        _known(line.item, items, f"{path}.item", "items")
        _amount(line.units, f"{path}.units", least=1, most=LARGEST_UNITS)
        _once((line.practice, line.item), seen, path, "the same practice and item")
    seen = set()
    for n, offer in enumerate(instance.offers):
        path = f"offers[{n}]"
        _known(offer.vendor, vendors, f"{path}.vendor", "vendors")
        _known(offer.item, items, f"{path}.item", "items")
        _once((offer.vendor, offer.key), seen, path, "the same vendor and offer")
        _offer(offer, path)
    _rules(instance, practices, items, vendors)
    if instance.limits.seconds <= 0:
        reject("not_seconds", "limits.seconds", "must be above 0.")
    _amount(instance.limits.gap, "limits.gap", most=RATE_UNIT)


def check_demand_can_be_filled(instance: Instance) -> None:
    """Raise Rejected for the first line whose item, with its equivalents, nobody offers."""
    offered = {offer.item for offer in instance.offers}
    sources = {item.id: (item.id, *item.equivalents) for item in instance.items}
    for n, line in enumerate(instance.demand):
        if offered.isdisjoint(sources[line.item]):
            reject(
                "no_offer", f"demand[{n}]", f"asks for item {line.item}, which no vendor offers."
            )


def _vendor(vendor: Vendor, path: str) -> None:
    _amount(vendor.min_order, f"{path}.min_order")
    _amount(vendor.shipping.fee, f"{path}.shipping.fee")
    if vendor.shipping.free_from is not None:
        _amount(vendor.shipping.free_from, f"{path}.shipping.free_from")
    for n, level in enumerate(vendor.spend_rebates):
        where = f"{path}.spend_rebates[{n}]"
        _amount(level.from_spend, f"{where}.from")
        _amount(level.rate, f"{where}.rate", most=RATE_UNIT)
        if n and level.from_spend <= vendor.spend_rebates[n - 1].from_spend:
            reject("order", f"{where}.from", "must be above the level before it.")
        if n and level.rate < vendor.spend_rebates[n - 1].rate:
            reject("order", f"{where}.rate", "must not be below the level before it.")


def _offer(offer: Offer, path: str) -> None:
    _amount(offer.pack_units, f"{path}.pack_units", least=1, most=LARGEST_UNITS)
    _amount(offer.multiple, f"{path}.multiple", least=1, most=LARGEST_UNITS)
    if offer.max_packs is not None:
        _amount(offer.max_packs, f"{path}.max_packs", most=LARGEST_UNITS)
    if not offer.tiers:
        reject("no_tiers", f"{path}.tiers", "must have at least one tier.")
    for n, tier in enumerate(offer.tiers):
        where = f"{path}.tiers[{n}]"
        _amount(tier.from_packs, f"{where}.from_packs", most=LARGEST_UNITS)
        _amount(tier.price, f"{where}.price")
        if n == 0 and tier.from_packs > 1:
            reject(
                "order", f"{where}.from_packs", "must be 0, because every offer has a first price."
            )
        if n and tier.from_packs <= offer.tiers[n - 1].from_packs:
            reject("order", f"{where}.from_packs", "must be above the tier before it.")
        if n and tier.price > offer.tiers[n - 1].price:
            reject("order", f"{where}.price", "must not be above the tier before it.")


def _rules(instance: Instance, practices: set[str], items: set[str], vendors: set[str]) -> None:
    rules = instance.rules
    categories = {item.category for item in instance.items}
    for name in ("max_vendors", "max_vendors_per_practice"):
        limit = getattr(rules, name)
        if limit is not None:
            _amount(limit, f"rules.{name}", most=LARGEST_UNITS)
    for category, limit in rules.max_vendors_per_category:
        path = f"rules.max_vendors_per_category.{category}"
        _known(category, categories, path, "the categories of items")
        _amount(limit, path, most=LARGEST_UNITS)
    for n, ban in enumerate(rules.forbid):
        _known(ban.practice, practices, f"rules.forbid[{n}].practice", "practices")
        for name, table, known in (
            ("vendor", "vendors", vendors),
            ("item", "items", items),
            ("offer_item", "items", items),
        ):
            key = getattr(ban, name)
            if key:
                _known(key, known, f"rules.forbid[{n}].{name}", table)
        if not ban.vendor and not ban.offer_item:
            reject("forbids_nothing", f"rules.forbid[{n}]", "must name a vendor or an offer_item.")
    for n, promise in enumerate(rules.commitments):
        path = f"rules.commitments[{n}]"
        _known(promise.vendor, vendors, f"{path}.vendor", "vendors")
        _known(promise.category, categories, f"{path}.category", "the categories of items")
        _amount(promise.share, f"{path}.share", most=RATE_UNIT)
    seen: set[tuple[str, str]] = set()
    for n, switch in enumerate(rules.switching_cost):
        path = f"rules.switching_cost[{n}]"
        _known(switch.practice, practices, f"{path}.practice", "practices")
        _known(switch.item, items, f"{path}.item", "items")
        _known(switch.incumbent, vendors, f"{path}.incumbent", "vendors")
        _amount(switch.cost, f"{path}.cost")
        _once((switch.practice, switch.item), seen, path, "the same practice and item")


def _ids(ids: Iterable[str], table: str) -> set[str]:
    seen: set[str] = set()
    for n, key in enumerate(ids):
        if key in seen:
            reject("repeated", f"{table}[{n}].id", f"repeats {key}, which an earlier line has.")
        seen.add(key)
    return seen


def _known(key: str, known: set[str], path: str, table: str) -> None:
    if key not in known:
        reject("unknown_id", path, f"names {key}, which is not among {table}.")


def _once(key: tuple[str, str], seen: set[tuple[str, str]], path: str, what: str) -> None:
    if key in seen:
        reject("repeated", path, f"repeats {what} ({key[0]}, {key[1]}); join the two lines.")
    seen.add(key)


def _amount(value: int, path: str, *, least: int = 0, most: int = LARGEST_CENTS) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        reject("not_whole_number", path, "must be a whole number.")
    if value < least:
        reject("negative" if value < 0 else "zero", path, f"must be at least {least}.")
    if value > most:
        reject("too_large", path, f"must be at most {most}.")
