"""The Stonebridge connector over real HTTP, against its simulator: offers, orders and webhooks."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette

from connectors.sdk.base import RawDocument, Window
from connectors.sdk.ctx import Ctx
from connectors.sdk.simulated_vendor.delivery import WebhookTarget
from connectors.sdk.simulator import Fault, FaultPlan, SimulatorServer
from connectors.supply_rest.simulator import build as build_brightwell
from connectors.supply_x12.config import Config
from connectors.supply_x12.render import group_control
from connectors.supply_x12.simulator import build
from hub.domain.records import Cursor, Page, Record
from hub.domain.supply import Offer, OrderLine, OrderToPlace
from hub.domain.supply_facts import FACTS_OF, Fact
from hub.domain.supply_ledger import derive
from hub.errors import DataError, NotSupported, Transient
from tests.connectors.supply_calls import NOW, TODAY, calling, close_clients, serving
from tests.connectors.test_supply_x12 import CONFIG, SHIP_TO, connector, order, wrap
from tests.connectors.webhook_receiver import WebhookReceiver
from tests.polling import wait_until

SECRET = "a secret shared with the vendor"


@pytest.fixture(autouse=True)
def _close_clients() -> Iterator[None]:
    yield
    close_clients()


def context(url: str, key: str = "simulated", **options: Any) -> Ctx:
    return calling(Config(base_url=url, api_key="env:STONEBRIDGE"), key, **options)


vendor = partial(serving, build)


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


class Hub(WebhookReceiver):
    def __init__(self, refuse: int = 0) -> None:
        super().__init__("supply_x12", SECRET, refuse)


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
