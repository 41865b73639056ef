"""The Brightwell connector: reads offers, terms and order events, places orders."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from connectors.sdk.base import CheckReport, ParsedDocument, RawDocument, StreamSpec, Window
from connectors.sdk.config import ConnectorConfig
from connectors.sdk.ctx import Ctx
from connectors.sdk.incremental import Answer, Ask, read_pages
from connectors.sdk.probes import run_probes
from connectors.supply_rest.client import Client
from connectors.supply_rest.config import Config
from connectors.supply_rest.parse import parse
from connectors.supply_rest.payloads import OrderReceipt
from connectors.supply_rest.render import render_order
from connectors.supply_rest.streams import OFFERS, STREAMS, read_offers, read_terms
from hub.domain.records import Cursor, Page
from hub.domain.supply import OrderToPlace, SubmitReceipt
from hub.errors import ContractDrift, NotSupported


class SupplyRest:
    Config: type[ConnectorConfig] = Config

    def streams(self) -> Sequence[StreamSpec]:
        return STREAMS

    def check(self, ctx: Ctx) -> CheckReport:
        client = Client(ctx)
        now = ctx.clock.now()
        return run_probes(
            ctx,
            {
                "credentials and terms": lambda: read_terms(client.terms()),
                "read offers": lambda: read_offers(client.offers(Ask("", now, now, None))),
            },
        )

    def read(self, ctx: Ctx, stream: str, cursor: Cursor | None, window: Window) -> Iterator[Page]:
        client = Client(ctx)
        if stream == "terms":
            yield Page((read_terms(client.terms()),), None, complete=True)
        elif stream == "offers":

            def fetch(ask: Ask) -> Answer:
                return read_offers(client.offers(ask))

            yield from read_pages(ctx, OFFERS, ("catalogue",), cursor, window, fetch)
        else:
            raise NotSupported("There is no such stream.", feature="stream")

    def parse(self, config: ConnectorConfig, document: RawDocument) -> ParsedDocument:
        return parse(document)

    def submit(self, ctx: Ctx, order: OrderToPlace, idempotency_key: str) -> SubmitReceipt:
        return _receipt(order, Client(ctx).place_order(render_order(order), idempotency_key))

    def lookup(self, ctx: Ctx, order: OrderToPlace, idempotency_key: str) -> SubmitReceipt | None:
        answer = Client(ctx).order(order.number)
        return None if answer is None else _receipt(order, answer)

    def reply(self, ctx: Ctx, document: RawDocument) -> None:
        """Brightwell expects no documents in return."""


def _receipt(order: OrderToPlace, answer: Mapping[str, Any]) -> SubmitReceipt:
    try:
        receipt = OrderReceipt.model_validate(answer)
    except ValidationError:
        raise ContractDrift(
            "The vendor's receipt has no order id.", reason="shape", path="$.order_id"
        ) from None
    if receipt.purchase_order_number != order.number:
        raise ContractDrift(
            "The vendor answered for another purchase order.",
            reason="other_order",
            path="$.purchase_order_number",
        )
    return SubmitReceipt(order.number, receipt.order_id)


connector = SupplyRest()
