"""Invitations to bid and the sealed bids that answer them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, LargeBinary, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from hub.storage.tables.base import Base, new_id


class BidInvitation(Base):
    """A supplier asked to bid on a round until a deadline; `bid_round` counts from 1.

    `state`: invited, bid (a sealed bid is there), opened, no_bid.
    """

    __tablename__ = "bid_invitations"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    round_id: Mapped[str] = mapped_column(ForeignKey("purchasing_rounds.id"))
    supplier_id: Mapped[str] = mapped_column(ForeignKey("suppliers.id"))
    bid_round: Mapped[int]
    deadline: Mapped[datetime]
    state: Mapped[str] = mapped_column(default="invited")
    invited_by: Mapped[str] = mapped_column(default="")
    invited_at: Mapped[datetime]

    __table_args__ = (UniqueConstraint("round_id", "bid_round", "supplier_id"),)


class Bid(Base):
    """A bid as it came, encrypted until the deadline of its invitation; the last one before it
    counts.

    `state`: sealed, replaced, opened. `digest` is the SHA-256 of the canonical bid, kept in the
    clear so that it can be proven which bid was opened. `channel`: connector, api, file.
    """

    __tablename__ = "bids"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    invitation_id: Mapped[str] = mapped_column(ForeignKey("bid_invitations.id"))
    document: Mapped[str]
    digest: Mapped[str]
    line_count: Mapped[int]
    state: Mapped[str] = mapped_column(default="sealed")
    channel: Mapped[str]
    received_by: Mapped[str] = mapped_column(default="")
    received_at: Mapped[datetime]
    opened_at: Mapped[datetime | None]
    sealed: Mapped[bytes] = mapped_column(LargeBinary)

    __table_args__ = (Index(None, "invitation_id", "received_at", "id"),)
