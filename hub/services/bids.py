"""Invitations to bid: suppliers bid until a deadline, nobody reads a bid before it.

A bid is checked when it comes, so that the supplier can mend it, and kept encrypted; at the
deadline a job opens all of them at once and they become offers of the round. A later round of bids
replaces a supplier's earlier offers.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import sha256

from hub.domain.gs1 import gtin14
from hub.domain.jobs import Job
from hub.domain.purchasing.round_rules import suppliers
from hub.domain.purchasing.rounds import RoundStatus, Step
from hub.domain.records import Record
from hub.domain.supply_bids import Bid, BidLine, bid_to_json, check_bid, read_bid
from hub.domain.supply_units import unit_code
from hub.errors import Conflict, NotFound, Rejected
from hub.services.frozen import keep_bid
from hub.services.records import ApplyContext, Outcome, content_of, refuse_delete
from hub.services.rounds import locked_round, take, terms_of
from hub.storage import bids as store
from hub.storage import queue
from hub.storage.crypto import Crypto
from hub.storage.reads.write import read_global_id
from hub.storage.round_offers import drop_bids
from hub.storage.session import ScopedSession
from hub.storage.supply import replace_tiers
from hub.storage.tables import Bid as BidRow
from hub.storage.tables import BidInvitation, Offer, OfferTier, PurchasingRound, Supplier, new_id


def invite(
    session: ScopedSession,
    *,
    round_id: str,
    supplier_ids: Sequence[str],
    deadline: datetime,
    by: str,
    now: datetime,
) -> list[str]:
    """Ask suppliers for bids on a locked round until `deadline` (aware); the invitations' ids.

    Each call is a round of bids of its own. Conflict while bids are out or once a plan is approved.
    """
    row = locked_round(session, round_id)
    if not supplier_ids or len(set(supplier_ids)) != len(supplier_ids):
        raise Rejected("Name the suppliers to invite, each once.", path="supplierIds")
    if deadline <= now:
        raise Rejected("The deadline must be later than now.", path="deadline")
    for supplier_id in supplier_ids:
        if session.get(Supplier, supplier_id) is None:
            raise NotFound(sought=supplier_id)
    bid_round = store.last_bid_round(session, round_id) + 1
    why = f"Round {bid_round} of bids, {suppliers(len(supplier_ids))}."
    take(session, row, Step.INVITE_BIDS, by=by, why=why, now=now)
    rows = [
        BidInvitation(
            id=new_id(),
            round_id=round_id,
            supplier_id=supplier_id,
            bid_round=bid_round,
            deadline=deadline,
            invited_by=by,
            invited_at=now,
        )
        for supplier_id in supplier_ids
    ]
    session.add_all(rows)
    session.flush()
    args = {"round_id": round_id}
    key = f"bids:{round_id}:{bid_round}"
    queue.add(session, Job.OPEN_BIDS, args, now=now, run_at=deadline, unique_key=key)
    return [invitation.id for invitation in rows]


def receive(
    session: ScopedSession,
    crypto: Crypto,
    bid: Bid,
    *,
    channel: str,
    by: str,
    now: datetime,
    connection_id: str | None = None,
) -> Outcome:
    """Keep a bid sealed; the same bid again changes nothing, another one replaces it.

    `connection_id` is the sender's where a connector received it. Rejected, with what to mend, for
    an unknown invitation (also: one of another supplier), one that is over, and lines that name no
    item of the round or cannot be priced. An invitation is named by its id or its global id.
    """
    named = read_global_id(bid.invitation)
    known = named is not None and named[0] == "BidInvitation"
    invitation = store.locked_invitation(session, named[1] if named and known else bid.invitation)
    supplier = session.get(Supplier, invitation.supplier_id) if invitation else None
    foreign = connection_id is not None and supplier and supplier.connection_id != connection_id
    if invitation is None or supplier is None or foreign:
        raise Rejected(
            "There is no such invitation to this supplier.",
            reason="unknown_invitation",
            path="invitation",
        )
    if now >= invitation.deadline or invitation.state not in {"invited", "bid"}:
        raise Rejected("The bid came after its deadline.", reason="bid_too_late", path="invitation")
    if bid.currency != supplier.currency:
        raise Rejected(f"A bid is in {supplier.currency}.", reason="bid_currency", path="currency")
    check_bid(bid)
    _check_items(session, session.get_one(PurchasingRound, invitation.round_id), bid.lines)
    content = bid_to_json(bid)
    digest = sha256(content).hexdigest()
    earlier = store.sealed_bid(session, invitation.id)
    if earlier is not None and earlier.digest == digest:
        return Outcome.UNCHANGED
    if earlier is not None:
        earlier.state = "replaced"
    row_id = new_id()
    session.add(
        BidRow(
            id=row_id,
            invitation_id=invitation.id,
            document=bid.document,
            digest=digest,
            line_count=len(bid.lines),
            channel=channel,
            received_by=by,
            received_at=now,
            sealed=crypto.encrypt(content, _identity(row_id)),
        )
    )
    invitation.state = "bid"
    session.flush()
    return Outcome.CREATED if earlier is None else Outcome.CHANGED


def apply_bid(session: ScopedSession, context: ApplyContext, record: Record) -> Outcome:
    """A bid that came through the supplier's own connection."""
    refuse_delete(record)
    bid = content_of(record, Bid)
    if context.crypto is None:
        raise TypeError("a bid needs the means to seal it")
    return receive(
        session,
        context.crypto,
        bid,
        channel="connector",
        by="",
        now=context.received_at,
        connection_id=context.connection_id,
    )


def _check_items(session: ScopedSession, round_: PurchasingRound, lines: Sequence[BidLine]) -> None:
    known = store.items_by_gtin(session, [gtin14(line.gtin) for line in lines])
    for number, line in enumerate(lines):
        item = known.get(gtin14(line.gtin))
        if item is None or not terms_of(round_).buys(item.category):
            raise Rejected(
                "The line names no item that the round buys.",
                reason="bid_item",
                path=f"lines[{number}].gtin",
            )


def _identity(row_id: str) -> str:
    return f"bids:sealed:{row_id}"


def open_bids(session: ScopedSession, crypto: Crypto, *, round_id: str, now: datetime) -> int:
    """Open the bids of the round's last invitations once their deadline is over; returns how many.

    They become offers of the round in place of the same supplier's earlier bids, and the round is
    locked again. Nothing happens if the round was reopened or ended meanwhile.
    """
    row = locked_round(session, round_id)
    found = store.invitations(session, round_id, store.last_bid_round(session, round_id))
    if row.status != RoundStatus.BIDDING or any(now < each.deadline for each in found):
        return 0
    opened = 0
    for invitation in found:
        bid_row = store.sealed_bid(session, invitation.id)
        invitation.state = "no_bid" if bid_row is None else "opened"
        if bid_row is None:
            continue
        bid = read_bid(crypto.decrypt(bid_row.sealed, _identity(bid_row.id)))
        _become_offers(session, invitation, bid_row, bid, now)
        bid_row.state, bid_row.opened_at, opened = "opened", now, opened + 1
    why = f"{opened} of {suppliers(len(found))} bid."
    take(session, row, Step.CLOSE_BIDDING, why=why, now=now)
    return opened


def _become_offers(
    session: ScopedSession, invitation: BidInvitation, bid_row: BidRow, bid: Bid, now: datetime
) -> None:
    round_id, supplier_id = invitation.round_id, invitation.supplier_id
    drop_bids(session, round_id, supplier_id)
    for earlier in store.offers_of_round(session, round_id, supplier_id):
        earlier.ends_on = now.date() - timedelta(days=1)
    made: list[tuple[Offer, list[OfferTier]]] = []
    items = store.items_by_gtin(session, [gtin14(line.gtin) for line in bid.lines])
    for number, line in enumerate(bid.lines, start=1):
        offer = Offer(
            id=new_id(),
            supplier_id=supplier_id,
            item_id=items[gtin14(line.gtin)].id,
            external_id=f"bid:{bid_row.id}:{number}",
            vendor_part=line.vendor_part,
            pack_units=line.pack_units,
            pack_unit_code=unit_code(line.unit),
            currency=bid.currency,
            max_packs=line.max_packs,
            multiple=line.multiple,
            contract=line.contract,
            round_id=round_id,
            updated_at=now,
        )
        session.add(offer)
        session.flush()
        tiers = [
            OfferTier(offer_id=offer.id, from_packs=t.from_packs, price=t.price) for t in line.tiers
        ]
        replace_tiers(session, offer.id, tiers)
        made.append((offer, tiers))
    keep_bid(session, round_id, made, now)


def require_bidding(session: ScopedSession, invitation_id: str) -> BidInvitation:
    """The invitation if a bid may still come; NotFound or Conflict otherwise."""
    invitation = store.locked_invitation(session, invitation_id)
    if invitation is None:
        raise NotFound(sought=invitation_id)
    if invitation.state not in {"invited", "bid"}:
        raise Conflict("The bids of this invitation are opened.")
    return invitation
