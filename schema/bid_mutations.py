"""Mutations on bids: inviting suppliers, and a bid that came by letter or mail."""

from __future__ import annotations

from hub.domain.supply import PriceTier
from hub.domain.supply_bids import Bid, BidLine
from hub.services import bids
from schema.calls import at_most, caller, round_of
from schema.mapping.mutate import Call, Mutation, Payload, row_id


def _invite(call: Call) -> Payload:
    round_id = round_of(call)
    suppliers = at_most(call.input["supplierIds"], "supplierIds")
    found = bids.invite(
        call.session,
        round_id=round_id,
        supplier_ids=[row_id(supplier, "Supplier") for supplier in suppliers],
        deadline=call.input["deadline"],
        by=caller(call),
        now=call.now,
    )
    return {"round": round_id, "invitedCount": len(found)}


def _submit(call: Call) -> Payload:
    invitation_id = row_id(call.input["invitationId"], "BidInvitation")
    bids.require_bidding(call.session, invitation_id)
    lines = tuple(
        BidLine(
            gtin=line["gtin"],
            vendor_part=line["vendorPart"],
            pack_units=line["packUnits"],
            unit=line["unit"],
            tiers=tuple(PriceTier(t["fromPacks"], t["price"]) for t in line["tiers"]),
            max_packs=line.get("maxPacks"),
            multiple=1 if line.get("multiple") is None else line["multiple"],
            contract=line.get("contract") or "",
        )
        for line in at_most(call.input["lines"], "lines")
    )
    outcome = bids.receive(
        call.session,
        call.context.crypto,
        Bid(invitation_id, call.input["document"], lines),
        channel="api",
        by=caller(call),
        now=call.now,
    )
    return {"invitation": invitation_id, "changed": outcome.value != "unchanged"}


INPUTS = {
    "BidTierInput": {"fromPacks": "int", "price": "Decimal"},
    "BidLineInput": {
        "gtin": "str",
        "vendorPart": "str",
        "packUnits": "int",
        "unit": "str",
        "tiers": "list[BidTierInput]",
        "maxPacks": "int | None",
        "multiple": "int | None",
        "contract": "str | None",
    },
}

MUTATIONS: tuple[Mutation, ...] = (
    Mutation(
        "inviteBids",
        {"roundId": "ID", "supplierIds": "list[ID]", "deadline": "DateTime"},
        {"round": "PurchasingRound", "invitedCount": "int"},
        _invite,
        mso_only=True,
        help="Ask suppliers for bids on a locked round; at the deadline all bids are opened at "
        "once. Each call is another round of bids.",
    ),
    Mutation(
        "submitBid",
        {"invitationId": "ID", "document": "str", "lines": "list[BidLineInput]"},
        {"invitation": "BidInvitation", "changed": "bool"},
        _submit,
        mso_only=True,
        help="Keep a bid that came by letter or mail, sealed like every other; another one before "
        "the deadline replaces it.",
    ),
)
