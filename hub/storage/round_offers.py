"""Queries on the offers and terms a locked round buys from, and on approved equivalents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, exists, insert, or_, select

from hub.storage.session import ScopedSession
from hub.storage.tables import (
    ApprovedEquivalent,
    Offer,
    PurchasingRound,
    RoundOffer,
    RoundSupplier,
)

OVER = ("closed", "cancelled")
PART = 500


def is_frozen(session: ScopedSession, round_id: str) -> bool:
    """Whether offers or terms are kept for the round."""
    kept = exists(select(RoundOffer.id).where(RoundOffer.round_id == round_id))
    terms = exists(select(RoundSupplier.id).where(RoundSupplier.round_id == round_id))
    return bool(session.scalar(select(or_(kept, terms))))


def drop(session: ScopedSession, round_id: str) -> None:
    """Forget what is kept for the round."""
    for table in (RoundOffer, RoundSupplier):
        session.execute(delete(table).where(table.round_id == round_id))


def keep(
    session: ScopedSession, offers: Sequence[dict[str, Any]], terms: Sequence[dict[str, Any]]
) -> None:
    if offers:
        session.execute(insert(RoundOffer), offers)
    if terms:
        session.execute(insert(RoundSupplier), terms)


def drop_bids(session: ScopedSession, round_id: str, supplier_id: str) -> None:
    """Forget the offers of the round that came as bids of a supplier."""
    bids = select(Offer.id).where(Offer.round_id == round_id, Offer.supplier_id == supplier_id)
    session.execute(
        delete(RoundOffer)
        .where(RoundOffer.round_id == round_id, RoundOffer.offer_id.in_(bids))
        .execution_options(synchronize_session=False)
    )


def offers(
    session: ScopedSession, round_id: str, item_ids: Sequence[str], on: date
) -> Iterator[RoundOffer]:
    """Those for the items whose validity is not over on a day, by supplier and offer."""
    wanted = set(item_ids)
    rows = session.scalars(
        select(RoundOffer)
        .where(
            RoundOffer.round_id == round_id,
            or_(RoundOffer.ends_on.is_(None), RoundOffer.ends_on >= on),
        )
        .order_by(RoundOffer.supplier_id, RoundOffer.item_id, RoundOffer.offer_id)
    )
    return (row for row in rows if row.item_id in wanted)


def terms(session: ScopedSession, round_id: str) -> Sequence[RoundSupplier]:
    return session.scalars(
        select(RoundSupplier)
        .where(RoundSupplier.round_id == round_id)
        .order_by(RoundSupplier.supplier_id)
    ).all()


def kept_of_offer(session: ScopedSession, offer_id: str) -> Sequence[RoundOffer]:
    """The offer as rounds that are not over keep it."""
    return session.scalars(
        select(RoundOffer)
        .join(PurchasingRound, PurchasingRound.id == RoundOffer.round_id)
        .where(RoundOffer.offer_id == offer_id, PurchasingRound.status.not_in(OVER))
    ).all()


def kept_of_supplier(session: ScopedSession, supplier_id: str) -> Sequence[RoundSupplier]:
    """The supplier's terms as rounds that are not over keep them."""
    return session.scalars(
        select(RoundSupplier)
        .join(PurchasingRound, PurchasingRound.id == RoundSupplier.round_id)
        .where(RoundSupplier.supplier_id == supplier_id, PurchasingRound.status.not_in(OVER))
    ).all()


def equivalents(
    session: ScopedSession, practices: Sequence[str], at: datetime | None
) -> Sequence[ApprovedEquivalent]:
    """What practices had approved at a moment (None: now)."""
    table = ApprovedEquivalent
    held: ColumnElement[bool] = table.withdrawn_at.is_(None)
    if at is not None:
        held = and_(table.approved_at <= at, or_(held, table.withdrawn_at > at))
    found: list[ApprovedEquivalent] = []
    for start in range(0, len(practices), PART):
        part = table.practice_id.in_(practices[start : start + PART])
        order = (table.practice_id, table.id)
        found += session.scalars(select(table).where(part, held).order_by(*order))
    return found
