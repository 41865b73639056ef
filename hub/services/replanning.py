"""What becomes of packs a supplier does not deliver: another supplier, another round, or nothing.

Of a backorder the supplier still owes: accepting it means waiting. Ordered elsewhere or returned to
another round it is withdrawn from the supplier's order, and somebody has to tell the supplier.

What costs no more than planned is ordered at once, because the practice approved that much; what
costs more waits for the practice's word.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from hub.domain.jobs import Job
from hub.domain.supply_facts import facts_cancelled
from hub.errors import Conflict, NotFound, Rejected
from hub.services.orders import record_facts
from hub.services.receiving import require_decision
from hub.services.requisitions import add_units, round_taking_demand
from hub.services.rounds import LONGEST_WHY, terms_of
from hub.services.savings import fix_baselines
from hub.storage import purchasing, queue
from hub.storage import receiving as store
from hub.storage import rounds as history
from hub.storage.session import ScopedSession
from hub.storage.tables import (
    Item,
    Offer,
    OfferTier,
    PurchaseOrder,
    PurchaseOrderLine,
    Shortfall,
    Supplier,
    new_id,
)

NOTHING = Decimal("0.00")


@dataclass(frozen=True, slots=True)
class Source:
    """Where missing units may be bought now, with shipping."""

    offer: Offer
    packs: int
    price: Decimal
    shipping: Decimal

    @property
    def goods(self) -> Decimal:
        return self.packs * self.price

    @property
    def cost(self) -> Decimal:
        return self.goods + self.shipping


def replan(
    session: ScopedSession, *, practice_id: str, shortfall_id: str, by: str, now: datetime
) -> Shortfall:
    """Order the missing units from whoever is cheapest now, shipping included.

    Not asked: the supplier that fell short, and those the practice keeps out of the round. The
    order waits for approval where it costs more than planned. Conflict if nobody sells the item.
    """
    row = _shortfall(session, practice_id, shortfall_id, "open")
    order = session.get_one(PurchaseOrder, (practice_id, row.order_id))
    source = cheapest(session, row, order, now)
    if source is None:
        raise Conflict("No other supplier offers the item now; return it to another round.")
    new = _order(session, row, order, source, now)
    row.new_order_id, row.new_cost = new.id, source.cost
    row.decided_by, row.decided_at = by, now
    if source.cost <= row.planned_cost:
        _release(session, row, new, now)
    else:
        row.state = "proposed"
    session.flush()
    return row


def cheapest(
    session: ScopedSession, row: Shortfall, order: PurchaseOrder, now: datetime
) -> Source | None:
    """The cheapest allowed way to buy the missing units today; None if there is none."""
    barred = {order.supplier_id} | {
        each.supplier_id
        for each in history.exclusions(session, order.round_id)
        if each.practice_id == row.practice_id
        and each.supplier_id is not None
        and each.item_id in {None, row.item_id}
    }
    suppliers = {supplier.id: supplier for supplier in purchasing.suppliers(session)}
    offered = purchasing.offers(session, [row.item_id], now.date(), order.round_id)
    sources = [
        _source(offer, tiers, row.units, suppliers[offer.supplier_id])
        for offer, tiers in offered
        if offer.supplier_id not in barred and offer.tier_type == "all_units"
    ]
    allowed = [source for source in sources if source is not None]
    return min(allowed, key=lambda s: (s.cost, s.offer.id), default=None)


def _source(
    offer: Offer, tiers: Sequence[OfferTier], units: int, supplier: Supplier
) -> Source | None:
    step = offer.pack_units * offer.multiple
    packs = -(-units // step) * offer.multiple
    price = _price(tiers, packs)
    goods = packs * price
    too_many = offer.max_packs is not None and packs > offer.max_packs
    if too_many or goods < supplier.min_order:
        return None
    free_from = supplier.free_shipping_from
    free = free_from is not None and goods >= free_from
    return Source(offer, packs, price, NOTHING if free else supplier.shipping_fee)


def _price(tiers: Sequence[OfferTier], packs: int) -> Decimal:
    reached = [tier.price for tier in tiers if tier.from_packs <= packs]
    return reached[-1] if reached else tiers[0].price


def _order(
    session: ScopedSession, row: Shortfall, order: PurchaseOrder, source: Source, now: datetime
) -> PurchaseOrder:
    last = store.last_replan(session, row.practice_id, order.round_id, source.offer.supplier_id)
    new = PurchaseOrder(
        id=new_id(),
        practice_id=row.practice_id,
        round_id=order.round_id,
        supplier_id=source.offer.supplier_id,
        number=f"PO{now:%y%m%d}{secrets.token_hex(6).upper()}",
        status="proposed",
        ordered_on=now.date(),
        currency=order.currency,
        goods=source.goods,
        shipping=source.shipping,
        total=source.cost,
        created_at=now,
        replan=(last or 0) + 1,
    )
    session.add(new)
    session.flush()
    session.add(
        PurchaseOrderLine(
            practice_id=row.practice_id,
            order_id=new.id,
            number=1,
            item_id=row.item_id,
            offer_id=source.offer.id,
            vendor_part=source.offer.vendor_part,
            packs=source.packs,
            units=source.packs * source.offer.pack_units,
            price=source.price,
            amount=source.goods,
        )
    )
    session.flush()
    return new


def _release(session: ScopedSession, row: Shortfall, new: PurchaseOrder, now: datetime) -> None:
    _withdraw(session, row, now)
    row.state, new.status = "ordered", "requested"
    fix_baselines(session, [new], now)
    queue.add(
        session,
        Job.PLACE_ORDER,
        {"practice_id": new.practice_id, "order_id": new.id},
        now=now,
        practice_id=new.practice_id,
        lanes=[f"supplier:{new.supplier_id}"],
        unique_key=f"order:{new.id}",
    )


def _withdraw(session: ScopedSession, row: Shortfall, now: datetime) -> None:
    """A backorder that is bought otherwise is no longer wanted from its supplier: should it be
    shipped all the same, the order needs a review."""
    if row.reason != "backordered":
        return
    order = session.get_one(PurchaseOrder, (row.practice_id, row.order_id))
    facts = facts_cancelled(f"withdrawn {row.id}", {row.line: row.packs}, now)
    row.state = "withdrawn"  # so that what follows leaves the row alone
    record_facts(session, order, f"withdrawn {row.id}", facts, now=now)


def decide_replan(
    session: ScopedSession,
    *,
    practice_id: str,
    shortfall_id: str,
    approve: bool,
    why: str = "",
    by: str,
    now: datetime,
) -> Shortfall:
    """The practice's word on a dearer order: it goes out, or is dropped and the shortfall is open
    again."""
    row = _shortfall(session, practice_id, shortfall_id, "proposed")
    require_decision(session, practice_id)
    new = session.get_one(PurchaseOrder, (practice_id, row.new_order_id))
    row.why, row.decided_by, row.decided_at = why.strip()[:LONGEST_WHY], by, now
    if approve:
        _release(session, row, new, now)
    else:
        row.state, new.status = "open", "cancelled"
        row.new_order_id, row.new_cost = None, None
    session.flush()
    return row


def return_to_round(
    session: ScopedSession,
    *,
    practice_id: str,
    shortfall_id: str,
    round_id: str,
    by: str,
    now: datetime,
) -> Shortfall:
    """Add the missing units to the practice's demand of another, open round."""
    row = _shortfall(session, practice_id, shortfall_id, "open")
    round_ = round_taking_demand(session, round_id, now)
    item = session.get_one(Item, row.item_id)
    if not terms_of(round_).buys(item.category):
        raise Rejected("That round does not buy items of this category.", path="roundId")
    order = session.get_one(PurchaseOrder, (practice_id, row.order_id))
    add_units(
        session,
        practice_id=practice_id,
        round_id=round_id,
        item_id=row.item_id,
        more=row.units,
        why=f"Not delivered of order {order.number}.",
        by=by,
        now=now,
    )
    _withdraw(session, row, now)
    row.state, row.round_id, row.decided_by, row.decided_at = "returned", round_id, by, now
    session.flush()
    return row


def accept(
    session: ScopedSession,
    *,
    practice_id: str,
    shortfall_id: str,
    why: str = "",
    by: str,
    now: datetime,
) -> Shortfall:
    """The practice takes the substitute, or no longer needs the units."""
    row = _shortfall(session, practice_id, shortfall_id, "open")
    require_decision(session, practice_id)
    row.state, row.why = "accepted", why.strip()[:LONGEST_WHY]
    row.decided_by, row.decided_at = by, now
    session.flush()
    return row


def _shortfall(
    session: ScopedSession, practice_id: str, shortfall_id: str, state: str
) -> Shortfall:
    row = session.get(Shortfall, (practice_id, shortfall_id), with_for_update=True)
    if row is None:
        raise NotFound(sought=shortfall_id)
    if row.state != state:
        raise Conflict(f"The shortfall is {row.state}, not {state}.")
    return row
