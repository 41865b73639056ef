"""Queries on stated demand: entries, suggestions, reviewed matches, packs, par levels, usage."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, func, select

from hub.storage.session import ScopedSession
from hub.storage.tables import (
    Item,
    ItemMatch,
    ItemPack,
    ItemUsage,
    MatchSuggestion,
    Offer,
    ParLevel,
    PurchaseOrder,
    PurchaseOrderLine,
    Requisition,
    RequisitionEntry,
)

OVER = ("received", "closed", "rejected", "cancelled", "proposed")


def entries(
    session: ScopedSession, practice_id: str, requisition_id: str
) -> Sequence[RequisitionEntry]:
    return session.scalars(
        select(RequisitionEntry)
        .where(
            RequisitionEntry.practice_id == practice_id,
            RequisitionEntry.requisition_id == requisition_id,
        )
        .order_by(RequisitionEntry.number)
    ).all()


def drop_entries(session: ScopedSession, practice_id: str, requisition_id: str) -> None:
    """Remove the entries of a requisition with their suggestions."""
    own = select(RequisitionEntry.id).where(
        RequisitionEntry.practice_id == practice_id,
        RequisitionEntry.requisition_id == requisition_id,
    )
    drop_suggestions(session, practice_id, list(session.scalars(own)))
    session.execute(
        delete(RequisitionEntry).where(
            RequisitionEntry.practice_id == practice_id,
            RequisitionEntry.requisition_id == requisition_id,
        )
    )


def drop_suggestions(session: ScopedSession, practice_id: str, entry_ids: Sequence[str]) -> None:
    for start in range(0, len(entry_ids), 500):
        session.execute(
            delete(MatchSuggestion).where(
                MatchSuggestion.practice_id == practice_id,
                MatchSuggestion.entry_id.in_(entry_ids[start : start + 500]),
            )
        )


def matches(session: ScopedSession, practice_id: str) -> Sequence[ItemMatch]:
    return session.scalars(select(ItemMatch).where(ItemMatch.practice_id == practice_id)).all()


def match(session: ScopedSession, practice_id: str, said: str, item_id: str) -> ItemMatch | None:
    return session.scalar(
        select(ItemMatch).where(
            ItemMatch.practice_id == practice_id,
            ItemMatch.said == said,
            ItemMatch.item_id == item_id,
        )
    )


def catalogue(session: ScopedSession) -> Sequence[Item]:
    return session.scalars(select(Item).order_by(Item.id)).all()


def packs(session: ScopedSession) -> Sequence[ItemPack]:
    return session.scalars(select(ItemPack).order_by(ItemPack.item_id, ItemPack.unit)).all()


def pack(session: ScopedSession, item_id: str, unit: str) -> ItemPack | None:
    return session.scalar(
        select(ItemPack).where(ItemPack.item_id == item_id, ItemPack.unit == unit)
    )


def offered_packs(session: ScopedSession) -> set[tuple[str, str, int, int]]:
    """(item, unit, base units in it, multiple) as suppliers sell it."""
    rows = session.execute(
        select(Offer.item_id, Offer.pack_unit_code, Offer.pack_units, Offer.multiple).distinct()
    )
    return {(item, unit, units, multiple) for item, unit, units, multiple in rows}


def open_requisitions(session: ScopedSession, item_id: str) -> Sequence[Requisition]:
    """Requisitions with an entry of this item that has no certain quantity."""
    return session.scalars(
        select(Requisition)
        .join(
            RequisitionEntry,
            (RequisitionEntry.practice_id == Requisition.practice_id)
            & (RequisitionEntry.requisition_id == Requisition.id),
        )
        .where(RequisitionEntry.item_id == item_id, RequisitionEntry.state == "needs_units")
        .distinct()
    ).all()


def par_level(session: ScopedSession, practice_id: str, item_id: str) -> ParLevel | None:
    return session.scalar(
        select(ParLevel).where(ParLevel.practice_id == practice_id, ParLevel.item_id == item_id)
    )


def par_levels(session: ScopedSession, practice_id: str) -> Sequence[ParLevel]:
    return session.scalars(
        select(ParLevel).where(ParLevel.practice_id == practice_id).order_by(ParLevel.item_id)
    ).all()


def usages(session: ScopedSession, practice_id: str) -> Sequence[ItemUsage]:
    return session.scalars(
        select(ItemUsage)
        .where(ItemUsage.practice_id == practice_id)
        .order_by(ItemUsage.item_id, ItemUsage.starts_on)
    ).all()


def usage(
    session: ScopedSession, practice_id: str, item_id: str, starts_on: object
) -> ItemUsage | None:
    return session.scalar(
        select(ItemUsage).where(
            ItemUsage.practice_id == practice_id,
            ItemUsage.item_id == item_id,
            ItemUsage.starts_on == starts_on,
        )
    )


def units_on_order(session: ScopedSession, practice_id: str) -> dict[str, int]:
    """Item → base units ordered and neither received nor given up."""
    line = PurchaseOrderLine
    due = line.packs - line.received - line.cancelled - line.rejected
    rows = session.execute(
        select(line.item_id, func.sum(due * (line.units // line.packs)))
        .join(
            PurchaseOrder,
            (PurchaseOrder.practice_id == line.practice_id) & (PurchaseOrder.id == line.order_id),
        )
        .where(line.practice_id == practice_id, PurchaseOrder.status.not_in(OVER), due > 0)
        .group_by(line.item_id)
    )
    return {item: int(units) for item, units in rows}
