"""Mutations on what follows an order: receipts, credit notes, invoices, shortfalls."""

from __future__ import annotations

from hub.domain.supply import OrderCredited
from hub.errors import Rejected
from hub.services import receipts, receiving, replanning
from schema.calls import at_most, caller, practice_of, round_of
from schema.mapping.mutate import Call, Mutation, Payload, row_id


def _receipt(call: Call) -> Payload:
    order_id = row_id(call.input["orderId"], "PurchaseOrder")
    lines = at_most(call.input["lines"], "lines")
    packs = {line["number"]: line["packs"] for line in lines}
    if len(packs) != len(lines):
        raise Rejected("A receipt names each line once.", path="lines")
    receipts.receive_goods(
        call.session,
        practice_id=practice_of(call),
        order_id=order_id,
        document=call.input["document"],
        packs=packs,
        now=call.now,
    )
    return {"order": order_id}


def _credit(call: Call) -> Payload:
    given = call.input
    order_id = row_id(given["orderId"], "PurchaseOrder")
    credit = OrderCredited(
        order_number="",
        document=given["document"],
        invoice=given["invoice"],
        credited_on=given["creditedOn"],
        lines=(),
        total=given["total"],
    )
    receipts.record_credit(
        call.session, practice_id=practice_of(call), order_id=order_id, credit=credit, now=call.now
    )
    return {"order": order_id}


def _decide_match(call: Call) -> Payload:
    match_id = row_id(call.input["matchId"], "InvoiceMatch")
    receiving.decide_match(
        call.session,
        practice_id=practice_of(call),
        match_id=match_id,
        accept=call.input["accept"],
        why=call.input["why"],
        by=caller(call),
        now=call.now,
    )
    return {"match": match_id}


def _replan(call: Call) -> Payload:
    shortfall_id = _shortfall(call)
    replanning.replan(
        call.session,
        practice_id=practice_of(call),
        shortfall_id=shortfall_id,
        by=caller(call),
        now=call.now,
    )
    return {"shortfall": shortfall_id}


def _decide_replan(call: Call) -> Payload:
    shortfall_id = _shortfall(call)
    replanning.decide_replan(
        call.session,
        practice_id=practice_of(call),
        shortfall_id=shortfall_id,
        approve=call.input["approve"],
        why=call.input.get("why") or "",
        by=caller(call),
        now=call.now,
    )
    return {"shortfall": shortfall_id}


def _return(call: Call) -> Payload:
    shortfall_id = _shortfall(call)
    replanning.return_to_round(
        call.session,
        practice_id=practice_of(call),
        shortfall_id=shortfall_id,
        round_id=round_of(call),
        by=caller(call),
        now=call.now,
    )
    return {"shortfall": shortfall_id}


def _accept(call: Call) -> Payload:
    shortfall_id = _shortfall(call)
    replanning.accept(
        call.session,
        practice_id=practice_of(call),
        shortfall_id=shortfall_id,
        why=call.input.get("why") or "",
        by=caller(call),
        now=call.now,
    )
    return {"shortfall": shortfall_id}


def _shortfall(call: Call) -> str:
    return row_id(call.input["shortfallId"], "Shortfall")


def _tolerance(call: Call) -> Payload:
    supplier_id = row_id(call.input["supplierId"], "Supplier")
    receiving.set_tolerance(
        call.session,
        supplier_id=supplier_id,
        price_percent=call.input["pricePercent"],
        total=call.input["total"],
    )
    return {"supplier": supplier_id}


INPUTS = {"ReceiptLineInput": {"number": "int", "packs": "int"}}
_SHORTFALL = {"shortfallId": "ID", "practiceId": "ID | None"}

MUTATIONS: tuple[Mutation, ...] = (
    Mutation(
        "recordReceipt",
        {
            "orderId": "ID",
            "practiceId": "ID | None",
            "document": "str",
            "lines": "list[ReceiptLineInput]",
        },
        {"order": "PurchaseOrder"},
        _receipt,
        help="State what a practice counted when goods came, in packs per line; the same number "
        "again corrects it.",
    ),
    Mutation(
        "recordCreditNote",
        {
            "orderId": "ID",
            "practiceId": "ID | None",
            "document": "str",
            "invoice": "str",
            "creditedOn": "Date",
            "total": "Decimal",
        },
        {"order": "PurchaseOrder"},
        _credit,
        help="Keep a credit note that came on paper, for an invoice of the order.",
    ),
    Mutation(
        "decideInvoiceMatch",
        {"matchId": "ID", "practiceId": "ID | None", "accept": "bool", "why": "str"},
        {"match": "InvoiceMatch"},
        _decide_match,
        right="approve",
        reason="why",
        help="Accept an invoice with its findings, or dispute it. The word falls when the findings "
        "change.",
    ),
    Mutation(
        "replanShortfall",
        _SHORTFALL,
        {"shortfall": "Shortfall"},
        _replan,
        help="Order what is missing from whoever is cheapest now, shipping included. What costs no "
        "more than planned goes out at once, else it waits for the practice.",
    ),
    Mutation(
        "decideReplan",
        {**_SHORTFALL, "approve": "bool", "why": "str | None"},
        {"shortfall": "Shortfall"},
        _decide_replan,
        right="approve",
        reason="why",
        help="The practice's word on an order that costs more than planned.",
    ),
    Mutation(
        "returnShortfall",
        {**_SHORTFALL, "roundId": "ID"},
        {"shortfall": "Shortfall"},
        _return,
        help="Add what is missing to the practice's demand of another, open round.",
    ),
    Mutation(
        "acceptShortfall",
        {**_SHORTFALL, "why": "str | None"},
        {"shortfall": "Shortfall"},
        _accept,
        right="approve",
        reason="why",
        help="Take the substitute, or do without.",
    ),
    Mutation(
        "setMatchTolerance",
        {"supplierId": "ID", "pricePercent": "Decimal", "total": "Decimal"},
        {"supplier": "Supplier"},
        _tolerance,
        mso_only=True,
        help="What the match of a supplier's invoices lets through from now on.",
    ),
)
