"""A connector under test: its files, and calls of it in this process, against its own simulator."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import httpx2

from connectors.registry import Registry
from connectors.sdk.base import (
    Connector,
    DocumentParser,
    EligibilityClient,
    OrderPlacer,
    RawDocument,
    Source,
    StreamSpec,
    Window,
)
from connectors.sdk.ctx import Ctx
from connectors.sdk.http import Http
from connectors.sdk.kit.vendor import demo_connection, simulator_of, vendor_server
from connectors.sdk.kit.wire import Fault, Wire, changed
from connectors.sdk.simulator import DemoConnection, in_process
from hub.domain.eligibility import EligibilityQuery
from hub.domain.records import Cursor, Page, Record
from hub.domain.supply import OrderLine, OrderToPlace, ShipTo
from hub.errors import ConfigError, HubError

if TYPE_CHECKING:
    from connectors.sdk.kit.payloads import Payload

NOW = datetime(2026, 3, 18, 12, tzinfo=UTC)
SETTINGS = "settings.toml"
_OVER_HTTP = {"source", "eligibility", "order_placer"}
_CALLS = {*_OVER_HTTP, "message_sender"}
_READS = {"source", "eligibility", "document_parser"}
TYPES = {
    ".json": "application/json", ".edi": "application/edi-x12", ".hl7": "application/hl7-v2",
    ".xml": "application/xml",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Clock:
    def now(self) -> datetime:
        return NOW


@dataclass(frozen=True, slots=True)
class _Secrets:
    values: Mapping[str, str]
    instead: str | None = None
    missing: bool = False

    def get(self, reference: str) -> str:
        name = reference.rpartition("/")[2]
        if self.missing or name not in self.values:
            raise ConfigError(f"There is no secret behind {reference}.", field=reference)
        return self.values[name] if self.instead is None else self.instead


@dataclass(slots=True)
class Call:
    """One call of the connector: its context, and the wire it goes over."""

    ctx: Ctx
    wire: Wire


@dataclass
class Subject:
    """One connector of `registry`; `fixtures` is where its cases lie, if they are here."""

    registry: Registry
    id: str
    fixtures: Path | None = None
    payloads: list[Payload] | None = None
    _whole: dict[str, list[Page]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.manifest = self.registry.get(self.id)
        self.folder = self.registry.folder(self.id)
        self.package = self.registry.package(self.id)
        capabilities = set(self.manifest.capabilities)
        self.scopes = {
            "every",
            *(["caller"] if capabilities & _CALLS else []),
            *(["http"] if capabilities & _OVER_HTTP else []),
            *(["reader"] if capabilities & _READS else []),
            *(["source"] if "source" in capabilities else []),
            *(["webhook"] if self.manifest.webhook is not None else []),
            *(["orders"] if "order_placer" in capabilities else []),
        }

    @cached_property
    def connector(self) -> Connector:
        return self.registry.load(self.id)

    @property
    def source(self) -> Source:
        return cast(Source, self.connector)

    @cached_property
    def specs(self) -> Sequence[StreamSpec]:
        return self.source.streams()

    @cached_property
    def url(self) -> str:
        """The address the vendor is given in this process: a host of the egress list."""
        host = next(iter(self.manifest.egress), "vendor.example")
        return "https://" + host.replace("*", "kit")

    @cached_property
    def fit(self) -> DemoConnection:
        if "http" in self.scopes:
            return demo_connection(self.package, self.url)
        if "caller" in self.scopes:
            return demo_connection(self.package, "mllp://127.0.0.1:9")
        return DemoConnection({}, {})

    @cached_property
    def vendor(self) -> httpx2.BaseTransport:
        return self.new_vendor()

    def new_vendor(self) -> httpx2.BaseTransport:
        """The simulator as it begins, which knows of nothing yet."""
        if "http" not in self.scopes:
            return httpx2.MockTransport(lambda _: httpx2.Response(404))
        return in_process(simulator_of(self.package).demo_app(seed=1, today=NOW.date()))

    def server(self) -> AbstractContextManager[Any]:
        """The simulator of a connector that does not speak HTTP, on loopback; otherwise nothing."""
        if "caller" in self.scopes and "http" not in self.scopes:
            return vendor_server(self.package, seed=1, today=NOW.date())
        return nullcontext()

    def sources(self) -> Iterator[tuple[Path, str]]:
        """The modules that run in the service: all but the simulator's."""
        for file in sorted(self.folder.rglob("*.py")):
            if not file.name.startswith("simulat"):
                yield file, file.read_text(encoding="utf-8")

    def call(
        self,
        fault: Fault | None = None,
        since: int = 1,
        *,
        settings: Mapping[str, Any] | None = None,
        secret: str | None = None,
        secrets_missing: bool = False,
        vendor: httpx2.BaseTransport | None = None,
    ) -> Call:
        """A context whose requests go to the simulator, or to another `vendor`; `secret` stands
        for every secret."""
        wire = Wire(vendor or self.vendor, fault, since)
        config = {**self.fit.config("kit"), **(settings or {})}
        ctx = Ctx(
            connection_id="kit",
            config=self.registry.validate_config(self.id, config),
            http=Http(egress=self.manifest.egress, clock=_Clock(), transport=wire),
            secrets=_Secrets(self.fit.secrets, secret, secrets_missing),
            clock=_Clock(),
            deadline=NOW + timedelta(hours=1),
            progress=lambda count: None,
            cancelled=lambda: False,
        )
        return Call(ctx, wire)

    def asks(self) -> dict[str, Callable[[Ctx], Any]]:
        """The calls that change nothing at the vendor, by name, each with its result."""
        found: dict[str, Callable[[Ctx], Any]] = {}
        if isinstance(self.connector, Source) and "source" in self.scopes:
            for spec in self.specs:
                found[f"reading {spec.name}"] = self.reading(spec.name)
        if isinstance(self.connector, EligibilityClient):
            inquire = self.connector.inquire
            found["an inquiry"] = lambda ctx: inquire(ctx, QUERY).result
        if isinstance(self.connector, OrderPlacer):
            lookup = self.connector.lookup
            found["looking up an order"] = lambda ctx: lookup(ctx, ORDER, "kit-1")
        return found

    def reading(self, stream: str, cursor: Cursor | None = None) -> Callable[[Ctx], Any]:
        """A call that reads a stream to its end and gives what it read."""
        return lambda ctx: [
            (page.records, page.rejected)
            for page in self.source.read(ctx, stream, cursor, Window(NOW))
        ]

    def read(
        self, stream: str, cursor: Cursor | None = None, until: datetime = NOW
    ) -> Iterator[Page]:
        """The pages of a stream from a cursor that has been stored and loaded again."""
        return self.source.read(self.call().ctx, stream, stored(cursor), Window(until))

    def whole(self, stream: str) -> list[Page]:
        """All pages of a stream, read once."""
        if stream not in self._whole:
            self._whole[stream] = list(self.read(stream))
        return self._whole[stream]

    @cached_property
    def records(self) -> list[tuple[str, Record]]:
        """Everything the connector reads here, with where it comes from."""
        return list(self._records())

    def _records(self) -> Iterator[tuple[str, Record]]:
        if "source" in self.scopes:
            for spec in self.specs:
                for page in self.whole(spec.name):
                    yield from ((f"stream {spec.name}", record) for record in page.records)
        if isinstance(self.connector, EligibilityClient):
            result = self.connector.inquire(self.call().ctx, QUERY).result
            yield "an inquiry", Record("kit", result)
        for file in self.cases():
            for record in self.read_case(file) or ():
                yield f"fixture {file.name}", record

    def read_case(self, file: Path) -> Sequence[Record] | None:
        """The records of a fixture: of a document, or of a page of the stream that its
        ``.meta.toml`` names. None for one of what is refused, or not read at all."""
        stream = self.stream_of(file)
        if stream is not None:
            return self._page(stream, file.read_bytes())
        if stated_of(file).get("answers") == "inquiry":
            return self._answer(file.read_bytes())
        if not isinstance(self.connector, DocumentParser):
            return None
        document = RawDocument(file.read_bytes(), TYPES.get(file.suffix, ""))
        try:
            call = self.call(settings=self.case_settings)
            return self.connector.parse(call.ctx.config, document).records
        except HubError:
            return None

    def stream_of(self, file: Path) -> str | None:
        """The stream of which a fixture is a page, as its ``.meta.toml`` says."""
        return stated_of(file).get("stream") if "source" in self.scopes else None

    def _answer(self, content: bytes) -> Sequence[Record]:
        """What is read where the answer to `QUERY`, the last request of an inquiry, is
        `content`."""
        inquire = cast(EligibilityClient, self.connector).inquire
        usual = self.call()
        inquire(usual.ctx, QUERY)
        call = self.call(changed(lambda _: content), len(usual.wire.requests))
        result = inquire(call.ctx, QUERY).result
        return [Record(result.trace, result)]

    def _page(self, stream: str, content: bytes) -> Sequence[Record]:
        """What is read where the vendor's first page of a stream is `content`: the request for it
        is the last one that its reading takes."""
        usual = self.call()
        first = self.first_page(stream)
        first(usual.ctx)
        call = self.call(changed(lambda _: content), len(usual.wire.requests))
        return first(call.ctx).records

    def first_page(self, stream: str) -> Callable[[Ctx], Page]:
        """A call that reads the first page of a stream."""
        return lambda ctx: next(iter(self.source.read(ctx, stream, None, Window(NOW))))

    @cached_property
    def case_settings(self) -> dict[str, Any]:
        """What the fixtures are read with beside the simulator's settings: ``settings.toml``."""
        file = self.fixtures / SETTINGS if self.fixtures else None
        if file is None or not file.is_file():
            return {}
        return tomllib.loads(file.read_text(encoding="utf-8"))

    def cases(self) -> list[Path]:
        """The fixtures themselves, without what stands beside each."""
        if self.fixtures is None:
            return []
        files = (file for file in sorted(self.fixtures.iterdir()) if file.is_file())
        notes = (".expected.json", ".meta.toml", SETTINGS)
        return [file for file in files if not file.name.endswith(notes)]


def beside(case: Path, ending: str) -> Path:
    """The file that tells of a fixture: ``.meta.toml`` or ``.expected.json``."""
    return case.with_name(case.name.partition(".")[0] + ending)


def stated_of(case: Path) -> dict[str, Any]:
    """What the ``.meta.toml`` of a fixture says."""
    meta = beside(case, ".meta.toml")
    return tomllib.loads(meta.read_text(encoding="utf-8")) if meta.is_file() else {}


def stored(cursor: Cursor | None) -> Cursor | None:
    """A cursor as it comes back from the database."""
    if cursor is None:
        return None
    value = json.loads(json.dumps(asdict(cursor)))
    return Cursor(value["version"], value["values"])


def state(pages: Sequence[Page]) -> dict[str, Record]:
    """What an engine that upserts holds after these pages."""
    return {record.external_id: record for page in pages for record in page.records}


QUERY = EligibilityQuery(
    payer_id="KIT01",
    payer_name="A payer",
    provider_npi="1234567893",
    provider_name="A practice",
    member_id="KIT000001",
    subscriber_family="Example",
    subscriber_given="Person",
    subscriber_birth_date=date(1980, 5, 6),
    service_date=date(2026, 3, 18),
    trace="K0000000001",
    trace_company="9MSOHUB001",
    control_number=1,
    sent_at=NOW,
)
ORDER = OrderToPlace(
    "PO-KIT-0001",
    date(2026, 3, 18),
    ShipTo("KIT1", "A practice", "1 Example Street", "Fairview", "IL", "60190"),
    (OrderLine(1, "KIT-1", "", 1, "EA", Decimal("1.00")),),
)
