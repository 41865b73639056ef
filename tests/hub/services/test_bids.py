"""Bids are sealed until their deadline, opened at once, and become offers of their round only."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from hub.domain.agreements import unrestricted_scope
from hub.domain.records import Record
from hub.domain.supply import PriceTier
from hub.domain.supply_bids import Bid, BidLine
from hub.errors import Conflict, NotFound, Rejected
from hub.services import bids, rounds
from hub.services.apply import ApplyContext, Outcome, apply
from hub.storage.crypto import Crypto
from hub.storage.tables import Bid as BidRow
from hub.storage.tables import BidInvitation, JobRow, Offer, PlanAward, PurchasingStep

GLOVES = "00012345678905"


def bid(invitation: str, price: str, document: str = "B-1", gtin: str = GLOVES) -> Bid:
    tiers = (PriceTier(0, Decimal(price)),)
    return Bid(invitation, document, (BidLine(gtin, "G-1", 10, "box", tiers, contract="C-7"),))


@pytest.fixture
def bidding(pool: Any, crypto: Crypto) -> Any:
    """A locked round with demand for gloves, and means to invite, bid and open."""
    pool.round_id = pool.open()
    for practice in pool.practices:
        pool.want(pool.round_id, practice, gloves=50)
    pool.work(lambda s: rounds.lock_round(s, round_id=pool.round_id, now=pool.now))
    pool.deadline = pool.now + timedelta(days=3)

    def invite(*suppliers: str) -> list[str]:
        found: list[str] = pool.work(
            lambda s: bids.invite(
                s,
                round_id=pool.round_id,
                supplier_ids=suppliers,
                deadline=pool.deadline,
                by="mso",
                now=pool.now,
            )
        )
        return found

    def receive(bid: Bid) -> Outcome:
        outcome: Outcome = pool.work(
            lambda s: bids.receive(s, crypto, bid, channel="api", by="mso", now=pool.now)
        )
        return outcome

    def open_() -> int:
        count: int = pool.work(
            lambda s: bids.open_bids(s, crypto, round_id=pool.round_id, now=pool.now)
        )
        return count

    pool.invite, pool.receive, pool.open_bids = invite, receive, open_
    return pool


def test_a_bid_is_unreadable_until_the_deadline_and_an_offer_after_it(bidding: Any) -> None:
    [invitation] = bidding.invite("acme")
    assert bidding.receive(bid(invitation, "7.77")) is Outcome.CREATED
    row = bidding.desk.one(BidRow)
    assert b"7.77" not in row.sealed
    assert (row.state, len(row.digest)) == ("sealed", 64)
    assert bidding.open_bids() == 0
    assert len(bidding.desk.rows(Offer)) == 3
    [job] = [job for job in bidding.desk.rows(JobRow) if job.kind == "bids.open_bids"]
    assert job.run_at == bidding.deadline
    bidding.now = bidding.deadline
    assert bidding.open_bids() == 1
    offer = next(o for o in bidding.desk.rows(Offer) if o.round_id is not None)
    assert (offer.contract, offer.pack_unit_code) == ("C-7", "BX")
    assert bidding.open_bids() == 0
    row = bidding.plan(bidding.round_id)
    assert row.status == "solved"
    assert {award.offer_id for award in bidding.desk.rows(PlanAward)} == {offer.id}
    steps = sorted(bidding.desk.rows(PurchasingStep), key=lambda s: s.number)
    assert [s.step for s in steps][1:4] == ["lock", "invite_bids", "close_bidding"]
    assert steps[3].why == "1 of 1 supplier bid."


def test_the_last_bid_before_the_deadline_counts_and_a_repetition_changes_nothing(
    bidding: Any,
) -> None:
    [acme, best] = bidding.invite("acme", "best")
    assert bidding.receive(bid(acme, "7.00")) is Outcome.CREATED
    assert bidding.receive(bid(acme, "7.00")) is Outcome.UNCHANGED
    assert bidding.receive(bid(acme, "6.50", "B-2")) is Outcome.CHANGED
    bidding.now = bidding.deadline
    with pytest.raises(Rejected, match="after its deadline"):
        bidding.receive(bid(best, "1.00"))
    bidding.open_bids()
    states = {row.id: row.state for row in bidding.desk.rows(BidInvitation)}
    assert states == {acme: "opened", best: "no_bid"}
    assert sorted(row.state for row in bidding.desk.rows(BidRow)) == ["opened", "replaced"]


def test_a_later_round_of_bids_replaces_the_earlier_one_and_bids_stay_in_their_round(
    bidding: Any,
) -> None:
    for price in ("7.00", "6.00"):
        [invitation] = bidding.invite("acme")
        bidding.receive(bid(invitation, price))
        bidding.now = bidding.deadline
        bidding.open_bids()
        bidding.deadline += timedelta(days=3)
    bidding.plan(bidding.round_id)
    assert {award.price for award in bidding.desk.rows(PlanAward)} == {Decimal("6.00")}
    other = bidding.open("April")
    bidding.want(other, "p1", gloves=50)
    bidding.plan(other)
    prices = {a.price for a in bidding.desk.rows(PlanAward)}
    assert prices == {Decimal("6.00"), Decimal("9.00")}


def test_a_bid_that_cannot_count_says_why(bidding: Any) -> None:
    [invitation] = bidding.invite("acme")
    for faulty, sentence in (
        (bid("nobody", "7.00"), "no such invitation"),
        (bid(invitation, "7.00", gtin="4006381333931"), "no item that the round buys"),
        (bid(invitation, "7.001"), "two decimals"),
    ):
        with pytest.raises(Rejected, match=sentence):
            bidding.receive(faulty)
    with pytest.raises(Conflict, match="bidding"):
        bidding.invite("best")
    with pytest.raises(Conflict, match="bidding"):
        bidding.plan(bidding.round_id)
    assert bidding.desk.rows(BidRow) == []


def test_invitations_need_suppliers_and_time(bidding: Any) -> None:
    with pytest.raises(NotFound):
        bidding.invite("nobody")
    with pytest.raises(Rejected, match="each once"):
        bidding.invite("acme", "acme")
    bidding.deadline = bidding.now
    with pytest.raises(Rejected, match="later than now"):
        bidding.invite("acme")


def test_a_connection_bids_for_its_own_supplier_only(bidding: Any, crypto: Crypto) -> None:
    [invitation] = bidding.invite("acme")

    def deliver(connection: str) -> tuple[Outcome, list[str]]:
        context = ApplyContext(None, connection, None, None, bidding.now, UTC, crypto=crypto)
        record = Record("e/1", bid(invitation, "7.00"), datetime(2026, 3, 2, tzinfo=UTC))
        outcome = bidding.desk.database.transaction(
            unrestricted_scope("test"), lambda s: apply(s, context, record)
        )
        return outcome, [issue.code for issue in context.issues]

    assert deliver("rival") == (Outcome.REJECTED, ["unknown_invitation"])
    assert deliver("vendor") == (Outcome.CREATED, [])
    assert bidding.desk.one(BidRow).channel == "connector"
