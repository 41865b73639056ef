"""A simulated Stonebridge: an EDI gateway that speaks X12 004010 and pushes signed documents.

It reads and writes X12 with code of its own. Beside the control routes of the frame it has ``GET
/_control/orders`` (with the number of submissions), ``GET /_control/deliveries``, ``GET
/_control/acknowledgments`` (the 997s we sent) and ``POST /_control/webhook`` (the fields of
`WebhookTarget`). Fault kinds of its own: those of `fulfilment.py`, ``accepted_then_lost`` (booked,
the answer is a 504) and ``refuse_997`` (the 997 refuses the order).
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connectors.sdk.signatures import scheme_from_manifest
from connectors.sdk.simulated_vendor.catalogue import offers
from connectors.sdk.simulated_vendor.delivery import VendorEvent, WebhookTarget, signed
from connectors.sdk.simulated_vendor.fulfilment import OrderedLine, due_faults, fulfil
from connectors.sdk.simulated_vendor.orders import KeyReused, OrderBook
from connectors.sdk.simulator import Delivery, DemoConnection, FaultPlan, simulator_app
from connectors.supply_x12 import simulator_documents as documents

API_KEY = "simulated"
MIN_ORDER, FEE, FREE_FROM = Decimal("75.00"), Decimal("18.50"), Decimal("400.00")
PAGE_SIZE = 25
MEDIA_TYPE = "application/edi-x12"
SIGNED = scheme_from_manifest({"scheme": "github", "id_header": "x-delivery-id"})
_KINDS = {"855": "PR", "856": "SH", "810": "IN", "812": "CD"}


class Stonebridge:
    """The vendor behind the routes; `orders` survives restarts, `catalogue` is by part number."""

    def __init__(
        self,
        *,
        seed: int,
        today: date,
        journal: Path | None,
        webhook: WebhookTarget | None,
        plan: FaultPlan,
        api_key: str,
        parties: documents.Parties,
    ) -> None:
        self.today = today
        self.plan = plan
        self.api_key = api_key
        self.parties = parties
        self.catalogue = offers(second=True, prefix="SB", seed=seed, today=today)
        self.orders = OrderBook(journal, SIGNED, webhook)
        self.acknowledgments: list[str] = []

    def routes(self) -> list[Route]:
        return [
            Route("/terms", self.terms),
            Route("/edi/832", self.price_catalogue),
            Route("/edi/850", self.place_order, methods=["POST"]),
            Route("/edi/997", self.acknowledgment, methods=["POST"]),
            Route("/orders/{number}", self.order),
            Route("/_control/orders", self.control_orders),
            Route("/_control/deliveries", self.control_deliveries),
            Route("/_control/acknowledgments", self.control_acknowledgments),
            Route("/_control/webhook", self.control_webhook, methods=["POST"]),
        ]

    def _denied(self, request: Request) -> Response | None:
        given = request.headers.get("x-api-key", "").encode()
        if hmac.compare_digest(given, self.api_key.encode()):
            return None
        return Response("unknown key", 401)

    def _at(self, hour: int) -> datetime:
        return datetime.combine(self.today, time(hour), UTC)

    async def terms(self, request: Request) -> Response:
        return self._denied(request) or JSONResponse(
            {
                "minimumOrder": str(MIN_ORDER),
                "freight": {"charge": str(FEE), "prepaidFrom": str(FREE_FROM)},
                "volumeRebates": [{"purchasesFrom": "10000.00", "percent": "1.5"}],
                "currency": "USD",
            }
        )

    async def price_catalogue(self, request: Request) -> Response:
        if denied := self._denied(request):
            return denied
        page = int(request.query_params.get("page", "1"))
        found = list(self.catalogue.values())
        chosen = found[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]
        content = documents.interchange(
            self.parties, "SC", "832", page, self._at(6), documents.catalogue(chosen, self.today)
        )
        pages = -(-len(found) // PAGE_SIZE)
        return Response(content, media_type=MEDIA_TYPE, headers={"x-page-count": str(pages)})

    async def place_order(self, request: Request) -> Response:
        if denied := self._denied(request):
            return denied
        order = documents.read_850(await request.body())
        if order is None:
            return Response("no 850", 400)
        if self.plan.due(request.url.path, ("refuse_997",)):
            return self._answer(order, accepted=False)
        content: dict[str, Any] = {
            "account": order.account,
            "ship_to": order.ship_to,
            "ordered_on": order.ordered_on,
            "lines": [
                [line.number, line.part, line.packs, line.unit_code, str(line.price)]
                for line in order.lines
            ],
        }
        key = request.headers.get("idempotency-key", order.number)
        try:
            self.orders.submit(
                order.number,
                key,
                content,
                lambda count: (f"SO{count:06d}", self._events(order, count)),
            )
        except KeyReused:
            return self._answer(order, accepted=False)
        if self.plan.due(request.url.path, ("accepted_then_lost",)):
            return Response(status_code=504)  # as a proxy says whose vendor took too long
        return self._answer(order, accepted=True)

    def _answer(self, order: documents.ReceivedOrder, *, accepted: bool) -> Response:
        lines = documents.functional_acknowledgment(order, accepted=accepted)
        digest = hashlib.sha256(f"{order.group}:{accepted}".encode()).digest()
        control = int.from_bytes(digest[:4]) % 899_999_999 + 100_000_000
        content = documents.interchange(self.parties, "FA", "997", control, self._at(13), lines)
        return Response(content, media_type=MEDIA_TYPE)

    def _events(self, order: documents.ReceivedOrder, count: int) -> list[VendorEvent]:
        plan = fulfil(
            order.lines,
            self.catalogue,
            due_faults(self.plan, "/edi/850"),
            today=self.today,
            fee=FEE,
            free_from=FREE_FROM,
        )
        sets = {"855": documents.acknowledgement(order, count, plan, self.today)}
        if any(outcome.shipped for outcome in plan.lines):
            sets["856"] = documents.ship_notice(order, count, plan, self._at(16))
            sets["810"] = documents.invoice(order, count, plan, self.today)
        if plan.credit:
            sets["812"] = documents.credit(order, count, plan, self.today)
        return [
            self._event(order.number, set_id, count * 10 + step, lines)
            for step, (set_id, lines) in enumerate(sets.items(), start=1)
        ]

    def _event(self, number: str, set_id: str, control: int, lines: list[str]) -> VendorEvent:
        at = self._at(14) + timedelta(hours=control % 10)
        body = documents.interchange(
            self.parties, _KINDS[set_id], set_id, 1000 + control, at, lines
        )
        return VendorEvent(f"{number}-{set_id}", number, set_id, body, MEDIA_TYPE)

    async def order(self, request: Request) -> Response:
        if denied := self._denied(request):
            return denied
        order = self.orders.get(request.path_params["number"])
        if order is None:
            return Response("unknown order", 404)
        return JSONResponse({"purchaseOrder": order.number, "salesOrder": order.vendor_order_id})

    async def acknowledgment(self, request: Request) -> Response:
        if denied := self._denied(request):
            return denied
        self.acknowledgments.append((await request.body()).decode())
        return Response(status_code=202)

    async def control_orders(self, _: Request) -> Response:
        return JSONResponse(self.orders.listing())

    async def control_acknowledgments(self, _: Request) -> Response:
        return JSONResponse(self.acknowledgments)

    async def control_deliveries(self, _: Request) -> Response:
        return JSONResponse(
            {"sent": self.orders.courier.log, "waiting": self.orders.courier.waiting()}
        )

    async def control_webhook(self, request: Request) -> Response:
        self.orders.courier.point_at(WebhookTarget(**await request.json()))
        return JSONResponse({"waiting": self.orders.courier.waiting()})


def build(
    *,
    seed: int,
    today: date,
    journal: Path | None = None,
    webhook: WebhookTarget | None = None,
    plan: FaultPlan | None = None,
    api_key: str = API_KEY,
    parties: documents.Parties | None = None,
) -> Starlette:
    """The simulator's app; ``app.state.vendor`` is its `Stonebridge`.

    Call ``app.state.vendor.orders.courier.close()`` when the server has stopped.
    """
    plan = plan or FaultPlan()
    vendor = Stonebridge(
        seed=seed,
        today=today,
        journal=journal,
        webhook=webhook,
        plan=plan,
        api_key=api_key,
        parties=parties or documents.Parties(),
    )
    app = simulator_app(vendor.routes(), plan)
    app.state.vendor = vendor
    return app


def demo_app(*, seed: int, today: date) -> Starlette:
    """The vendor as ``mso-hub simulate`` starts it: nothing kept, no webhook until it is set."""
    return build(seed=seed, today=today)


def demo_connection(url: str) -> DemoConnection:
    return DemoConnection({"base_url": url}, {"api_key": API_KEY})


def demo_deliveries(*, secret: str, at: datetime) -> list[Delivery]:
    """What the vendor sends about one order, signed at `at`."""
    vendor: Stonebridge = build(seed=1, today=at.date()).state.vendor
    part, offer = next(iter(vendor.catalogue.items()))
    line = OrderedLine(1, part, 4, offer.pack_code, offer.tiers[0][1])
    day = f"{at:%Y%m%d}"
    order = documents.ReceivedOrder("PO-DEMO-0001", day, "1", "1", (line,), "1", "0001")
    return [signed(SIGNED, event, secret=secret, at=at) for event in vendor._events(order, 1)]
