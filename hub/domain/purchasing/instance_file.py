"""Reads a purchasing instance from its JSON form (docs/reference/purchasing-instance.md)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from hub.domain.purchasing import fields
from hub.domain.purchasing.instance import (
    Commitment,
    Demand,
    Forbidden,
    Instance,
    Item,
    Limits,
    Offer,
    Practice,
    Rules,
    Sharing,
    Shipping,
    SpendRebate,
    SwitchingCost,
    Tier,
    Vendor,
)
from hub.domain.purchasing.validation import check_demand_can_be_filled


def load(document: Mapping[str, Any]) -> Instance:
    """Read the JSON form: money as decimal strings, quantities as whole numbers.

    Raises Rejected(message, reason, path) for the first fault found: unknown or missing keys,
    amounts that are no amounts, mixed currencies, everything `Instance` refuses, and demand for
    an item that nobody offers.
    """
    required = ("practices", "items", "demand", "vendors", "offers")
    top = fields.mapping(
        document, "", (*required, "currency", "rules", "limits", "sharing"), required
    )
    currency = fields.currency(top.get("currency", "USD"), "currency")
    instance = Instance(
        practices=fields.rows(top["practices"], "practices", _practice),
        items=fields.rows(top["items"], "items", _item),
        demand=fields.rows(top["demand"], "demand", _demand),
        vendors=fields.rows(top["vendors"], "vendors", partial(_vendor, currency)),
        offers=fields.rows(top["offers"], "offers", partial(_offer, currency)),
        rules=_rules(top.get("rules", {}), "rules"),
        limits=_limits(top.get("limits", {}), "limits"),
        currency=currency,
        sharing=_sharing(top.get("sharing", {}), "sharing"),
    )
    check_demand_can_be_filled(instance)
    return instance


def _practice(value: Any, path: str) -> Practice:
    row = fields.mapping(value, path, ("id", "name"), ("id",))
    name = fields.optional_text(row.get("name", ""), f"{path}.name")
    return Practice(fields.text(row["id"], f"{path}.id"), name)


def _item(value: Any, path: str) -> Item:
    row = fields.mapping(value, path, ("id", "category", "equivalents"), ("id",))
    return Item(
        fields.text(row["id"], f"{path}.id"),
        fields.optional_text(row.get("category", ""), f"{path}.category"),
        fields.rows(row.get("equivalents", []), f"{path}.equivalents", fields.text),
    )


def _demand(value: Any, path: str) -> Demand:
    keys = ("practice", "item", "units")
    row = fields.mapping(value, path, keys, keys)
    return Demand(
        fields.text(row["practice"], f"{path}.practice"),
        fields.text(row["item"], f"{path}.item"),
        fields.positive(row["units"], f"{path}.units"),
    )


def _vendor(currency: str, value: Any, path: str) -> Vendor:
    known = ("id", "min_order", "shipping", "spend_rebates", "related_party", "currency")
    row = fields.mapping(value, path, known, ("id",))
    _same_currency(row, path, currency)
    return Vendor(
        fields.text(row["id"], f"{path}.id"),
        fields.cents(row.get("min_order", "0.00"), f"{path}.min_order"),
        _shipping(row.get("shipping", {}), f"{path}.shipping"),
        fields.rows(row.get("spend_rebates", []), f"{path}.spend_rebates", _rebate),
        fields.flag(row.get("related_party", False), f"{path}.related_party"),
    )


def _shipping(value: Any, path: str) -> Shipping:
    row = fields.mapping(value, path, ("fee", "free_from"), ())
    return Shipping(
        fields.cents(row.get("fee", "0.00"), f"{path}.fee"),
        fields.optional(fields.cents)(row.get("free_from"), f"{path}.free_from"),
    )


def _rebate(value: Any, path: str) -> SpendRebate:
    row = fields.mapping(value, path, ("from", "rate"), ("from", "rate"))
    return SpendRebate(
        fields.cents(row["from"], f"{path}.from"), fields.rate(row["rate"], f"{path}.rate")
    )


def _offer(currency: str, value: Any, path: str) -> Offer:
    required = ("vendor", "item", "pack_units", "tiers")
    known = (*required, "id", "tier_type", "max_packs", "multiple", "currency")
    row = fields.mapping(value, path, known, required)
    _same_currency(row, path, currency)
    tier_type = row.get("tier_type", "all_units")
    if tier_type not in ("all_units", "incremental"):
        fields.reject("tier_type", f"{path}.tier_type", "must be all_units or incremental.")
    return Offer(
        vendor=fields.text(row["vendor"], f"{path}.vendor"),
        item=fields.text(row["item"], f"{path}.item"),
        pack_units=fields.positive(row["pack_units"], f"{path}.pack_units"),
        tiers=fields.rows(row["tiers"], f"{path}.tiers", _tier),
        max_packs=fields.optional(fields.whole)(row.get("max_packs"), f"{path}.max_packs"),
        multiple=fields.positive(row.get("multiple", 1), f"{path}.multiple"),
        tier_type=tier_type,
        id=fields.optional_text(row.get("id", ""), f"{path}.id"),
    )


def _tier(value: Any, path: str) -> Tier:
    row = fields.mapping(value, path, ("from_packs", "price"), ("from_packs", "price"))
    return Tier(
        fields.whole(row["from_packs"], f"{path}.from_packs"),
        fields.cents(row["price"], f"{path}.price"),
    )


def _same_currency(row: Mapping[str, Any], path: str, currency: str) -> None:
    if row.get("currency", currency) != currency:
        fields.reject(
            "mixed_currency", f"{path}.currency", f"must be {currency}, the currency of the round."
        )


def _rules(value: Any, path: str) -> Rules:
    known = tuple(Rules.__dataclass_fields__)
    row = fields.mapping(value, path, known, ())
    count = fields.optional(fields.whole)
    per_category = row.get("max_vendors_per_category", {})
    if not isinstance(per_category, Mapping):
        fields.reject("not_an_object", f"{path}.max_vendors_per_category", "must be an object.")
    return Rules(
        count(row.get("max_vendors"), f"{path}.max_vendors"),
        count(row.get("max_vendors_per_practice"), f"{path}.max_vendors_per_practice"),
        tuple(
            (name, fields.whole(limit, f"{path}.max_vendors_per_category.{name}"))
            for name, limit in per_category.items()
        ),
        fields.rows(row.get("forbid", []), f"{path}.forbid", _forbidden),
        fields.rows(row.get("commitments", []), f"{path}.commitments", _commitment),
        fields.rows(row.get("switching_cost", []), f"{path}.switching_cost", _switching),
        fields.flag(row.get("split_lines", False), f"{path}.split_lines"),
    )


def _forbidden(value: Any, path: str) -> Forbidden:
    named = ("vendor", "item", "offer_item")
    row = fields.mapping(value, path, ("practice", *named), ("practice",))
    return Forbidden(
        fields.text(row["practice"], f"{path}.practice"),
        *(fields.text(row[key], f"{path}.{key}") if key in row else "" for key in named),
    )


def _commitment(value: Any, path: str) -> Commitment:
    keys = ("vendor", "category", "share")
    row = fields.mapping(value, path, keys, keys)
    return Commitment(
        fields.text(row["vendor"], f"{path}.vendor"),
        fields.text(row["category"], f"{path}.category"),
        fields.rate(row["share"], f"{path}.share"),
    )


def _switching(value: Any, path: str) -> SwitchingCost:
    keys = ("practice", "item", "incumbent", "cost")
    row = fields.mapping(value, path, keys, keys)
    return SwitchingCost(
        fields.text(row["practice"], f"{path}.practice"),
        fields.text(row["item"], f"{path}.item"),
        fields.text(row["incumbent"], f"{path}.incumbent"),
        fields.cents(row["cost"], f"{path}.cost"),
    )


def _limits(value: Any, path: str) -> Limits:
    row = fields.mapping(value, path, ("seconds", "gap"), ())
    return Limits(
        fields.seconds(row.get("seconds", 60), f"{path}.seconds"),
        fields.rate(row.get("gap", "0.001"), f"{path}.gap"),
    )


def _sharing(value: Any, path: str) -> Sharing:
    row = fields.mapping(value, path, ("rule", "sample", "seed"), ())
    rule = row.get("rule", "standalone")
    if rule not in ("standalone", "volume", "shapley"):
        fields.reject("sharing_rule", f"{path}.rule", "must be standalone, volume or shapley.")
    return Sharing(
        rule,
        fields.flag(row.get("sample", False), f"{path}.sample"),
        fields.whole(row.get("seed", 1), f"{path}.seed"),
    )
