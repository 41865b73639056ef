"""The Stonebridge connector: reads the 832, 855, 856, 810 and 997, sends the 850 and 997."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from connectors.sdk import x12
from connectors.sdk.base import CheckReport, ParsedDocument, RawDocument, StreamSpec, Window
from connectors.sdk.config import ConnectorConfig
from connectors.sdk.ctx import Ctx
from connectors.sdk.incremental import Answer, Ask, read_pages
from connectors.sdk.probes import run_probes
from connectors.supply_x12.client import Client
from connectors.supply_x12.config import Config
from connectors.supply_x12.parse import parse
from connectors.supply_x12.render import group_control, render_850
from connectors.supply_x12.streams import OFFERS, STREAMS, read_catalogue, read_terms
from hub.domain.records import Cursor, Page
from hub.domain.supply import OrderToPlace, SubmitReceipt
from hub.errors import ConfigError, ContractDrift, DataError, NotSupported, Transient


class SupplyX12:
    Config: type[ConnectorConfig] = Config

    def streams(self) -> Sequence[StreamSpec]:
        return STREAMS

    def check(self, ctx: Ctx) -> CheckReport:
        client = Client(ctx)
        return run_probes(
            ctx,
            {
                "credentials and terms": lambda: read_terms(client.terms()),
                "read the catalogue": lambda: read_catalogue(client.catalogue(1)[0]),
            },
        )

    def read(self, ctx: Ctx, stream: str, cursor: Cursor | None, window: Window) -> Iterator[Page]:
        client = Client(ctx)
        if stream == "terms":
            yield Page((read_terms(client.terms()),), None, complete=True)
        elif stream == "offers":

            def fetch(ask: Ask) -> Answer:
                number = int(ask.token or 1)
                content, count = client.catalogue(number)
                try:
                    page = read_catalogue(content)
                except DataError as error:  # cut short or a page of HTML: worth asking again
                    raise Transient("The vendor's catalogue page is no complete X12.") from error
                following = str(number + 1) if number < count else None
                return Answer(tuple(page.records), tuple(page.rejected), following)

            yield from read_pages(ctx, OFFERS, ("catalogue",), cursor, window, fetch)
        else:
            raise NotSupported("There is no such stream.", feature="stream")

    def parse(self, config: ConnectorConfig, document: RawDocument) -> ParsedDocument:
        if not isinstance(config, Config):
            raise ConfigError("The settings are those of another connector.", field="connector")
        return parse(config, document)

    def submit(self, ctx: Ctx, order: OrderToPlace, idempotency_key: str) -> SubmitReceipt:
        client = Client(ctx)
        content = render_850(client.config, order, idempotency_key)
        answer = client.send_order(content, idempotency_key)
        if answer:
            _check_997(answer, group_control(idempotency_key))
        return SubmitReceipt(order.number, "")

    def lookup(self, ctx: Ctx, order: OrderToPlace, idempotency_key: str) -> SubmitReceipt | None:
        state = Client(ctx).order(order.number)
        if state is None:
            return None
        if state.get("purchaseOrder") != order.number:
            raise ContractDrift(
                "The vendor answered for another purchase order.",
                reason="other_order",
                path="$.purchaseOrder",
            )
        return SubmitReceipt(order.number, str(state.get("salesOrder") or ""))

    def reply(self, ctx: Ctx, document: RawDocument) -> None:
        Client(ctx).send_acknowledgment(document.content)


def _check_997(answer: bytes, control: int) -> None:
    """Raises Transient where the answer is no X12, DataError where it refuses our group."""
    try:
        interchanges = x12.interchanges(answer)
    except DataError as error:
        raise Transient("The vendor's answer to the order is no complete X12.") from error
    for interchange in interchanges:
        for transaction in interchange.transactions:
            if transaction.set_id != "997":
                continue
            found = x12.read_acknowledgment(transaction)
            if found.group_control.lstrip("0") != str(control):
                continue
            if found.accepted:
                return
            places = "; ".join(found.faults()) or "no place named"
            raise DataError(
                f"The vendor's 997 refuses the order: {places}.",
                reason="x12_997_rejected",
                path="850",
            )
    raise Transient("The vendor's answer holds no 997 for our order.")


connector = SupplyX12()
