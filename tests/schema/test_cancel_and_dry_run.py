"""Cancelling orders honestly, and dry runs that keep nothing."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select

from hub.domain.agreements import Domain, unrestricted_scope
from hub.services import placement
from hub.storage import tables
from hub.storage.reads.write import global_id
from hub.storage.tables import Base

CANCEL = """mutation($input: CancelPurchaseOrderInput!) { cancelPurchaseOrder(input: $input) {
  ... on CancelPurchaseOrderPayload { outcome order { status cancelRequestedAt sendState } }
  ... on UserErrors { errors { code } } } }"""


def order(world: Any, practice: str, **facts: Any) -> str:
    number = tables.new_id()
    connection = tables.Connection(
        id=tables.new_id(),
        name=number,
        connector_id="supply_rest",
        config={},
        created_at=world.now,
    )
    supplier = tables.Supplier(id=tables.new_id(), name="S", connection_id=connection.id)
    item = tables.Item(id=tables.new_id(), gtin=number[:14], name="Gloves")
    offer = tables.Offer(
        id=tables.new_id(),
        supplier_id=supplier.id,
        item_id=item.id,
        external_id="1",
        vendor_part="1",
        pack_units=1,
        pack_unit_code="EA",
        updated_at=world.now,
    )
    round_ = tables.PurchasingRound(id=tables.new_id(), name=number, opened_at=world.now)
    row = tables.PurchaseOrder(
        id=tables.new_id(),
        practice_id=practice,
        round_id=round_.id,
        supplier_id=supplier.id,
        number=number,
        ordered_on=world.now.date(),
        goods=Decimal(5),
        shipping=Decimal(0),
        total=Decimal(5),
        created_at=world.now,
        **facts,
    )
    line = tables.PurchaseOrderLine(
        practice_id=practice,
        order_id=row.id,
        number=1,
        item_id=item.id,
        offer_id=offer.id,
        vendor_part="1",
        packs=5,
        units=5,
        price=Decimal(1),
        amount=Decimal(5),
    )
    world.add(connection, supplier, item, offer, round_, row, line)
    return row.id


def ask(api: Any, order_id: str, **more: Any) -> Any:
    given = {"orderId": global_id("PurchaseOrder", order_id), **more}
    return api.data(CANCEL, input=given)["cancelPurchaseOrder"]


@pytest.mark.parametrize(
    ("status", "send_state"),
    [("proposed", "pending"), ("requested", "pending"), ("needs_review", "refused")],
)
def test_an_order_no_vendor_holds_is_cancelled_and_will_not_be_sent(world, status, send_state):
    practice = world.practice("North")
    order_id = order(world, practice, status=status, send_state=send_state)
    app = world.app(practice)
    for _ in range(2):
        assert ask(app, order_id, reason="ordered twice") == {
            "outcome": "CANCELLED",
            "order": {"status": "cancelled", "cancelRequestedAt": None, "sendState": send_state},
        }
    [line] = world.read(lambda s: s.scalars(select(tables.PurchaseOrderLine)).all())
    assert (line.status, line.cancelled) == ("cancelled", 5)
    begun = world.database.transaction(
        unrestricted_scope("test"),
        lambda s: placement.begin(s, practice_id=practice, order_id=order_id, key="k"),
    )
    assert begun is None
    events = world.read(lambda s: s.scalars(select(tables.AuditEvent.reason)).all())
    assert "cancelPurchaseOrder: ordered twice" in events


@pytest.mark.parametrize("send_state", ["sending", "sent"])
def test_an_order_the_vendor_may_hold_is_only_marked(world, send_state):
    practice = world.practice("North")
    order_id = order(world, practice, status="requested", send_state=send_state)
    answer = ask(world.app(practice), order_id)
    assert answer["outcome"] == "REQUESTED"
    assert answer["order"]["status"] == "requested"
    assert answer["order"]["cancelRequestedAt"] == "2026-03-02T15:00:00.000000Z"
    [line] = world.read(lambda s: s.scalars(select(tables.PurchaseOrderLine)).all())
    assert line.cancelled == 0


@pytest.mark.parametrize("status", ["shipped", "received", "invoiced", "closed", "rejected"])
def test_an_order_that_is_over_can_no_longer_be_cancelled(world, status):
    practice = world.practice("North")
    order_id = order(world, practice, status=status, send_state="sent")
    assert ask(world.app(practice), order_id) == {"errors": [{"code": "CONFLICT"}]}


def test_only_the_practice_or_an_mso_it_delegated_to_decides(world):
    north, south = world.practice("North"), world.practice("South")
    order_id = order(world, north, status="requested")
    assert ask(world.app(south), order_id) == {"errors": [{"code": "NOT_FOUND"}]}
    world.agreement(north, Domain.SUPPLY)
    mso = world.mso()
    given = {"orderId": global_id("PurchaseOrder", order_id)}
    assert mso.code(CANCEL, input=given) == "FORBIDDEN"
    world.agreement(
        north,
        Domain.SUPPLY,
        delegates_purchase_approval=True,
        starts_on=(world.now - timedelta(days=9)).date(),
    )
    assert ask(mso, order_id)["outcome"] == "CANCELLED"


def everything(world: Any) -> dict[str, list[Any]]:
    def work(session: Any) -> dict[str, list[Any]]:
        return {
            table.name: sorted(map(repr, session.execute(select(table)).all()))
            for table in Base.metadata.sorted_tables
            if table.name != "cost_buckets"
        }

    found: dict[str, list[Any]] = world.read(work)
    return found


def dry_runs(world: Any, practice: str) -> list[tuple[str, dict[str, Any], str]]:
    """Every mutation with an input that would have an effect, and what its payload shows."""
    order_id = order(world, practice, status="requested")
    solved = world.round("Solved", {practice: "1.00"})
    opened = tables.PurchasingRound(id=tables.new_id(), name="Open", opened_at=world.now)
    item = tables.Item(id=tables.new_id(), gtin="00000000000001", name="Gauze")
    world.add(opened, item)
    connection = world.read(lambda s: s.scalars(select(tables.Connection.id)).first())
    ids = {"connectionId": global_id("Connection", connection)}
    return [
        ("openPurchasingRound", {"name": "New"}, "round { name }"),
        (
            "submitRequisition",
            {
                "practiceId": global_id("Practice", practice),
                "roundId": global_id("PurchasingRound", opened.id),
                "lines": [{"itemId": global_id("Item", item.id), "units": 3}],
            },
            "requisition { lines { nodes { units } } }",
        ),
        (
            "runPurchasingRound",
            {"roundId": global_id("PurchasingRound", opened.id)},
            "round { status } job { kind }",
        ),
        (
            "approvePurchasingRound",
            {"roundId": global_id("PurchasingRound", solved), "planVersion": 1},
            "approvedCount",
        ),
        (
            "cancelPurchaseOrder",
            {"orderId": global_id("PurchaseOrder", order_id)},
            "outcome order { status }",
        ),
        ("syncConnection", ids, "job { kind }"),
        ("testConnection", ids, "job { kind }"),
        ("pauseConnection", ids, "connection { paused }"),
        ("resumeConnection", ids, "connection { paused }"),
        (
            "addConnection",
            {
                "name": "Brightwell",
                "connectorId": "supply_rest",
                "config": {},
                "secrets": [{"name": "api_key", "value": "v"}],
            },
            "connection { name }",
        ),
    ]


def test_a_dry_run_answers_like_the_real_one_and_changes_no_table(world):
    practice = world.practice("North")
    world.agreement(practice, Domain.SUPPLY, delegates_purchase_approval=True)
    mso = world.mso()
    for name, given, shown in dry_runs(world, practice):
        kind = name[0].upper() + name[1:]
        document = f"""mutation($input: {kind}Input!) {{ {name}(input: $input) {{
          ... on {kind}Payload {{ {shown} }}
          ... on UserErrors {{ errors {{ code message }} }} }} }}"""
        before = everything(world)
        tried = mso.data(document, input={**given, "validateOnly": True, "idempotencyKey": "k"})
        assert everything(world) == before, name
        assert "errors" not in tried[name], tried
        done = mso.data(document, input={**given, "idempotencyKey": "k"})
        assert tried == done
        assert everything(world) != before, name


def test_a_dry_run_tells_what_the_real_one_would_refuse(world):
    document = """mutation($input: OpenPurchasingRoundInput!) { openPurchasingRound(input: $input) {
      ... on UserErrors { errors { code field } } } }"""
    mso = world.mso()
    data = mso.data(document, input={"name": "", "validateOnly": True})
    assert data["openPurchasingRound"]["errors"] == [{"code": "BAD_INPUT", "field": "name"}]
    app = world.app(world.practice("North"))
    assert app.code(document, input={"name": "March", "validateOnly": True}) == "FORBIDDEN"
