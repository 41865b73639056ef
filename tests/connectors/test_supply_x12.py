"""The Stonebridge connector: X12 fixtures, and real HTTP against its simulator."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from connectors import registry
from connectors.sdk import x12
from connectors.sdk.base import DocumentParser, OrderPlacer, RawDocument, Source, Window
from connectors.sdk.ctx import Ctx
from connectors.sdk.http import Http
from connectors.sdk.signatures import SignatureInvalid, scheme_from_manifest, verify
from connectors.sdk.simulated_vendor.delivery import WebhookTarget
from connectors.sdk.simulator import Fault, FaultPlan, SimulatorServer
from connectors.supply_rest.simulator import build as build_brightwell
from connectors.supply_x12.config import Config
from connectors.supply_x12.mapping import LINE_STATUSES
from connectors.supply_x12.render import group_control, render_850
from connectors.supply_x12.simulator import build
from connectors.supply_x12.streams import read_catalogue
from hub.domain.records import Cursor, Page, Record
from hub.domain.supply import Offer, OrderLine, OrderToPlace, ShipTo
from hub.domain.supply_facts import FACTS_OF, Fact
from hub.domain.supply_ledger import derive
from hub.errors import DataError, NotSupported, Rejected, Transient
from tests.polling import wait_until

FIXTURES = Path(__file__).parents[2] / "fixtures" / "supply_x12"
TODAY = date(2026, 3, 2)
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
SECRET = "a secret shared with the vendor"
CONFIG = Config(api_key="env:STONEBRIDGE", time_zone="America/Chicago")

connector = registry.load("supply_x12")
assert isinstance(connector, Source)
assert isinstance(connector, DocumentParser)
assert isinstance(connector, OrderPlacer)


@dataclass
class Clock:
    def now(self) -> datetime:
        return NOW


@dataclass
class Secrets:
    value: str = "simulated"

    def get(self, reference: str) -> str:
        return self.value


OPEN: list[Http] = []


@pytest.fixture(autouse=True)
def _close_clients() -> Iterator[None]:
    yield
    while OPEN:
        OPEN.pop().close()


def context(url: str, key: str = "simulated", **options: Any) -> Ctx:
    OPEN.append(Http(egress=(), clock=Clock(), allow_loopback=True, **options))
    return Ctx(
        connection_id="con_1",
        config=Config(base_url=url, api_key="env:STONEBRIDGE"),
        http=OPEN[-1],
        secrets=Secrets(key),
        clock=Clock(),
        deadline=NOW + timedelta(minutes=5),
        progress=lambda _: None,
        cancelled=lambda: False,
    )


@contextmanager
def vendor(**options: Any) -> Iterator[tuple[SimulatorServer, Starlette]]:
    app = build(seed=7, today=TODAY, **options)
    with SimulatorServer(app) as server:
        try:
            yield server, app
        finally:
            app.state.vendor.orders.courier.close()


SHIP_TO = ShipTo(
    "8831", "Señora Park Clinic * North~", "12 Elm Street", "Springfield", "IL", "62701"
)


def order(number: str = "PO-2026-0002") -> OrderToPlace:
    lines = (
        OrderLine(1, "SB10003", "00614141000074", 10, "CA", Decimal("48"), "Nitrile exam gloves"),
        OrderLine(2, "SB10006", "", 12, "CA", Decimal("21.50")),
    )
    return OrderToPlace(number, date(2026, 3, 2), SHIP_TO, lines)


def orderable(app: Starlette, number: str = "PO-2026-0002") -> OrderToPlace:
    """An order of two of the simulated vendor's own items."""
    chosen = list(app.state.vendor.catalogue.values())[:2]
    lines = tuple(
        OrderLine(n, o.vendor_part, o.supply.gtin, 12, o.pack_code, o.tiers[0][1])
        for n, o in enumerate(chosen, start=1)
    )
    return OrderToPlace(number, TODAY, SHIP_TO, lines)


def pages(ctx: Ctx, stream: str, cursor: Cursor | None = None) -> list[Page]:
    return list(connector.read(ctx, stream, cursor, Window(NOW)))


def records(found: list[Page]) -> list[Record]:
    return [record for page in found for record in page.records]


# Fixtures


def described(found: list[Record] | tuple[Record, ...]) -> list[Any]:
    return [
        {
            "external_id": record.external_id,
            "occurred_at": str(record.occurred_at),
            "type": type(record.data).__name__,
            "data": json.loads(json.dumps(asdict(record.data), default=str)),  # type: ignore[call-overload]
        }
        for record in found
    ]


def read_fixture(case: str) -> Any:
    raw = (FIXTURES / f"{case}.edi").read_bytes()
    if case.startswith("catalogue"):
        page = read_catalogue(raw)
        return {
            "records": described(page.records),
            "issues": [f"{i.code} {i.path}" for r in page.records for i in r.issues],
            "rejected": [
                f"{item.ref} {item.issue.code} {item.issue.path}" for item in page.rejected
            ],
        }
    document = connector.parse(CONFIG, RawDocument(raw, "application/edi-x12"))
    return {
        "records": described(document.records),
        "issues": [f"{issue.code} {issue.path}" for issue in document.issues],
        "ignored": document.ignored,
        "replies": [reply.content.decode().split("~") for reply in document.replies],
    }


CASES = sorted(path.name.removesuffix(".meta.toml") for path in FIXTURES.glob("*.meta.toml"))


@pytest.mark.parametrize("case", [case for case in CASES if not case.startswith("purchase")])
def test_a_fixture_reads_as_expected(case: str) -> None:
    assert read_fixture(case) == json.loads((FIXTURES / f"{case}.expected.json").read_text())


def test_an_order_is_rendered_byte_for_byte() -> None:
    expected = (FIXTURES / "purchase_order_850.edi").read_bytes()
    assert render_850(CONFIG, order(), "key-1") == expected


def test_a_separator_in_an_id_is_refused_with_its_element() -> None:
    with pytest.raises(DataError) as caught:
        render_850(CONFIG, order("PO*1"), "key-1")
    assert caught.value.path == "850 BEG-3"


# Reading documents


def wrap(set_id: str, *segments: str, sender: str = "STONEBRIDGE", at: str = "1200") -> bytes:
    rows = [
        f"ISA*00*{'':10}*00*{'':10}*ZZ*{sender:<15}*ZZ*{'MSOHUB':<15}"
        "*260303*0915*U*00401*000000009*0*P*>",
        f"GS*PR*{sender}*MSOHUB*20260303*{at}*9*X*004010",
        f"ST*{set_id}*0001",
        *segments,
        f"SE*{len(segments) + 2}*0001",
        "GE*1*9",
        "IEA*1*000000009",
    ]
    return "".join(row + "~" for row in rows).encode()


def read(raw: bytes) -> Any:
    return connector.parse(CONFIG, RawDocument(raw, "application/edi-x12"))


def statuses(*acks: str, kind: str = "AC") -> list[str]:
    lines = ("PO1*1*10*CA*48.00*UM*VN*SB1", *acks) if acks else ()
    (record,) = read(wrap("855", f"BAK*00*{kind}*PO-1*20260302", *lines)).records
    return [line.status for line in record.data.lines]


EXPECTED_STATUSES = {
    "accepted": "IA SP AC AR",
    "changed": "IC IP IQ DR",
    "backordered": "IB",
    "substituted": "IS",
    "on_hold": "IE IH IF IW",
    "rejected": "IR R1 R2 R3 R4 R5 R6 R7 R8",
    "cancelled": "ID",
    "unknown": "ZZ",
}


@pytest.mark.parametrize(
    ("code", "status"),
    [(code, status) for status, codes in EXPECTED_STATUSES.items() for code in codes.split()],
)
def test_each_answer_to_a_line_has_its_status(code: str, status: str) -> None:
    assert statuses(f"ACK*{code}*10*CA") == [status]


def test_every_known_code_is_tested() -> None:
    listed = {code for codes in EXPECTED_STATUSES.values() for code in codes.split()}
    assert listed - {"ZZ"} | {"BP"} == set(LINE_STATUSES)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("AE", ["accepted"] * 2),
        ("AK", ["accepted"] * 2),
        ("AT", ["accepted"] * 2),
        ("RJ", ["rejected"] * 2),
        ("RD", ["rejected"] * 2),
        ("AH", ["on_hold"] * 2),
        ("AD", ["requested"] * 2),
        ("XX", ["requested"] * 2),
    ],
)
def test_the_kind_of_acknowledgment_speaks_for_the_lines_not_listed(
    kind: str, expected: list[str]
) -> None:
    (record,) = read(wrap("855", f"BAK*00*{kind}*PO-2026-0002*20260302")).records
    facts = FACTS_OF[type(record.data)](record.data, record.occurred_at)
    assert [line.status for line in derive(order(), facts).lines] == expected


def test_an_answer_in_another_unit_is_not_taken_as_one() -> None:
    document = read(
        wrap("855", "BAK*00*AC*PO-1*20260302", "PO1*1*10*CA*48.00", "ACK*IA*10*EA", "CTT*1")
    )
    assert document.records[0].data.lines[0].status == "unknown"
    assert [issue.code for issue in document.issues] == ["unit_differs"]


def test_the_time_of_a_document_is_in_the_vendors_zone() -> None:
    winter = read(wrap("855", "BAK*00*AK*PO-1*20260302", at="1200"))
    assert winter.records[0].occurred_at == datetime(2026, 3, 3, 18, tzinfo=UTC)


@pytest.mark.parametrize(
    ("set_id", "segments", "path"),
    [
        ("855", ["PO1*1*10*CA"], "BAK"),
        ("855", ["BAK*00*AC*PO-1*20260302", "PO1*x*10*CA"], "PO1-01 at 3"),
        ("855", ["BAK*00*AC*PO-1*20260302", "PO1*1*1.5*CA"], "PO1-02 at 3"),
        ("856", ["BSN*00*S1*20260302", "HL*1**S"], "HL"),
        ("856", ["BSN*00*S1*20260302", "HL*1*2*I", "SN1*1*2*CA", "HL*2*1*P"], "HL 1"),
        ("856", ["BSN*00*S1*20260302", "HL*1**O", "PRF*PO-1", "HL*2*1*I", "LIN*1"], "HL 2"),
        ("810", ["BIG*20260301*I1**PO-1", "IT1*1*2*CA*3"], "TDS"),
        ("810", ["BIG*20260301*I1**PO-1", "IT1*1*2*CA*3", "TDS*6.00"], "TDS-01 at 4"),
        ("810", ["BIG*20260230*I1**PO-1", "TDS*600"], "BIG-01 at 2"),
        ("810", ["BIG*20260201*I1**PO-1***CR", "TDS*600"], "BIG-07 at 2"),
        ("810", ["BIG*20260201*I1**PO-1", "IT1*1*1*CA*1E99", "TDS*600"], "IT1-04 at 3"),
    ],
)
def test_a_set_that_cannot_be_relied_on_is_refused_in_the_997_with_its_place(
    set_id: str, segments: list[str], path: str
) -> None:
    document = read(wrap(set_id, *segments))
    assert document.records == ()
    assert [issue.path for issue in document.issues] == [f"{set_id} 0001: {path}"]
    assert b"AK5*R*5~AK9*R*1*1*0~" in document.replies[0].content


def test_a_withdrawn_ship_notice_takes_its_packs_back() -> None:
    rows = ["HL*1**O", "PRF*PO-2026-0002", "HL*2*1*I", "LIN*1", "SN1*1*10*CA"]
    facts: list[Fact] = []
    for purpose, at in (("00", "1200"), ("01", "1300")):
        (record,) = read(wrap("856", f"BSN*{purpose}*S1*20260303", *rows, at=at)).records
        facts += FACTS_OF[type(record.data)](record.data, record.occurred_at)
        shipped = derive(order(), facts).lines[0].shipped
        assert shipped == (10 if purpose == "00" else 0)


def test_the_same_document_is_answered_by_the_same_997() -> None:
    raw = wrap("855", "BAK*00*AK*PO-1*20260302")
    assert read(raw).replies == read(raw).replies
    (reply,) = x12.interchanges(read(raw).replies[0].content)
    assert (reply.header.sender, reply.header.receiver) == ("MSOHUB", "STONEBRIDGE")
    assert x12.read_acknowledgment(reply.transactions[0]).accepted


def test_each_interchange_of_a_file_is_answered_for_itself() -> None:
    bad, good = wrap("855", "PO1*1"), wrap("855", "BAK*00*AK*PO-1*20260302")
    first, second = read(bad + good).replies
    assert b"AK5*R" in first.content
    assert b"AK5*A" in second.content


def test_a_997_is_never_answered() -> None:
    accepted = read(wrap("997", "AK1*PO*1", "AK9*A*1*1*1").replace(b"GS*PR", b"GS*FA"))
    assert accepted.replies == ()
    assert "accepts" in accepted.ignored


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"<html></html>",
        wrap("855", "BAK*00*AK*PO-1*20260302")[:-20],
        wrap("855", "BAK*00*AK*PO-1*20260302", sender="SOMEONE"),
        wrap("855", "BAK*00*AK*PO-1*20260302").replace(b"MSOHUB", b"OTHERS"),
    ],
)
def test_a_broken_envelope_or_another_party_is_rejected(raw: bytes) -> None:
    with pytest.raises(Rejected):
        read(raw)


pieces = st.one_of(st.text(alphabet="01459AIBPCROSTHL.-", max_size=8), st.text(max_size=4))


@settings(max_examples=150, deadline=None)
@given(
    set_id=st.sampled_from(["855", "856", "810", "997"]),
    rows=st.lists(
        st.tuples(
            st.sampled_from(
                [
                    "BAK",
                    "PO1",
                    "ACK",
                    "BSN",
                    "HL",
                    "PRF",
                    "SN1",
                    "LIN",
                    "MAN",
                    "BIG",
                    "IT1",
                    "TDS",
                    "SAC",
                    "TXI",
                    "AK1",
                    "AK9",
                ]
            ),
            st.lists(pieces, max_size=6),
        ),
        max_size=8,
    ),
)
def test_whatever_a_set_holds_the_answer_is_a_document_or_a_rejection(
    set_id: str, rows: list[tuple[str, list[str]]]
) -> None:
    try:
        document = read(wrap(set_id, *("*".join([name, *parts]) for name, parts in rows)))
    except Rejected:
        return
    assert document.records or document.issues or document.ignored


def test_settings_are_checked() -> None:
    for bad in ({"time_zone": "Mars/Base"}, {"our_id": "much too long an id"}, {"usage": "X"}):
        with pytest.raises(ValidationError):
            Config(api_key="env:KEY", **bad)


# Reading over HTTP


def test_every_offer_and_the_terms_are_read_over_http() -> None:
    with vendor() as (server, app):
        found = pages(context(server.url), "offers")
        (terms,) = records(pages(context(server.url), "terms"))
        again = pages(context(server.url), "offers")
        catalogue = app.state.vendor.catalogue
    assert [page.complete for page in found] == [False, False, True]
    assert records(found) == records(again)
    offers = {record.external_id: record.data for record in records(found)}
    assert offers.keys() == catalogue.keys()
    for part, offer in offers.items():
        held = catalogue[part]
        assert isinstance(offer, Offer)
        assert (offer.item.gtin, offer.item.gtin_valid) == (held.supply.gtin, True)
        assert (offer.item.name, offer.item.category) == (held.supply.name, held.supply.category)
        assert (offer.pack_units, offer.pack_unit_code) == (held.pack_units, held.pack_code)
        assert [(t.from_packs, t.price) for t in offer.tiers] == [
            (0, held.tiers[0][1]),
            *held.tiers[1:],
        ]
    assert (terms.data.min_order, terms.data.shipping_fee) == (Decimal("75"), Decimal("18.50"))
    assert terms.data.rebates == ((Decimal("10000.00"), Decimal("0.015")),)


def test_both_vendors_sell_most_items_in_different_packs() -> None:
    mine, theirs = (
        {offer.supply.gtin: offer for offer in app.state.vendor.catalogue.values()}
        for app in (build(seed=7, today=TODAY), build_brightwell(seed=7, today=TODAY))
    )
    shared = mine.keys() & theirs.keys()
    assert len(shared) >= 50
    assert all(mine[gtin].pack_units != theirs[gtin].pack_units for gtin in shared)
    assert mine.keys() - shared
    assert theirs.keys() - shared


def test_twelve_practices_together_reach_a_better_tier_than_one() -> None:
    for offer in build(seed=7, today=TODAY).state.vendor.catalogue.values():
        alone = -(-offer.supply.monthly_units // offer.pack_units)

        def price(packs: int, tiers: Any = offer.tiers) -> Decimal:
            return [price for start, price in tiers if start <= packs][-1]

        assert price(12 * alone) < price(alone)


def test_a_stream_that_is_not_there_is_not_supported() -> None:
    with pytest.raises(NotSupported):
        pages(context("http://127.0.0.1:1"), "prices")


# Orders over HTTP


def test_the_same_order_twice_is_one_order_and_lookup_finds_it() -> None:
    with vendor() as (server, app):
        ctx, placed = context(server.url), orderable(app)
        assert connector.lookup(ctx, placed, "key-1") is None
        connector.submit(ctx, placed, "key-1")
        connector.submit(ctx, placed, "key-1")
        found = connector.lookup(ctx, placed, "key-1")
        (held,) = httpx2.get(f"{server.url}/_control/orders").json()
    assert found is not None
    assert found.vendor_order_id == "SO000001"
    assert (held["number"], held["submissions"]) == ("PO-2026-0002", 2)
    assert held["content"]["ship_to"] == "Senora Park Clinic North"
    assert [line[:3] for line in held["content"]["lines"]] == [
        [line.number, line.vendor_part, line.packs] for line in placed.lines
    ]


def test_an_order_whose_answer_was_lost_is_found_by_lookup() -> None:
    with vendor(plan=FaultPlan([Fault("accepted_then_lost", "/edi/850")])) as (server, app):
        ctx, placed = context(server.url), orderable(app)
        with pytest.raises(Transient):
            connector.submit(ctx, placed, "key-1")
        assert connector.lookup(ctx, placed, "key-1") is not None
        connector.submit(ctx, placed, "key-1")
        assert len(app.state.vendor.orders.listing()) == 1


def test_a_997_that_refuses_the_order_is_not_retried() -> None:
    with vendor(plan=FaultPlan([Fault("refuse_997", "/edi/850")])) as (server, app):
        with pytest.raises(DataError) as caught:
            connector.submit(context(server.url), orderable(app), "key-1")
        assert app.state.vendor.orders.listing() == []
    assert caught.value.reason == "x12_997_rejected"


@pytest.mark.parametrize("kind", ["html", "truncate"])
def test_an_answer_that_is_no_997_is_asked_for_again(kind: str) -> None:
    plan = FaultPlan([Fault(kind, "/edi/850", params={"bytes": 120})])
    with vendor(plan=plan) as (server, app):
        with pytest.raises(Transient):
            connector.submit(context(server.url), orderable(app), "key-1")
        assert connector.submit(context(server.url), orderable(app), "key-1").order_number


def test_an_answer_for_another_group_proves_nothing() -> None:
    raw = wrap("997", "AK1*PO*1", "AK2*850*0001", "AK5*A", "AK9*A*1*1*1")
    assert group_control("key-1") != 1
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, content=raw))
    with pytest.raises(Transient):
        connector.submit(context("http://127.0.0.1:1", transport=transport), order(), "key-1")


# Webhooks over HTTP


@dataclass
class Hub:
    """A stand-in for the receiver: verifies, answers, and keeps what it took."""

    refuse: int = 0
    taken: list[tuple[str, bytes]] = field(default_factory=list)
    forged: int = 0

    async def receive(self, request: Request) -> Response:
        body = await request.body()
        manifest = registry.get("supply_x12").webhook
        assert manifest is not None
        assert request.headers["content-type"] in manifest.content_types
        scheme = scheme_from_manifest({"scheme": manifest.scheme, **manifest.params})
        try:
            verified = verify(scheme, [SECRET], request.headers, body, datetime.now(UTC))
        except SignatureInvalid:
            self.forged += 1
            return Response(status_code=401)
        if self.refuse:
            self.refuse -= 1
            return Response(status_code=503)
        self.taken.append((verified.id, body))
        return Response(status_code=202)

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/hook", self.receive, methods=["POST"])])


@pytest.mark.parametrize(
    ("kind", "status", "difference"),
    [
        ("none", "invoiced", None),
        ("short_ship", "partially_shipped", None),
        ("price_discrepancy", "invoiced", "price_difference"),
        ("reject_line", "invoiced", None),
    ],
)
def test_an_order_is_answered_shipped_and_invoiced_and_each_document_gets_its_997(
    kind: str, status: str, difference: str | None
) -> None:
    hub = Hub(refuse=1)
    plan = FaultPlan([Fault(kind, "/edi/850", params={"line": 2})])
    with SimulatorServer(hub.app()) as receiver:
        aim = WebhookTarget(f"{receiver.url}/hook", SECRET, 0, 0.02, mischief=True)
        with vendor(webhook=aim, plan=plan) as (server, app):
            ctx, placed = context(server.url), orderable(app)
            connector.submit(ctx, placed, "key-1")
            wait_until(lambda: app.state.vendor.orders.courier.waiting() == 0)
            facts: list[Fact] = []
            for _, body in reversed(hub.taken):  # the invoice is read first
                document = connector.parse(ctx.config, RawDocument(body))
                assert document.issues == ()
                for record in document.records:
                    facts += FACTS_OF[type(record.data)](record.data, record.occurred_at)
                for reply in document.replies:
                    connector.reply(ctx, reply)
            answers = httpx2.get(f"{server.url}/_control/acknowledgments").json()
    assert hub.forged == 1
    assert len(hub.taken) == 4  # one of three came twice
    assert len({identity for identity, _ in hub.taken}) == 3
    assert len(answers) == 4
    assert all("AK9*A*1*1*1" in answer for answer in answers)
    ledger = derive(placed, facts)
    assert ledger.status == status
    assert [found.code for found in ledger.differences] == ([difference] if difference else [])


def test_documents_wait_for_the_hub_and_for_a_restarted_vendor(tmp_path: Path) -> None:
    journal, hub = tmp_path / "orders.jsonl", Hub()
    with vendor(journal=journal) as (server, app):
        connector.submit(context(server.url), orderable(app), "key-1")
    with SimulatorServer(hub.app()) as receiver:
        with vendor(journal=journal) as (server, app):
            aim = {"url": f"{receiver.url}/hook", "secret": SECRET, "delay": 0}
            httpx2.post(f"{server.url}/_control/webhook", json=aim)
            wait_until(lambda: app.state.vendor.orders.courier.waiting() == 0)
            assert connector.lookup(context(server.url), orderable(app), "key-1") is not None
    assert len(hub.taken) == 3


def test_a_credit_note_follows_the_invoice_that_asked_too_much() -> None:
    hub = Hub()
    fault = Fault("price_discrepancy", "/edi/850", params={"line": 2, "credited": True})
    with SimulatorServer(hub.app()) as receiver:
        aim = WebhookTarget(f"{receiver.url}/hook", SECRET, 0, 0.02)
        with vendor(webhook=aim, plan=FaultPlan([fault])) as (server, app):
            connector.submit(context(server.url), orderable(app), "key-1")
            wait_until(lambda: app.state.vendor.orders.courier.waiting() == 0)
    read = [connector.parse(CONFIG, RawDocument(body)) for _, body in hub.taken]
    found = {type(r.data).__name__: r.data for document in read for r in document.records}
    invoiced, credited = found["OrderInvoiced"], found["OrderCredited"]
    assert credited.invoice == invoiced.document
    assert 0 < credited.total < invoiced.total
    assert all(b"AK5*A" in reply.content for document in read for reply in document.replies)


@pytest.mark.parametrize(
    ("segments", "place"),
    [
        (["BCD*20260305*CM1*M*100*D*20260304*IN1***PO-1"], "BCD-05"),
        (["BCD*20260305*CM1*M*100*C*20260304****PO-1"], "BCD-07"),
        (["BCD*20260305*CM1*M*1.00*C*20260304*IN1***PO-1"], "BCD-04"),
        (["BCD*20260305*CM1*M*100*C**IN1***PO-1", "CDD*01*D*1*100"], "CDD-02"),
        (["BCD*20260305*CM1*M*100*C**IN1***PO-1", "CDD*01*C**100***2*CA"], "CDD-03"),
    ],
)
def test_a_credit_that_cannot_be_relied_on_is_refused_with_its_place(
    segments: list[str], place: str
) -> None:
    document = read(wrap("812", *segments))
    assert document.records == ()
    assert place in document.issues[0].path
