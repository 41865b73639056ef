"""Queries behind purchasing rounds and orders."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from sqlalchemy import or_, select

from hub.storage.session import ScopedSession
from hub.storage.tables import (
    Item,
    Offer,
    OfferTier,
    Practice,
    PurchaseOrder,
    PurchaseOrderLine,
    PurchasingRound,
    PurchasingShare,
    Requisition,
    RequisitionLine,
    Supplier,
)


def get_round(
    session: ScopedSession, round_id: str, *, locked: bool = False
) -> PurchasingRound | None:
    """A round; `locked` until the transaction ends, so that no other plan is saved meanwhile."""
    return session.get(PurchasingRound, round_id, with_for_update=locked, populate_existing=locked)


def round_by_name(session: ScopedSession, name: str) -> PurchasingRound | None:
    return session.scalar(select(PurchasingRound).where(PurchasingRound.name == name))


def newest_rounds(session: ScopedSession, limit: int) -> Sequence[PurchasingRound]:
    newest = PurchasingRound.opened_at.desc(), PurchasingRound.id
    return session.scalars(select(PurchasingRound).order_by(*newest).limit(limit)).all()


def requisition(session: ScopedSession, practice_id: str, round_id: str) -> Requisition | None:
    return session.scalar(
        select(Requisition).where(
            Requisition.practice_id == practice_id, Requisition.round_id == round_id
        )
    )


def demand(session: ScopedSession, round_id: str) -> Sequence[tuple[str, str, int]]:
    """(practice, item, units) of every submitted requisition of the round."""
    rows = session.execute(
        select(RequisitionLine.practice_id, RequisitionLine.item_id, RequisitionLine.units)
        .join(
            Requisition,
            (Requisition.practice_id == RequisitionLine.practice_id)
            & (Requisition.id == RequisitionLine.requisition_id),
        )
        .where(Requisition.round_id == round_id, Requisition.status == "submitted")
        .order_by(RequisitionLine.practice_id, RequisitionLine.item_id)
    )
    return [(practice, item, units) for practice, item, units in rows]


def lines_of(
    session: ScopedSession, practice_id: str, requisition_id: str
) -> Sequence[RequisitionLine]:
    return session.scalars(
        select(RequisitionLine)
        .where(
            RequisitionLine.practice_id == practice_id,
            RequisitionLine.requisition_id == requisition_id,
        )
        .order_by(RequisitionLine.item_id)
    ).all()


def practices(session: ScopedSession, ids: Sequence[str]) -> Sequence[Practice]:
    return session.scalars(select(Practice).where(Practice.id.in_(ids)).order_by(Practice.id)).all()


def items(session: ScopedSession, ids: Sequence[str]) -> Sequence[Item]:
    return session.scalars(select(Item).where(Item.id.in_(ids)).order_by(Item.id)).all()


def suppliers(session: ScopedSession) -> Sequence[Supplier]:
    return session.scalars(select(Supplier).order_by(Supplier.id)).all()


def items_of(session: ScopedSession, categories: Sequence[str]) -> set[str]:
    """The items of some categories; of all where none is named."""
    wanted = select(Item.id)
    if categories:
        wanted = wanted.where(Item.category.in_(categories))
    return set(session.scalars(wanted))


def offers(
    session: ScopedSession, item_ids: Sequence[str] | None, on: date, round_id: str | None = None
) -> Sequence[tuple[Offer, Sequence[OfferTier]]]:
    """Offers for the items (None: all) valid on a day, with their tiers ascending; bids only of the
    round."""
    valid = [
        or_(Offer.starts_on.is_(None), Offer.starts_on <= on),
        or_(Offer.ends_on.is_(None), Offer.ends_on >= on),
        or_(Offer.round_id.is_(None), Offer.round_id == round_id),
    ]
    if item_ids is not None:
        valid.append(Offer.item_id.in_(item_ids))
    order = (Offer.supplier_id, Offer.item_id, Offer.external_id)
    found = session.scalars(select(Offer).where(*valid).order_by(*order)).all()
    tiers: dict[str, list[OfferTier]] = {offer.id: [] for offer in found}
    for tier in session.scalars(
        select(OfferTier).join(Offer).where(*valid).order_by(OfferTier.from_packs)
    ):
        tiers[tier.offer_id].append(tier)
    return [(offer, tiers[offer.id]) for offer in found if tiers[offer.id]]


def shares(session: ScopedSession, round_id: str) -> Sequence[PurchasingShare]:
    return session.scalars(
        select(PurchasingShare)
        .where(PurchasingShare.round_id == round_id)
        .order_by(PurchasingShare.practice_id)
    ).all()


def orders(session: ScopedSession, round_id: str) -> Sequence[PurchaseOrder]:
    return session.scalars(
        select(PurchaseOrder)
        .where(PurchaseOrder.round_id == round_id)
        .order_by(PurchaseOrder.practice_id, PurchaseOrder.supplier_id)
    ).all()


def order_lines(session: ScopedSession, order: PurchaseOrder) -> Sequence[PurchaseOrderLine]:
    return session.scalars(
        select(PurchaseOrderLine)
        .where(
            PurchaseOrderLine.practice_id == order.practice_id,
            PurchaseOrderLine.order_id == order.id,
        )
        .order_by(PurchaseOrderLine.number)
    ).all()
