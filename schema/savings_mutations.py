"""Mutations on fees and rebates of suppliers, and on the yearly statements."""

from __future__ import annotations

from hub.domain.purchasing.fees import FeeTerms
from hub.services import fees
from schema.calls import caller
from schema.mapping.mutate import Call, Mutation, Payload, row_id


def _agreement(call: Call) -> Payload:
    given = call.input
    terms = FeeTerms(
        written_on=given["writtenOn"],
        starts_on=given["startsOn"],
        ends_on=given.get("endsOn"),
        maximum_rate=given.get("maximumRate"),
        maximum_amount=given.get("maximumAmount"),
    )
    agreement_id = fees.add_agreement(
        call.session,
        supplier_id=row_id(given["supplierId"], "Supplier"),
        terms=terms,
        by=caller(call),
        now=call.now,
    )
    return {"agreement": agreement_id}


def _payment(call: Call) -> Payload:
    given = call.input
    payment_id = fees.record_payment(
        call.session,
        supplier_id=row_id(given["supplierId"], "Supplier"),
        kind=given["kind"],
        reference=given["reference"],
        received_on=given["receivedOn"],
        amount=given["amount"],
        by=caller(call),
        now=call.now,
    )
    return {"payment": payment_id}


def _statements(call: Call) -> Payload:
    job_id = fees.request_statements(call.session, year=call.input["year"], now=call.now)
    return {"job": str(job_id)}


MUTATIONS: tuple[Mutation, ...] = (
    Mutation(
        "addFeeAgreement",
        {
            "supplierId": "ID",
            "writtenOn": "Date",
            "startsOn": "Date",
            "endsOn": "Date | None",
            "maximumRate": "Decimal | None",
            "maximumAmount": "Decimal | None",
        },
        {"agreement": "FeeAgreement"},
        _agreement,
        mso_only=True,
        help="Keep what members were told about a supplier's administrative fee. Without a maximum "
        "it is 3 percent or less.",
    ),
    Mutation(
        "recordSupplierPayment",
        {
            "supplierId": "ID",
            "kind": "SupplierPaymentKind",
            "reference": "str",
            "receivedOn": "Date",
            "amount": "Decimal",
        },
        {"payment": "SupplierPayment"},
        _payment,
        mso_only=True,
        help="Keep a fee or rebate a supplier paid; a fee needs an agreement in force that day.",
    ),
    Mutation(
        "issueMemberStatements",
        {"year": "int"},
        {"job": "Job"},
        _statements,
        mso_only=True,
        help="Write every member's statements of a year that is over.",
    ),
)
