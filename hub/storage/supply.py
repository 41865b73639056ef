"""Queries on the MSO's catalogue: suppliers, items, offers. None of it belongs to a practice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import delete, select

from hub.storage.session import ScopedSession
from hub.storage.tables import Connection, Item, Offer, OfferTier, Supplier, new_id
from hub.storage.upsert import insert_once


def supplier_of(session: ScopedSession, connection_id: str) -> tuple[Supplier, bool]:
    """The supplier behind a connection, created under its name if new (then True)."""
    found = session.scalars(select(Supplier).where(Supplier.connection_id == connection_id)).first()
    if found is not None:
        return found, False
    name = session.scalars(select(Connection.name).where(Connection.id == connection_id)).one()
    row = {"id": new_id(), "name": name, "connection_id": connection_id, "rebates": {}}
    created = insert_once(session, Supplier, row)
    return (
        session.scalars(select(Supplier).where(Supplier.connection_id == connection_id)).one(),
        created,
    )


def item_of(session: ScopedSession, gtin: str, values: Mapping[str, Any]) -> tuple[Item, bool]:
    """The item with this GTIN, created from `values` if new (then True)."""
    found = session.scalars(select(Item).where(Item.gtin == gtin)).first()
    if found is not None:
        return found, False
    created = insert_once(session, Item, {"id": new_id(), "gtin": gtin, **values})
    return session.scalars(select(Item).where(Item.gtin == gtin)).one(), created


def find_offer(session: ScopedSession, supplier_id: str, external_id: str) -> Offer | None:
    return session.scalars(
        select(Offer).where(Offer.supplier_id == supplier_id, Offer.external_id == external_id)
    ).first()


def replace_tiers(session: ScopedSession, offer_id: str, tiers: Iterable[OfferTier]) -> None:
    """Replace every price tier of an offer."""
    session.execute(delete(OfferTier).where(OfferTier.offer_id == offer_id))
    session.add_all(tiers)
