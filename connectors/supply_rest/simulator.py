"""A simulated Brightwell: catalogue, terms, orders and signed events over JSON.

It builds every payload itself. Beside the control routes of the frame it has ``GET
/_control/orders`` (with the number of submissions), ``GET /_control/deliveries``, ``POST
/_control/webhook`` (the fields of `WebhookTarget`) and ``POST /_control/offers/{item_number}``
(``unit_price``, ``status``, ``updated_at``: a change of the catalogue) and ``POST /_control/bids``
(``invitation``, ``percent`` of the catalogue's prices, ``bid_number``, ``categories``: the vendor
sends its bid). Fault kinds of its own:
those of `fulfilment.py` and ``accepted_then_lost`` (the order is booked, the answer is a 504).
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connectors.sdk.signatures import SCHEMES
from connectors.sdk.simulated_vendor.catalogue import VendorOffer, offers
from connectors.sdk.simulated_vendor.delivery import VendorEvent, WebhookTarget, signed
from connectors.sdk.simulated_vendor.fulfilment import OrderedLine, due_faults, fulfil
from connectors.sdk.simulated_vendor.orders import KeyReused, OrderBook
from connectors.sdk.simulator import Delivery, DemoConnection, FaultPlan, simulator_app
from connectors.supply_rest import simulator_documents as documents

API_KEY = "simulated"
MIN_ORDER, FEE, FREE_FROM = Decimal("50.00"), Decimal("14.95"), Decimal("250.00")


class Brightwell:
    """The vendor behind the routes; `orders` survives restarts, `catalogue` is by item number."""

    def __init__(
        self,
        *,
        seed: int,
        today: date,
        journal: Path | None,
        webhook: WebhookTarget | None,
        plan: FaultPlan,
        api_key: str,
    ) -> None:
        self.today = today
        self.plan = plan
        self.api_key = api_key
        self.catalogue = offers(second=False, prefix="BW", seed=seed, today=today)
        self.agreed: list[Decimal] = [Decimal(100)]
        self.orders = OrderBook(journal, SCHEMES["standard"], webhook)

    def stand_by(self, percent: Decimal) -> None:
        """Take orders at so many percent of the catalogue's prices, as after a bid."""
        self.agreed.append(percent)

    def send_bid(
        self,
        invitation: str,
        number: str,
        percent: Decimal,
        categories: Sequence[str] | None = None,
    ) -> int:
        """Bid at so many percent of the catalogue's prices; how many lines the bid has."""
        found = [
            offer
            for offer in self.catalogue.values()
            if offer.active and (categories is None or offer.supply.category in categories)
        ]
        self.stand_by(percent)
        body = documents.bid(invitation, number, found, percent)
        started = datetime.combine(self.today, time(14), UTC)
        event = documents.event(invitation, f"bid.submitted {number}", started, body)
        self.orders.courier.enqueue([event])
        return len(found)

    def _sold_at(self) -> dict[str, VendorOffer]:
        """The catalogue with every price an order may name."""
        return {
            part: replace(
                offer,
                tiers=tuple(
                    (packs, documents.part_of(price, percent))
                    for percent in self.agreed
                    for packs, price in offer.tiers
                ),
            )
            for part, offer in self.catalogue.items()
        }

    def routes(self) -> list[Route]:
        return [
            Route("/v1/terms", self.terms),
            Route("/v1/offers", self.list_offers),
            Route("/v1/orders", self.place_order, methods=["POST"]),
            Route("/v1/orders/{number}", self.order),
            Route("/_control/orders", self.control_orders),
            Route("/_control/deliveries", self.control_deliveries),
            Route("/_control/webhook", self.control_webhook, methods=["POST"]),
            Route("/_control/offers/{part}", self.control_offer, methods=["POST"]),
            Route("/_control/bids", self.control_bid, methods=["POST"]),
        ]

    def _denied(self, request: Request) -> Response | None:
        given = request.headers.get("authorization", "").encode()
        if hmac.compare_digest(given, f"Bearer {self.api_key}".encode()):
            return None
        return JSONResponse({"error": {"code": "unauthorized"}}, 401)

    async def terms(self, request: Request) -> Response:
        return self._denied(request) or JSONResponse(
            {
                "minimum_order": str(MIN_ORDER),
                "shipping": {"fee": str(FEE), "free_from": str(FREE_FROM)},
                "spend_rebates": [
                    {"spend_from": "20000.00", "rate": "0.02"},
                    {"spend_from": "8000.00", "rate": "0.01"},
                ],
                "currency": "USD",
                "payment_terms": "NET30",
            }
        )

    async def list_offers(self, request: Request) -> Response:
        if denied := self._denied(request):
            return denied
        query = request.query_params
        since = documents.time(query.get("updated_since", "1970-01-01T00:00:00Z"))
        until = documents.time(query.get("updated_until", "9999-12-31T23:59:59Z"))
        limit = min(int(query.get("limit", "50")), 200)
        rows = sorted(
            (o for o in self.catalogue.values() if since <= o.updated_at <= until),
            key=lambda offer: (offer.updated_at, offer.vendor_part),
        )
        if "page_token" in query:
            after = _from_token(query["page_token"])
            if after is None:
                return JSONResponse({"error": {"code": "page_token_expired"}}, 410)
            rows = [o for o in rows if (documents.stamp(o.updated_at), o.vendor_part) > after]
        page, rest = rows[:limit], rows[limit:]
        return JSONResponse(
            {
                "data": [documents.offer(offer) for offer in page],
                "next_page_token": _token(page[-1]) if rest else None,
            }
        )

    async def place_order(self, request: Request) -> Response:
        if denied := self._denied(request):
            return denied
        key = request.headers.get("idempotency-key", "")
        body = json.loads(await request.body(), parse_float=str)
        goods = sum(Decimal(line["unit_price"]) * line["quantity"] for line in body["lines"])
        faults = [
            {"line_number": line["line_number"], "code": "unknown_item"}
            for line in body["lines"]
            if line["item_number"] not in self.catalogue or line["quantity"] < 1
        ]
        if faults or goods < MIN_ORDER or not key or not body["ship_to"]["account_number"]:
            return JSONResponse({"error": {"code": "invalid_order", "lines": faults}}, 422)
        number = body["purchase_order_number"]
        try:
            order, new = self.orders.submit(
                number,
                key,
                body,
                lambda count: (f"BWO-{700000 + count}", self._events(body, count)),
            )
        except KeyReused:
            return JSONResponse({"error": {"code": "idempotency_conflict"}}, 409)
        if self.plan.due(request.url.path, ("accepted_then_lost",)):
            return Response(status_code=504)  # as a proxy says whose vendor took too long
        return JSONResponse(documents.receipt(number, order.vendor_order_id), 201 if new else 200)

    async def order(self, request: Request) -> Response:
        if denied := self._denied(request):
            return denied
        order = self.orders.get(request.path_params["number"])
        if order is None:
            return JSONResponse({"error": {"code": "not_found"}}, 404)
        return JSONResponse(documents.receipt(order.number, order.vendor_order_id))

    def _events(self, body: dict[str, Any], count: int) -> list[VendorEvent]:
        lines = [
            OrderedLine(
                number=line["line_number"],
                part=line["item_number"],
                packs=line["quantity"],
                unit_code=line["unit_of_measure"],
                price=Decimal(line["unit_price"]),
            )
            for line in body["lines"]
        ]
        plan = fulfil(
            lines,
            self._sold_at(),
            due_faults(self.plan, "/v1/orders"),
            today=self.today,
            fee=FEE,
            free_from=FREE_FROM,
        )
        number = body["purchase_order_number"]
        started = datetime.combine(self.today, time(14), UTC)
        bodies = {
            "order.confirmed": documents.confirmed(number, count, plan),
            "order.shipped": documents.shipped(number, count, plan),
            "order.invoiced": documents.invoiced(number, count, plan, self.today),
        }
        if plan.credit:
            bodies["order.credited"] = documents.credited(number, count, plan, self.today)
        return [
            documents.event(number, kind, started + timedelta(hours=2 * step), data)
            for step, (kind, data) in enumerate(bodies.items())
            if data["lines"] or kind == "order.credited"
        ]

    async def control_orders(self, _: Request) -> Response:
        return JSONResponse(self.orders.listing())

    async def control_deliveries(self, _: Request) -> Response:
        return JSONResponse(
            {"sent": self.orders.courier.log, "waiting": self.orders.courier.waiting()}
        )

    async def control_webhook(self, request: Request) -> Response:
        self.orders.courier.point_at(WebhookTarget(**await request.json()))
        return JSONResponse({"waiting": self.orders.courier.waiting()})

    async def control_bid(self, request: Request) -> Response:
        asked = await request.json()
        count = self.send_bid(
            asked["invitation"],
            asked.get("bid_number", "B-1"),
            Decimal(asked["percent"]),
            asked.get("categories"),
        )
        return JSONResponse({"lines": count})

    async def control_offer(self, request: Request) -> Response:
        part = request.path_params["part"]
        change = await request.json()
        offer = self.catalogue[part]
        tiers = offer.tiers
        if "unit_price" in change:
            tiers = ((1, Decimal(change["unit_price"])),)
        self.catalogue[part] = replace(
            offer,
            tiers=tiers,
            active=change.get("status", "active") == "active",
            updated_at=documents.time(change["updated_at"]),
        )
        return JSONResponse(documents.offer(self.catalogue[part]))


def build(
    *,
    seed: int,
    today: date,
    journal: Path | None = None,
    webhook: WebhookTarget | None = None,
    plan: FaultPlan | None = None,
    api_key: str = API_KEY,
) -> Starlette:
    """The simulator's app; ``app.state.vendor`` is its `Brightwell`.

    Call ``app.state.vendor.orders.courier.close()`` when the server has stopped.
    """
    plan = plan or FaultPlan()
    vendor = Brightwell(
        seed=seed, today=today, journal=journal, webhook=webhook, plan=plan, api_key=api_key
    )
    app = simulator_app(vendor.routes(), plan)
    app.state.vendor = vendor
    return app


def _token(offer: VendorOffer) -> str:
    place = f"{documents.stamp(offer.updated_at)}|{offer.vendor_part}"
    return base64.urlsafe_b64encode(place.encode()).decode()


def _from_token(token: str) -> tuple[str, str] | None:
    try:
        stamp, _, part = base64.urlsafe_b64decode(token.encode()).decode().partition("|")
    except (binascii.Error, ValueError):
        return None
    return (stamp, part) if part else None


def demo_app(*, seed: int, today: date) -> Starlette:
    """The vendor as ``mso-hub simulate`` starts it: nothing kept, no webhook until it is set."""
    return build(seed=seed, today=today)


def demo_connection(url: str) -> DemoConnection:
    return DemoConnection({"base_url": url, "page_size": 20}, {"api_key": API_KEY})


def demo_deliveries(*, secret: str, at: datetime) -> list[Delivery]:
    """What the vendor sends about one order, signed at `at`."""
    app = build(seed=1, today=at.date())
    vendor: Brightwell = app.state.vendor
    part, offer = next(iter(vendor.catalogue.items()))
    line = {
        "line_number": 1,
        "item_number": part,
        "quantity": 6,
        "unit_of_measure": offer.pack_code,
        "unit_price": str(offer.tiers[0][1]),
    }
    body = {"purchase_order_number": "PO-DEMO-0001", "lines": [line]}
    events = vendor._events(body, 1)
    return [signed(SCHEMES["standard"], event, secret=secret, at=at) for event in events]
