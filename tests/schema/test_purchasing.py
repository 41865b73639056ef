"""Purchasing through GraphQL: each practice its own part, the MSO the rest, money in inputs."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select

from hub.domain.agreements import READABLE_CLASSES, DataClass, Domain
from hub.storage import tables
from hub.storage.reads.write import global_id as gid

OPEN = """mutation($input: OpenPurchasingRoundInput!) { openPurchasingRound(input: $input) {
  ... on OpenPurchasingRoundPayload { round { id status categories requisitionsUntil
    steps(first: 10) { nodes { step takenBy } } } }
  ... on UserErrors { errors { code field message } } } }"""
UPLOAD = """mutation($input: UploadRequisitionInput!) { uploadRequisition(input: $input) {
  ... on UploadRequisitionPayload { lineCount job { kind } requisition { id
    entries(first: 10) { nodes { number state issue } } } }
  ... on UserErrors { errors { code field message } } } }"""
INVITE = """mutation($input: InviteBidsInput!) { inviteBids(input: $input) {
  ... on InviteBidsPayload { invitedCount round { status invitations(first: 5) { nodes { id } } } }
  ... on UserErrors { errors { code message } } } }"""
BID = """mutation($input: SubmitBidInput!) { submitBid(input: $input) {
  ... on SubmitBidPayload { changed invitation { state bids(first: 5) {
    nodes { document lineCount state channel } } } }
  ... on UserErrors { errors { code field message } } } }"""
LOCK = """mutation($input: LockPurchasingRoundInput!) { lockPurchasingRound(input: $input) {
  ... on LockPurchasingRoundPayload { round { status } }
  ... on UserErrors { errors { code message } } } }"""
RULES = """mutation($input: SetRoundRulesInput!) { setRoundRules(input: $input) {
  ... on SetRoundRulesPayload { round { allocationRule rules
    steps(first: 10) { nodes { step why } } } }
  ... on UserErrors { errors { code field message } } } }"""
EQUIVALENT = """mutation($input: ApproveEquivalentInput!) { approveEquivalent(input: $input) {
  ... on ApproveEquivalentPayload { approval { id equivalent { name } withdrawnAt } }
  ... on UserErrors { errors { code field message } } } }"""
RELATED = """mutation($input: SetRelatedPartyInput!) { setRelatedParty(input: $input) {
  ... on SetRelatedPartyPayload { supplier { relatedParty } }
  ... on UserErrors { errors { code message } } } }"""
RUN = """mutation($input: RunPurchasingRoundInput!) { runPurchasingRound(input: $input) {
  ... on RunPurchasingRoundPayload { round { status } job { id state } }
  ... on UserErrors { errors { code message } } } }"""
STOP = """mutation($input: StopPurchasingRunInput!) { stopPurchasingRun(input: $input) {
  ... on StopPurchasingRunPayload { job { id state } round { status
    steps(first: 20) { nodes { step takenBy why } } } }
  ... on UserErrors { errors { code message } } } }"""
AGREE = """mutation($input: AddFeeAgreementInput!) { addFeeAgreement(input: $input) {
  ... on AddFeeAgreementPayload { agreement { maximumRate } }
  ... on UserErrors { errors { code message } } } }"""
PAY = """mutation($input: RecordSupplierPaymentInput!) { recordSupplierPayment(input: $input) {
  ... on RecordSupplierPaymentPayload { payment { kind amount } }
  ... on UserErrors { errors { code message } } } }"""


@pytest.fixture
def market(world: Any) -> Any:
    """Two practices, a supplier and an item."""
    world.north, world.south = world.practice("North"), world.practice("South")
    for practice in (world.north, world.south):
        world.agreement(practice, Domain.SUPPLY)
    world.add(
        tables.Connection(
            id="c", name="c", connector_id="supply_rest", config={}, created_at=world.now
        ),
        tables.Item(id="gloves", gtin="00012345678905", name="Gloves", category="gloves"),
        tables.Supplier(id="acme", name="Acme", connection_id="c", rebates={}),
    )
    world.office = world.mso(write=True, approve=True)
    answer = world.office.data(OPEN, input={"name": "March", "categories": ["gloves"]})
    world.round = answer["openPurchasingRound"]["round"]
    return world


def test_a_round_is_opened_with_its_terms_and_first_step(market: Any) -> None:
    assert market.round["categories"] == ["gloves"]
    assert market.round["steps"]["nodes"] == [{"step": "open", "takenBy": "mso"}]


def test_a_file_is_uploaded_by_the_practice_and_seen_by_nobody_else(market: Any) -> None:
    north, south = market.app(market.north, write=True), market.app(market.south, write=True)
    given = {"roundId": market.round["id"], "csv": "gtin,quantity,unit\n012345678905,3,EA\n,1,EA\n"}
    answer = north.data(UPLOAD, input=given)["uploadRequisition"]
    assert (answer["lineCount"], answer["job"]["kind"]) == (2, "requisitions.normalise_entries")
    states = [entry["state"] for entry in answer["requisition"]["entries"]["nodes"]]
    assert states == ["RECEIVED", "REJECTED"]
    assert answer["requisition"]["entries"]["nodes"][1]["issue"] == "The line names no item."
    listed = "{ requisitionEntries(first: 10) { totalCount } }"
    assert north.data(listed)["requisitionEntries"]["totalCount"] == 2
    assert south.data(listed)["requisitionEntries"]["totalCount"] == 0
    foreign = {**given, "practiceId": gid("Practice", market.north)}
    errors = south.data(UPLOAD, input=foreign)["uploadRequisition"]["errors"]
    assert errors[0]["code"] == "NOT_FOUND"


def test_a_bid_is_taken_once_per_key_and_practices_do_not_see_it(market: Any) -> None:
    office, practice = market.office, market.app(market.north, write=True)
    office.data(LOCK, input={"roundId": market.round["id"]})
    deadline = (market.now + timedelta(days=2)).isoformat()
    invited = office.data(
        INVITE,
        input={
            "roundId": market.round["id"],
            "supplierIds": [gid("Supplier", "acme")],
            "deadline": deadline,
        },
    )["inviteBids"]
    assert (invited["invitedCount"], invited["round"]["status"]) == (1, "bidding")
    line = {
        "gtin": "012345678905",
        "vendorPart": "G-1",
        "packUnits": 10,
        "unit": "box",
        "tiers": [{"fromPacks": 0, "price": "9.50"}],
    }
    given = {
        "invitationId": invited["round"]["invitations"]["nodes"][0]["id"],
        "document": "B-1",
        "lines": [line],
        "idempotencyKey": "k1",
    }
    first = office.data(BID, input=given)["submitBid"]
    assert first == office.data(BID, input=given)["submitBid"]
    assert first["invitation"] == {
        "state": "BID",
        "bids": {
            "nodes": [{"document": "B-1", "lineCount": 1, "state": "SEALED", "channel": "api"}]
        },
    }
    read = "{ purchasingRounds(first: 1) { nodes { invitations(first: 1) { totalCount } } } }"
    assert practice.code(read) == "BAD_INPUT"
    worse = {**given, "idempotencyKey": "k2", "lines": [{**line, "packUnits": 0}]}
    assert office.data(BID, input=worse)["submitBid"]["errors"][0]["field"] == "lines[0]"


@pytest.mark.parametrize("classes", [None, READABLE_CLASSES], ids=["reduced", "whole"])
def test_fees_need_an_agreement_that_members_can_read(
    market: Any, classes: frozenset[DataClass] | None
) -> None:
    """Whether the credential's schema is the whole one or lacks what it may not see."""
    options = {} if classes is None else {"classes": classes}
    office, supplier = market.mso("fees", **options), gid("Supplier", "acme")
    fee = {
        "supplierId": supplier,
        "kind": "FEE",
        "reference": "F-1",
        "receivedOn": market.now.date().isoformat(),
        "amount": "12.50",
    }
    refused = office.data(PAY, input=fee)["recordSupplierPayment"]
    assert "1001.952(j)" in refused["errors"][0]["message"]
    terms = {"supplierId": supplier, "writtenOn": "2026-01-01", "startsOn": "2026-01-01"}
    agreed = office.data(AGREE, input={**terms, "maximumRate": "0.02"})["addFeeAgreement"]
    assert agreed["agreement"]["maximumRate"] == "0.02"
    paid = office.data(PAY, input=fee)["recordSupplierPayment"]
    assert paid["payment"] == {"kind": "FEE", "amount": "12.50"}
    stored = market.read(lambda s: s.scalars(select(tables.SupplierPayment)).one())
    assert (stored.kind, stored.amount) == ("fee", Decimal("12.50"))
    member = market.app(market.north)
    assert member.data("{ feeAgreements(first: 5) { totalCount } }") == {
        "feeAgreements": {"totalCount": 1}
    }
    assert member.code("{ supplierPayments(first: 5) { totalCount } }") == "BAD_INPUT"


def test_rules_are_set_by_the_mso_and_read_by_everybody(market: Any) -> None:
    acme = gid("Supplier", "acme")
    given = {
        "roundId": market.round["id"],
        "why": "Two suppliers are enough.",
        "allocationRule": "pooled_savings_by_volume",
        "maxSuppliers": 2,
        "commitments": [{"supplierId": acme, "category": "gloves", "share": "0.8"}],
        "switchingCost": "20.00",
        "splitLines": True,
    }
    found = market.office.data(RULES, input=given)["setRoundRules"]["round"]
    assert found["allocationRule"] == "pooled_savings_by_volume"
    assert found["rules"] == {
        "maxSuppliers": 2,
        "maxSuppliersPerPractice": None,
        "maxSuppliersPerCategory": [],
        "commitments": [{"supplierId": acme, "category": "gloves", "share": "0.80"}],
        "withoutSuppliers": [],
        "switchingCost": "20.00",
        "splitLines": True,
    }
    assert found["steps"]["nodes"][-1]["why"].startswith("Two suppliers are enough. At most 2")
    member = market.app(market.north, write=True)
    read = member.data("{ purchasingRounds(first: 1) { nodes { rules } } }")
    assert read["purchasingRounds"]["nodes"][0]["rules"] == found["rules"]
    assert member.code(RULES, input=given) == "FORBIDDEN"
    cent = {**given, "switchingCost": "0.001"}
    errors = market.office.data(RULES, input=cent)["setRoundRules"]["errors"]
    assert errors[0]["field"] == "switchingCost"


def test_the_offers_of_a_locked_round_are_read_with_what_changed(market: Any) -> None:
    facts = {"pack_units": 10, "pack_unit_code": "BX", "updated_at": market.now}
    market.add(
        tables.Offer(
            id="o",
            supplier_id="acme",
            item_id="gloves",
            external_id="o",
            vendor_part="G",
            **facts,
        ),
        tables.OfferTier(offer_id="o", from_packs=0, price=Decimal("9.00")),
    )
    market.office.data(LOCK, input={"roundId": market.round["id"]})
    read = """{ purchasingRounds(first: 1) { nodes {
      offers(first: 5) { nodes { tiers difference item { name } supplier { name } } }
      suppliers(first: 5) { nodes { minOrder supplier { name } } } } } }"""
    [found] = market.app(market.north).data(read)["purchasingRounds"]["nodes"]
    [offer] = found["offers"]["nodes"]
    assert offer == {
        "tiers": [{"fromPacks": 0, "price": "9.00"}],
        "difference": "",
        "item": {"name": "Gloves"},
        "supplier": {"name": "Acme"},
    }
    assert found["suppliers"]["nodes"] == [{"minOrder": "0.00", "supplier": {"name": "Acme"}}]


def test_a_practice_approves_its_own_equivalents(market: Any) -> None:
    market.add(tables.Item(id="nitrile", gtin="00012345678912", name="Nitrile", category="gloves"))
    north, south = market.app(market.north, write=True), market.app(market.south)
    given = {"itemId": gid("Item", "gloves"), "equivalentId": gid("Item", "nitrile")}
    found = north.data(EQUIVALENT, input=given)["approveEquivalent"]["approval"]
    assert (found["equivalent"], found["withdrawnAt"]) == ({"name": "Nitrile"}, None)
    listed = "{ approvedEquivalents(first: 5) { totalCount } }"
    assert north.data(listed)["approvedEquivalents"]["totalCount"] == 1
    assert south.data(listed)["approvedEquivalents"]["totalCount"] == 0


def test_a_related_supplier_is_marked_by_the_mso_for_everybody_to_see(market: Any) -> None:
    given = {"supplierId": gid("Supplier", "acme"), "relatedParty": True, "why": "An owner."}
    member = market.app(market.north, write=True)
    assert member.code(RELATED, input=given) == "FORBIDDEN"
    marked = market.office.data(RELATED, input=given)["setRelatedParty"]["supplier"]
    assert marked == {"relatedParty": True}
    read = member.data("{ suppliers(first: 1) { nodes { relatedParty } } }")
    assert read["suppliers"]["nodes"] == [marked]


def test_a_solve_is_stopped_by_the_mso_and_the_round_may_be_run_again(market: Any) -> None:
    office, named = market.office, {"roundId": market.round["id"]}
    ran = office.data(RUN, input=named)["runPurchasingRound"]
    assert ran["round"]["status"] == "solving"
    given = {**named, "why": "Wrong prices."}
    assert market.app(market.north, write=True).code(STOP, input=given) == "FORBIDDEN"
    stopped = office.data(STOP, input=given)["stopPurchasingRun"]
    assert stopped["job"] == {"id": ran["job"]["id"], "state": "CANCELLED"}
    assert stopped["round"]["status"] == "locked"
    steps = stopped["round"]["steps"]["nodes"]
    assert {"step": "ask_to_stop", "takenBy": "mso", "why": "Wrong prices."} in steps
    again = office.data(STOP, input=given)["stopPurchasingRun"]
    assert again["errors"][0]["code"] == "CONFLICT"
    assert office.data(RUN, input=named)["runPurchasingRound"]["job"]["state"] == "READY"
