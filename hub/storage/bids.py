"""Queries on invitations to bid and on sealed bids."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select

from hub.storage.session import ScopedSession
from hub.storage.tables import Bid, BidInvitation, Item, Offer


def last_bid_round(session: ScopedSession, round_id: str) -> int:
    """The number of the last round of bids, 0 before the first."""
    last = select(func.max(BidInvitation.bid_round)).where(BidInvitation.round_id == round_id)
    return session.scalar(last) or 0


def invitations(session: ScopedSession, round_id: str, bid_round: int) -> Sequence[BidInvitation]:
    return session.scalars(
        select(BidInvitation)
        .where(BidInvitation.round_id == round_id, BidInvitation.bid_round == bid_round)
        .order_by(BidInvitation.supplier_id)
    ).all()


def locked_invitation(session: ScopedSession, invitation_id: str) -> BidInvitation | None:
    return session.get(BidInvitation, invitation_id, with_for_update=True, populate_existing=True)


def sealed_bid(session: ScopedSession, invitation_id: str) -> Bid | None:
    """The bid that counts: the last one that came."""
    return session.scalar(
        select(Bid).where(Bid.invitation_id == invitation_id, Bid.state == "sealed")
    )


def items_by_gtin(session: ScopedSession, gtins: Sequence[str]) -> dict[str, Item]:
    found: dict[str, Item] = {}
    for start in range(0, len(gtins), 500):
        rows = session.scalars(select(Item).where(Item.gtin.in_(gtins[start : start + 500])))
        found |= {row.gtin: row for row in rows}
    return found


def offers_of_round(session: ScopedSession, round_id: str, supplier_id: str) -> Sequence[Offer]:
    """The offers that came as bids of a supplier in any round of bids."""
    return session.scalars(
        select(Offer).where(Offer.round_id == round_id, Offer.supplier_id == supplier_id)
    ).all()
