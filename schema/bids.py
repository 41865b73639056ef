"""Invitations to bid; what is in a sealed bid is no field of anything."""

from __future__ import annotations

from hub.domain.agreements import DataClass
from hub.storage import tables
from hub.storage.reads.parts import Access
from schema.mapping.declare import col, enum, many, one, stored

OPERATIONAL = DataClass.OPERATIONAL

bid_invitation = stored(
    "BidInvitation",
    table=tables.BidInvitation,
    access=Access.MSO,
    help="A supplier asked to bid on a round until a deadline.",
    fields={
        "bidRound": col(OPERATIONAL, help="Which round of bids, from 1."),
        "deadline": col(OPERATIONAL),
        "state": enum(OPERATIONAL, "BidInvitationState", ("invited", "bid", "opened", "no_bid")),
        "invitedBy": col(OPERATIONAL),
        "invitedAt": col(OPERATIONAL),
    },
    links={
        "round": one("PurchasingRound", "round_id"),
        "supplier": one("Supplier", "supplier_id"),
        "bids": many("Bid", "invitation_id"),
    },
)

bid = stored(
    "Bid",
    table=tables.Bid,
    access=Access.MSO,
    help="A bid, sealed until the deadline of its invitation; opened, its lines are offers.",
    fields={
        "document": col(OPERATIONAL, help="The supplier's own number."),
        "digest": col(OPERATIONAL, help="SHA-256 of the bid, known before it is opened."),
        "lineCount": col(OPERATIONAL),
        "state": enum(OPERATIONAL, "BidState", ("sealed", "replaced", "opened")),
        "channel": col(OPERATIONAL, help="connector, api or file."),
        "receivedBy": col(OPERATIONAL),
        "receivedAt": col(OPERATIONAL),
        "openedAt": col(OPERATIONAL),
    },
    links={"invitation": one("BidInvitation", "invitation_id")},
)
