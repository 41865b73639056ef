"""Checks of a connector that places orders: each is placed once, whatever happens on the way."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from typing import Any, cast

import httpx2

from connectors.sdk.base import OrderPlacer
from connectors.sdk.kit.attempts import attempt, told
from connectors.sdk.kit.model import DoesNotApply, check
from connectors.sdk.kit.subject import ORDER, Subject
from hub.domain.supply import Offer, OrderLine, OrderToPlace
from hub.errors import VendorDown

_KEY = "kit-order-1"
_WORTH = Decimal(1000)


def _order(subject: Subject) -> OrderToPlace:
    """An order of one offer of the simulator, of a worth no vendor refuses for being small."""
    for _, record in subject.records:
        if isinstance(record.data, Offer) and record.op == "upsert" and record.data.tiers:
            offer = record.data
            packs = int(_WORTH / max(offer.tiers[0].price, Decimal(1))) + 1
            packs += -packs % offer.multiple
            price = max(offer.tiers, key=lambda t: (t.from_packs <= packs, t.from_packs)).price
            part, unit = offer.vendor_part, offer.pack_unit_code
            line = OrderLine(1, part, offer.item.gtin, packs, unit, price)
            return dataclasses.replace(ORDER, ordered_on=date(2026, 3, 18), lines=(line,))
    raise DoesNotApply("the connector reads no offers to order from")


def _booked(vendor: httpx2.BaseTransport, url: str) -> list[dict[str, Any]]:
    """The orders the simulator holds, as it lists them on its control route."""
    with httpx2.Client(transport=vendor, trust_env=False) as client:
        found: list[dict[str, Any]] = client.get(f"{url}/_control/orders").json()
    return found


def _lost(request: httpx2.Request, ask: Callable[[], httpx2.Response]) -> httpx2.Response:
    """The vendor takes the order, and its answer never arrives."""
    answer = ask()
    if request.method == "POST" and answer.is_success:
        raise httpx2.ReadTimeout("planned", request=request)
    return answer


@check(
    "orders",
    "An order is placed once: sent again with the same key, or after an answer that was lost, it is"
    " the same order, and asking for it finds it.",
    "Send the idempotency key with the order, and look it up by the number it was placed with.",
)
def order_submit_idempotent(subject: Subject) -> Iterator[str]:
    placer, order = cast(OrderPlacer, subject.connector), _order(subject)
    vendor = subject.new_vendor()
    first, _ = attempt(subject.call(vendor=vendor), lambda ctx: placer.lookup(ctx, order, _KEY))
    if first is not None:
        yield f"looking up an order that was never placed ends in {told(first)}"
    receipts = [placer.submit(subject.call(vendor=vendor).ctx, order, _KEY) for _ in range(2)]
    if receipts[0] != receipts[1]:
        yield "the same key again got another receipt"
    if (count := len(_booked(vendor, subject.url))) != 1:
        yield f"the vendor holds {count} orders after one was sent twice"
    yield from _after_a_loss(subject, placer, order)


def _after_a_loss(subject: Subject, placer: OrderPlacer, order: OrderToPlace) -> Iterator[str]:
    vendor = subject.new_vendor()
    error, _ = attempt(
        subject.call(_lost, vendor=vendor), lambda ctx: placer.submit(ctx, order, _KEY)
    )
    if not isinstance(error, VendorDown):
        yield f"an answer that is lost ends in {told(error)} instead of Transient"
    if placer.lookup(subject.call(vendor=vendor).ctx, order, _KEY) is None:
        yield "an order whose answer was lost is not found, and would be sent anew"
    placer.submit(subject.call(vendor=vendor).ctx, order, _KEY)
    if (count := len(_booked(vendor, subject.url))) != 1:
        yield f"the vendor holds {count} orders after an answer was lost"


CHECKS = (order_submit_idempotent,)
