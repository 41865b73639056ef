"""The Wagewright connector: a source of workers, employments and payroll."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from connectors.payroll_rest.client import Client
from connectors.payroll_rest.config import Config
from connectors.payroll_rest.parse import parse_page
from connectors.payroll_rest.streams import RESOURCES, STREAMS
from connectors.sdk.base import CheckReport, StreamSpec, Window
from connectors.sdk.config import ConnectorConfig
from connectors.sdk.ctx import Ctx
from connectors.sdk.incremental import Answer, Ask, read_pages
from connectors.sdk.probes import run_probes
from hub.domain.records import Cursor, Page
from hub.errors import NotSupported


class PayrollRest:
    Config: type[ConnectorConfig] = Config

    def streams(self) -> Sequence[StreamSpec]:
        return STREAMS

    def check(self, ctx: Ctx) -> CheckReport:
        client = Client(ctx)

        def readable(resource: str) -> object:
            ask = Ask(client.companies()[0], ctx.clock.now(), ctx.clock.now(), None)
            return client.page(resource, ask)

        rights = {f"read {name}": lambda r=path: readable(r) for name, path in RESOURCES.items()}
        return run_probes(ctx, {"credentials": client.companies, **rights})

    def read(self, ctx: Ctx, stream: str, cursor: Cursor | None, window: Window) -> Iterator[Page]:
        spec = next((spec for spec in STREAMS if spec.name == stream), None)
        if spec is None:
            raise NotSupported(f"There is no stream {stream}.", feature=stream)
        client = Client(ctx)

        def fetch(ask: Ask) -> Answer:
            return parse_page(stream, ask.partition, client.page(RESOURCES[stream], ask))

        yield from read_pages(ctx, spec, client.companies(), cursor, window, fetch)


connector = PayrollRest()
