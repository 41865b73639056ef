"""The Brightwell connector: fixtures, and real HTTP against its simulator."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import date
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette

from connectors import registry
from connectors.sdk.base import DocumentParser, OrderPlacer, RawDocument, Source, Window
from connectors.sdk.ctx import Ctx
from connectors.sdk.simulated_vendor.delivery import WebhookTarget
from connectors.sdk.simulator import Fault, FaultPlan, SimulatorServer
from connectors.supply_rest.config import Config
from connectors.supply_rest.simulator import build
from connectors.supply_rest.streams import read_offers, read_terms
from hub.domain.records import Cursor, Page, Record
from hub.domain.supply import (
    Offer,
    OrderLine,
    OrderToPlace,
    PriceTier,
    ShipTo,
    SupplierTerms,
)
from hub.domain.supply_bids import Bid, BidLine, check_bid
from hub.domain.supply_facts import FACTS_OF, Fact
from hub.domain.supply_ledger import derive
from hub.errors import ContractDrift, DataError, NotSupported, Rejected, Transient
from tests.connectors.supply_calls import NOW, TODAY, calling, close_clients, serving
from tests.connectors.webhook_receiver import WebhookReceiver
from tests.polling import wait_until

FIXTURES = Path(__file__).parents[2] / "fixtures" / "supply_rest"
SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZg=="

connector = registry.load("supply_rest")
assert isinstance(connector, Source)
assert isinstance(connector, DocumentParser)
assert isinstance(connector, OrderPlacer)


@pytest.fixture(autouse=True)
def _close_clients() -> Iterator[None]:
    yield
    close_clients()


def context(url: str, key: str = "simulated", page_size: int = 20, **options: Any) -> Ctx:
    return calling(
        Config(base_url=url, api_key="env:BRIGHTWELL", page_size=page_size), key, **options
    )


vendor = partial(serving, build)


def order(number: str = "PO-2026-0001", packs: int = 10) -> OrderToPlace:
    ship_to = ShipTo("4410", "Señora Park Clinic", "12 Elm Street", "Springfield", "IL", "62701")
    lines = (
        OrderLine(1, "BW-1001", "00614141000074", packs, "BX", Decimal("5.95"),
                  "Nitrile exam gloves, small"),
        OrderLine(2, "BW-1040", "00614141002801", 3, "CA", Decimal("40")),
    )  # fmt: skip
    return OrderToPlace(number, date(2026, 3, 2), ship_to, lines)


def orderable(app: Starlette, number: str = "PO-2026-0001") -> OrderToPlace:
    """An order of two of the simulated vendor's own items, above its minimum."""
    chosen = list(app.state.vendor.catalogue.values())[:2]
    lines = tuple(
        OrderLine(n, o.vendor_part, o.supply.gtin, 12, o.pack_code, o.tiers[0][1])
        for n, o in enumerate(chosen, start=1)
    )
    return OrderToPlace(number, TODAY, order().ship_to, lines)


def pages(ctx: Ctx, stream: str, cursor: Cursor | None = None) -> list[Page]:
    return list(connector.read(ctx, stream, cursor, Window(NOW)))


def records(found: list[Page]) -> list[Record]:
    return [record for page in found for record in page.records]


# Fixtures


def plain(value: Any) -> Any:
    return json.loads(json.dumps(value, default=str))


def described(found: list[Record] | tuple[Record, ...]) -> list[Any]:
    return [
        {
            "external_id": record.external_id,
            "op": record.op,
            "occurred_at": plain(record.occurred_at),
            "type": type(record.data).__name__,
            "data": plain(asdict(record.data)),  # type: ignore[call-overload]
            "issues": [f"{issue.code} {issue.path}" for issue in record.issues],
        }
        for record in found
    ]


def read_fixture(case: str) -> Any:
    raw = (FIXTURES / f"{case}.json").read_bytes()
    if case == "offers":
        answer = read_offers(json.loads(raw, parse_float=Decimal))
        rejected = [f"{item.ref} {item.issue.code} {item.issue.path}" for item in answer.rejected]
        return {
            "records": described(answer.records),
            "rejected": rejected,
            "next_token": answer.next_token,
        }
    if case == "terms":
        return {"records": described([read_terms(json.loads(raw, parse_float=Decimal))])}
    document = connector.parse(Config(api_key="env:KEY"), RawDocument(raw, "application/json"))
    return {"records": described(document.records), "ignored": document.ignored}


CASES = sorted(path.name.removesuffix(".meta.toml") for path in FIXTURES.glob("*.meta.toml"))


@pytest.mark.parametrize("case", [case for case in CASES if case != "purchase_order"])
def test_a_fixture_reads_as_expected(case: str) -> None:
    assert read_fixture(case) == json.loads((FIXTURES / f"{case}.expected.json").read_text())


def test_an_order_is_rendered_byte_for_byte() -> None:
    seen: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        receipt = {"order_id": "BWO-1", "purchase_order_number": "PO-2026-0001"}
        return httpx2.Response(201, json=receipt)

    ctx = context("http://127.0.0.1:1", transport=httpx2.MockTransport(answer))
    receipt = connector.submit(ctx, order(), "key-1")
    assert seen[0].content == (FIXTURES / "purchase_order.json").read_bytes()
    assert seen[0].headers["idempotency-key"] == "key-1"
    assert receipt.vendor_order_id == "BWO-1"


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"type": "order.exploded"}, "$.type"),
        ({"created_at": "yesterday"}, "$.created_at"),
        ({"created_at": "2026-03-02T14:00:00"}, "$.created_at"),
        ({"data": {"purchase_order_number": "PO-1"}}, "$.data.confirmation_number"),
        ({"data": None}, "$.data"),
    ],
)
def test_an_unreadable_event_is_rejected_with_its_path(change: dict[str, Any], path: str) -> None:
    body = json.loads((FIXTURES / "order_confirmed.json").read_text()) | change
    with pytest.raises(Rejected) as caught:
        connector.parse(Config(api_key="env:KEY"), RawDocument(json.dumps(body).encode()))
    assert caught.value.path == path
    assert "yesterday" not in str(caught.value)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b'{"a": NaN}', b"[" * 100_000, b"\xff\xfe", b"[]"]
)
def test_a_body_that_is_no_event_is_rejected(body: bytes) -> None:
    with pytest.raises(DataError):
        connector.parse(Config(api_key="env:KEY"), RawDocument(body))


def test_an_amount_with_a_fraction_of_a_cent_is_refused() -> None:
    body = json.loads((FIXTURES / "order_invoiced.json").read_text())
    body["data"]["total"] = "53.155"
    with pytest.raises(DataError) as caught:
        connector.parse(Config(api_key="env:KEY"), RawDocument(json.dumps(body).encode()))
    assert caught.value.path == "$.data.total"


def test_an_amount_sent_as_a_number_stays_exact() -> None:
    raw = (FIXTURES / "order_invoiced.json").read_bytes().replace(b'"53.15"', b"53.15")
    (record,) = connector.parse(Config(api_key="env:KEY"), RawDocument(raw)).records
    assert record.data.total == Decimal("53.15")


@pytest.mark.parametrize(
    "answer", [{"order_id": "BWO-1", "purchase_order_number": "PO-9"}, {"order_id": "BWO-1"}, {}]
)
def test_a_receipt_for_another_order_is_not_ours(answer: dict[str, str]) -> None:
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, json=answer))
    ctx = context("http://127.0.0.1:1", transport=transport)
    with pytest.raises(ContractDrift):
        connector.submit(ctx, order(), "key-1")
    with pytest.raises(ContractDrift):
        connector.lookup(ctx, order(), "key-1")


def test_terms_of_another_shape_are_drift() -> None:
    with pytest.raises(ContractDrift) as caught:
        read_terms({"minimum_order": "much", "shipping": {"fee": "1.00"}, "currency": "USD"})
    assert caught.value.path == "$.minimum_order"


# Reading over HTTP


def test_every_offer_and_the_terms_are_read_over_http() -> None:
    with vendor() as (server, app):
        found = pages(context(server.url), "offers")
        (terms,) = records(pages(context(server.url), "terms"))
        catalogue = app.state.vendor.catalogue
    assert len(found) == 4
    assert [page.complete for page in found] == [False, False, False, True]
    offers = {record.data.vendor_part: record.data for record in records(found)}
    assert offers.keys() == catalogue.keys()
    for part, offer in offers.items():
        assert isinstance(offer, Offer)
        assert offer.item.gtin_valid
        held = catalogue[part].tiers
        assert [tier.price for tier in offer.tiers] == [price for _, price in held]
        assert [tier.from_packs for tier in offer.tiers] == [0, *(packs for packs, _ in held[1:])]
    assert isinstance(terms.data, SupplierTerms)
    assert (terms.data.min_order, terms.data.free_shipping_from) == (Decimal("50"), Decimal("250"))


@pytest.mark.parametrize("page_size", [1, 3, 62, 200])
def test_pages_of_any_size_give_the_same_offers_once(page_size: int) -> None:
    with vendor() as (server, _):
        found = pages(context(server.url, page_size=page_size), "offers")
    ids = [record.external_id for record in records(found)]
    assert len(ids) == len(set(ids)) == 62


def test_the_next_run_reads_what_changed_and_nothing_at_the_boundary_is_lost() -> None:
    with vendor() as (server, app):
        first = pages(context(server.url), "offers")
        newest = max(record.occurred_at for record in records(first))
        parts = list(app.state.vendor.catalogue)[:2]
        for part, status in zip(parts, ("active", "discontinued"), strict=True):
            change = {
                "unit_price": "9.99",
                "status": status,
                "updated_at": f"{newest:%Y-%m-%dT%H:%M:%SZ}",
            }
            httpx2.post(f"{server.url}/_control/offers/{part}", json=change)
        again = records(pages(context(server.url), "offers", first[-1].cursor))
    changed = {record.data.vendor_part: record for record in again}
    assert set(parts) <= changed.keys()
    assert changed[parts[0]].data.tiers[0].price == Decimal("9.99")
    assert (changed[parts[0]].op, changed[parts[1]].op) == ("upsert", "delete")
    assert len(again) < 20


def test_a_stream_that_is_not_there_is_not_supported() -> None:
    with pytest.raises(NotSupported):
        pages(context("http://127.0.0.1:1"), "prices")


# Orders over HTTP


def test_the_same_order_twice_is_one_order_and_lookup_finds_it() -> None:
    with vendor() as (server, app):
        ctx, placed = context(server.url), orderable(app)
        assert connector.lookup(ctx, placed, "key-1") is None
        first = connector.submit(ctx, placed, "key-1")
        second = connector.submit(ctx, placed, "key-1")
        assert first == second == connector.lookup(ctx, placed, "key-1")
        (held,) = httpx2.get(f"{server.url}/_control/orders").json()
    assert (held["number"], held["submissions"]) == ("PO-2026-0001", 2)


def test_an_order_whose_answer_was_lost_is_found_by_lookup() -> None:
    with vendor(plan=FaultPlan([Fault("accepted_then_lost", "/v1/orders")])) as (server, app):
        ctx, placed = context(server.url), orderable(app)
        with pytest.raises(Transient):
            connector.submit(ctx, placed, "key-1")
        found = connector.lookup(ctx, placed, "key-1")
        assert found is not None
        assert connector.submit(ctx, placed, "key-1") == found
        assert len(app.state.vendor.orders.listing()) == 1


def test_a_key_used_for_another_order_and_a_bad_order_are_refused() -> None:
    with vendor() as (server, app):
        ctx, placed = context(server.url), orderable(app)
        connector.submit(ctx, placed, "key-1")
        with pytest.raises(DataError, match="409"):
            connector.submit(ctx, orderable(app, "PO-2"), "key-1")
        with pytest.raises(DataError, match="422"):
            connector.submit(ctx, order("PO-3"), "key-3")


def test_a_restarted_vendor_still_knows_its_orders(tmp_path: Path) -> None:
    journal = tmp_path / "orders.jsonl"
    with vendor(journal=journal) as (server, app):
        placed = orderable(app)
        first = connector.submit(context(server.url), placed, "key-1")
    with journal.open("ab") as file:
        file.write(b'{"event":"order","num')  # killed while writing the next order
    with vendor(journal=journal) as (server, app):
        assert connector.lookup(context(server.url), placed, "key-1") == first
        assert connector.submit(context(server.url), placed, "key-1") == first
        (held,) = app.state.vendor.orders.listing()
        assert held["submissions"] == 2
        connector.submit(context(server.url), orderable(app, "PO-2"), "key-2")
    with vendor(journal=journal) as (_, app):
        assert len(app.state.vendor.orders.listing()) == 2


# Webhooks over HTTP


class Hub(WebhookReceiver):
    def __init__(self, refuse: int = 0) -> None:
        super().__init__("supply_rest", SECRET, refuse)

    def facts(self) -> list[Fact]:
        found: list[Fact] = []
        for _, body in self.taken:
            document = connector.parse(Config(api_key="env:KEY"), RawDocument(body))
            for record in document.records:
                found += FACTS_OF[type(record.data)](record.data, record.occurred_at)
        return found


def target(server: SimulatorServer, **options: Any) -> WebhookTarget:
    return WebhookTarget(f"{server.url}/hook", SECRET, delay=0, first_retry=0.02, **options)


def test_an_accepted_order_is_confirmed_shipped_and_invoiced_by_signed_events() -> None:
    hub = Hub(refuse=2)
    with SimulatorServer(hub.app()) as receiver:
        with vendor(webhook=target(receiver, mischief=True)) as (server, app):
            placed = orderable(app)
            connector.submit(context(server.url), placed, "key-1")
            wait_until(lambda: app.state.vendor.orders.courier.waiting() == 0)
    kinds = [json.loads(body)["type"] for _, body in hub.taken]
    assert kinds == ["order.confirmed", "order.confirmed", "order.shipped", "order.invoiced"]
    assert len({event_id for event_id, _ in hub.taken}) == 3
    assert hub.forged == 1
    ledger = derive(placed, hub.facts())
    assert (ledger.status, ledger.differences) == ("invoiced", ())


def test_events_wait_for_the_hub_and_for_a_restarted_vendor(tmp_path: Path) -> None:
    journal, hub = tmp_path / "orders.jsonl", Hub()
    with vendor(journal=journal) as (server, app):
        placed = orderable(app)
        connector.submit(context(server.url), placed, "key-1")
        assert app.state.vendor.orders.courier.waiting() == 3
    with SimulatorServer(hub.app()) as receiver:
        with vendor(journal=journal) as (server, app):
            aim = {"url": f"{receiver.url}/hook", "secret": SECRET, "delay": 0}
            httpx2.post(f"{server.url}/_control/webhook", json=aim)
            wait_until(lambda: app.state.vendor.orders.courier.waiting() == 0)
        with vendor(journal=journal, webhook=target(receiver)) as (_, app):
            assert app.state.vendor.orders.courier.waiting() == 0
    assert len(hub.taken) == 3
    assert derive(placed, hub.facts()).status == "invoiced"


@pytest.mark.parametrize(
    ("kind", "status", "difference"),
    [
        ("short_ship", "partially_shipped", None),
        ("price_discrepancy", "invoiced", "price_difference"),
        ("reject_line", "invoiced", None),
    ],
)
def test_a_vendor_that_falls_short_is_seen_in_the_ledger(
    kind: str, status: str, difference: str | None
) -> None:
    hub = Hub()
    plan = FaultPlan([Fault(kind, "/v1/orders", params={"line": 2})])
    with SimulatorServer(hub.app()) as receiver:
        with vendor(webhook=target(receiver), plan=plan) as (server, app):
            placed = orderable(app)
            connector.submit(context(server.url), placed, "key-1")
            wait_until(lambda: app.state.vendor.orders.courier.waiting() == 0)
    ledger = derive(placed, hub.facts())
    assert ledger.status == status
    assert [found.code for found in ledger.differences] == ([difference] if difference else [])


def test_a_vendor_gives_back_what_it_asked_too_much_and_bids_when_invited() -> None:
    hub = Hub()
    fault = Fault("price_discrepancy", "/v1/orders", params={"line": 2, "credited": True})
    with SimulatorServer(hub.app()) as receiver:
        with vendor(webhook=target(receiver), plan=FaultPlan([fault])) as (server, app):
            placed = orderable(app)
            connector.submit(context(server.url), placed, "key-1")
            asked = {"invitation": "inv-1", "percent": "90", "categories": ["gloves"]}
            lines = httpx2.post(f"{server.url}/_control/bids", json=asked).json()["lines"]
            wait_until(lambda: app.state.vendor.orders.courier.waiting() == 0)
    read = [connector.parse(Config(api_key="env:KEY"), RawDocument(b)) for _, b in hub.taken]
    found = {type(r.data).__name__: r.data for document in read for r in document.records}
    invoiced, credited, bid = found["OrderInvoiced"], found["OrderCredited"], found["Bid"]
    extra = sum(
        (line.price - next(o.price for o in placed.lines if o.number == line.number)) * line.packs
        for line in invoiced.lines
    )
    assert (credited.invoice, credited.total) == (invoiced.document, extra)
    assert extra > 0
    assert (bid.invitation, len(bid.lines)) == ("inv-1", lines)
    assert lines == 7
    check_bid(bid)


def test_a_bid_event_is_a_bid_on_its_invitation() -> None:
    line = {
        "gtin": "012345678905",
        "item_number": "G-1",
        "unit_of_measure": "BX",
        "units_per_pack": 100,
        "tiers": [{"minimum_quantity": 0, "unit_price": "9.50"}],
        "contract_number": "C-7",
    }
    body = {
        "id": "evt_1",
        "type": "bid.submitted",
        "created_at": "2026-03-02T15:00:00Z",
        "data": {"invitation": "i-1", "bid_number": "B-1", "currency": "USD", "lines": [line]},
    }
    document = RawDocument(json.dumps(body).encode())
    [record] = connector.parse(Config(api_key="env:KEY"), document).records
    assert record.external_id == "i-1/B-1"
    tiers = (PriceTier(0, Decimal("9.50")),)
    assert record.data == Bid(
        "i-1", "B-1", (BidLine("012345678905", "G-1", 100, "BX", tiers, contract="C-7"),)
    )
