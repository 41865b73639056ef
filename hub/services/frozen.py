"""Offers and terms as a locked round keeps them: what changes later is seen and changes nothing.

They are kept when the demand is locked; opened bids come in place of the same supplier's earlier
ones. A round that is reopened forgets them and keeps those of its next lock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from hub.domain.purchasing.plan import money
from hub.storage import purchasing
from hub.storage import round_offers as store
from hub.storage.session import ScopedSession
from hub.storage.tables import (
    Offer,
    OfferTier,
    PurchasingRound,
    RoundOffer,
    RoundSupplier,
    Supplier,
    new_id,
)

OF_OFFER = ("vendor_part", "pack_units", "tier_type", "max_packs", "multiple", "ends_on")
OF_TERMS = ("min_order", "shipping_fee", "free_shipping_from", "rebates", "related_party")
_WORDS = {
    "vendor_part": "part number",
    "pack_units": "units in a pack",
    "tier_type": "kind of tiers",
    "max_packs": "most packs",
    "multiple": "multiple",
    "ends_on": "last day",
    "min_order": "minimum order",
    "shipping_fee": "shipping fee",
    "free_shipping_from": "free shipping from",
    "rebates": "rebates",
    "related_party": "related party",
}


def freeze(session: ScopedSession, row: PurchasingRound, now: datetime) -> int:
    """Keep the offers and terms of this moment for every item the round buys; returns how many
    offers are left out because they are in another currency than the round."""
    store.drop(session, row.id)
    bought = purchasing.items_of(session, row.categories)
    found = purchasing.offers(session, None, now.date(), row.id)
    wanted = [pair for pair in found if pair[0].item_id in bought]
    offers = [
        _offer(row.id, offer, tiers, now)
        for offer, tiers in wanted
        if offer.currency == row.currency
    ]
    terms = [_terms(row.id, supplier, now) for supplier in purchasing.suppliers(session)]
    store.keep(session, offers, terms)
    return len(wanted) - len(offers)


def freeze_if_needed(session: ScopedSession, row: PurchasingRound, now: datetime) -> None:
    """For rounds locked before offers were kept at that moment."""
    if not store.is_frozen(session, row.id):
        freeze(session, row, now)


def keep_bid(
    session: ScopedSession,
    round_id: str,
    offers: Sequence[tuple[Offer, Sequence[OfferTier]]],
    now: datetime,
) -> None:
    """Keep the offers of an opened bid, with the terms of their supplier if they are new."""
    known = {terms.supplier_id for terms in store.terms(session, round_id)}
    new = {offer.supplier_id for offer, _ in offers} - known
    terms = [_terms(round_id, session.get_one(Supplier, each), now) for each in sorted(new)]
    store.keep(session, [_offer(round_id, offer, tiers, now) for offer, tiers in offers], terms)


def _offer(
    round_id: str, offer: Offer, tiers: Sequence[OfferTier], now: datetime
) -> dict[str, Any]:
    return {
        "id": new_id(),
        "round_id": round_id,
        "offer_id": offer.id,
        "supplier_id": offer.supplier_id,
        "item_id": offer.item_id,
        "pack_unit_code": offer.pack_unit_code,
        "contract": offer.contract or "",
        "tiers": _cents(tiers),
        "frozen_at": now,
        "difference": "",
        **{name: getattr(offer, name) for name in OF_OFFER},
        "multiple": offer.multiple or 1,
        "tier_type": offer.tier_type or "all_units",
    }


def _terms(round_id: str, supplier: Supplier, now: datetime) -> dict[str, Any]:
    values = {name: getattr(supplier, name) for name in OF_TERMS}
    return {
        "id": new_id(),
        "round_id": round_id,
        "supplier_id": supplier.id,
        "frozen_at": now,
        "difference": "",
        **values,
    }


def _cents(tiers: Sequence[OfferTier]) -> list[list[int]]:
    ascending = sorted(tiers, key=lambda tier: tier.from_packs)
    return [[tier.from_packs, int(tier.price * 100)] for tier in ascending]


def note_offer(
    session: ScopedSession, offer: Offer, tiers: Sequence[OfferTier], now: datetime
) -> None:
    """An offer changed: rounds that keep it say what is different now."""
    for kept in store.kept_of_offer(session, offer.id):
        current = _offer(kept.round_id, offer, tiers, now)
        said = _differences(kept, current, OF_OFFER)
        if kept.tiers != current["tiers"]:
            said.append(f"price {_in_words(kept.tiers)}, now {_in_words(current['tiers'])}")
        _say(kept, said, now)


def note_terms(session: ScopedSession, supplier: Supplier, now: datetime) -> None:
    """A supplier's terms changed: rounds that keep them say what is different now."""
    for kept in store.kept_of_supplier(session, supplier.id):
        current = _terms(kept.round_id, supplier, now)
        _say(kept, _differences(kept, current, OF_TERMS), now)


def _differences(kept: object, current: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    said = []
    for name in names:
        before, after = getattr(kept, name), current[name]
        if before == after:
            continue
        plain = name == "rebates"
        said.append(f"{_WORDS[name]} differs" if plain else f"{_WORDS[name]} {before}, now {after}")
    return said


def _say(kept: RoundOffer | RoundSupplier, said: Sequence[str], now: datetime) -> None:
    text = f"{'; '.join(said)}." if said else ""
    text = text[:1].upper() + text[1:]
    if text != kept.difference:
        kept.difference, kept.changed_at = text, now if text else None


def _in_words(tiers: Sequence[Sequence[int]]) -> str:
    return ", ".join(f"{money(cents)} from {packs}" for packs, cents in tiers)
