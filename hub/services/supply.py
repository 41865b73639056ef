"""The catalogue: items, offers with their price tiers, and the terms of suppliers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select

from hub.domain.gs1 import gtin14
from hub.domain.records import Record
from hub.domain.supply import Item, Offer, SupplierTerms
from hub.errors import NotFound, Rejected
from hub.services.frozen import note_offer, note_terms
from hub.services.records import (
    ApplyContext,
    Outcome,
    content_of,
    digest,
    judge,
    key_of,
    money,
    refuse_delete,
)
from hub.storage import supply as store
from hub.storage.session import ScopedSession
from hub.storage.tables import Item as ItemRow
from hub.storage.tables import Offer as OfferRow
from hub.storage.tables import OfferTier, Supplier, new_id

OF_ITEM = (
    "name",
    "category",
    "manufacturer",
    "manufacturer_part",
    "base_unit",
    "gtin_valid",
    "unspsc",
)
OF_OFFER = (
    "vendor_part",
    "pack_units",
    "pack_unit_code",
    "tier_type",
    "currency",
    "starts_on",
    "ends_on",
    "max_packs",
    "multiple",
)


def apply_terms(session: ScopedSession, context: ApplyContext, record: Record) -> Outcome:
    """Set the terms of the supplier behind the connection, created under the connection's name."""
    refuse_delete(record)
    terms = content_of(record, SupplierTerms)
    said = {
        "min_order": money(terms.min_order, "min_order"),
        "shipping_fee": money(terms.shipping_fee, "shipping_fee"),
        "free_shipping_from": None
        if terms.free_shipping_from is None
        else money(terms.free_shipping_from, "free_shipping_from"),
        "currency": terms.currency,
        "rebates": {
            "levels": [[str(money(start, "rebates")), str(rate)] for start, rate in terms.rebates]
        },
    }
    row, created = store.supplier_of(session, context.connection_id)
    changed = {name: value for name, value in said.items() if getattr(row, name) != value}
    for name, value in changed.items():
        setattr(row, name, value)
    if created:
        return Outcome.CREATED
    if changed:
        note_terms(session, row, context.received_at)
    return Outcome.CHANGED if changed else Outcome.UNCHANGED


def items_named(session: ScopedSession, ids: Sequence[str]) -> Sequence[ItemRow]:
    """The items of these ids. Raises NotFound for the first that is none."""
    found = {row.id: row for row in session.scalars(select(ItemRow).where(ItemRow.id.in_(ids)))}
    for item_id in ids:
        if item_id not in found:
            raise NotFound(sought=item_id)
    return list(found.values())


def set_related_party(
    session: ScopedSession, *, supplier_id: str, related_party: bool, now: datetime
) -> None:
    """Say whether the MSO or an owner has an interest in a supplier; rounds that keep its terms
    show the difference. NotFound."""
    row = session.get(Supplier, supplier_id, with_for_update=True)
    if row is None:
        raise NotFound(sought=supplier_id)
    row.related_party = related_party
    session.flush()
    note_terms(session, row, now)


def apply_item(session: ScopedSession, context: ApplyContext, record: Record) -> Outcome:
    """Create an item, or fill in what nobody said of it yet."""
    refuse_delete(record)
    return _item(session, content_of(record, Item))[1]


def _item(session: ScopedSession, item: Item) -> tuple[ItemRow, Outcome]:
    """One item per GTIN (14 digits); another supplier does not overrule who named it first."""
    if not item.gtin:
        raise Rejected("The item has no GTIN.", reason="missing_gtin", path="item.gtin")
    said = {name: getattr(item, name) for name in OF_ITEM}
    row, created = store.item_of(session, gtin14(item.gtin), said)
    if created:
        return row, Outcome.CREATED
    missing = {name: value for name, value in said.items() if value and getattr(row, name) == ""}
    for name, value in missing.items():
        setattr(row, name, value)
    return row, Outcome.CHANGED if missing else Outcome.UNCHANGED


def apply_offer(session: ScopedSession, context: ApplyContext, record: Record) -> Outcome:
    """Create or replace an offer with its item and tiers.

    A withdrawn offer ends the day before the message arrived, in the zone of the context: orders
    refer to it, so that it is kept.
    """
    offer = content_of(record, Offer)
    _check(offer)
    supplier, _ = store.supplier_of(session, context.connection_id)
    row = store.find_offer(session, supplier.id, key_of(record))
    content = digest(record)
    outcome = judge(row, record, content)
    if outcome in (Outcome.UNCHANGED, Outcome.STALE):
        return outcome
    item, _ = _item(session, offer.item)
    if row is None:
        row = OfferRow(id=new_id(), supplier_id=supplier.id, external_id=record.external_id)
        session.add(row)
    row.item_id = item.id
    for name in OF_OFFER:
        setattr(row, name, getattr(offer, name))
    if record.op == "delete":
        yesterday = context.received_at.astimezone(context.zone).date() - timedelta(days=1)
        row.ends_on = min(offer.ends_on or yesterday, yesterday)
    row.content_hash, row.updated_at = content, context.received_at
    row.connection_id = context.connection_id
    row.occurred_at = record.occurred_at or row.occurred_at
    session.flush()
    tiers = [
        OfferTier(offer_id=row.id, from_packs=t.from_packs, price=t.price) for t in offer.tiers
    ]
    store.replace_tiers(session, row.id, tiers)
    note_offer(session, row, tiers, context.received_at)
    return outcome


def _check(offer: Offer) -> None:
    """Rejected unless the offer can be priced: positive packs, tiers that ascend from the first."""
    starts = [tier.from_packs for tier in offer.tiers]
    if not starts:
        raise Rejected("The offer has no price.", reason="offer_without_price", path="tiers")
    if starts != sorted(set(starts)) or starts[0] < 0:
        raise Rejected(
            "Price tiers must ascend, each from another quantity.",
            reason="offer_tiers",
            path="tiers.from_packs",
        )
    for tier in offer.tiers:
        if money(tier.price, "tiers.price") < 0:
            raise Rejected("A price is negative.", reason="offer_price", path="tiers.price")
    if offer.pack_units < 1 or offer.multiple < 1 or (offer.max_packs or 0) < 0:
        raise Rejected(
            "A pack holds at least one unit and is sold in whole multiples.",
            reason="offer_pack",
            path="pack_units",
        )
