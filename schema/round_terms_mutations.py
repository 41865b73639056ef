"""Mutations on what a round buys by, and on what a practice takes in place of an item."""

from __future__ import annotations

from decimal import Decimal

from hub.domain.purchasing.fields import RATE_UNIT
from hub.domain.purchasing.round_rules import Committed, RoundRules
from hub.errors import Rejected
from hub.services import equivalents, round_rules, supply
from schema.calls import at_most, caller, practice_of, round_of
from schema.mapping.mutate import Call, Mutation, Payload, row_id


def _set_rules(call: Call) -> Payload:
    given, round_id = call.input, round_of(call)
    limits = at_most(given.get("maxSuppliersPerCategory") or (), "maxSuppliersPerCategory")
    without = at_most(given.get("withoutSuppliers") or (), "withoutSuppliers")
    rules = RoundRules(
        max_suppliers=given.get("maxSuppliers"),
        max_suppliers_per_practice=given.get("maxSuppliersPerPractice"),
        max_suppliers_per_category=tuple((each["category"], each["suppliers"]) for each in limits),
        commitments=tuple(
            Committed(
                row_id(each["supplierId"], "Supplier"),
                each["category"],
                _whole(each["share"], RATE_UNIT, "commitments"),
            )
            for each in at_most(given.get("commitments") or (), "commitments")
        ),
        without_suppliers=tuple(row_id(each, "Supplier") for each in without),
        switching_cost=_whole(given.get("switchingCost") or Decimal(0), 100, "switchingCost"),
        split_lines=bool(given.get("splitLines")),
    )
    round_rules.set_rules(
        call.session,
        round_id=round_id,
        rules=rules,
        allocation_rule=given.get("allocationRule"),
        by=caller(call),
        why=given["why"],
        now=call.now,
    )
    return {"round": round_id}


def _whole(amount: Decimal, unit: int, path: str) -> int:
    """An amount in whole parts of one, such as cents."""
    found = amount * unit
    if not 0 <= found <= 10**12 or found != found.to_integral_value():
        raise Rejected(f"A number of at most {len(str(unit)) - 1} decimals is needed.", path=path)
    return int(found)


def _approve(call: Call) -> Payload:
    row = equivalents.approve_equivalent(
        call.session,
        practice_id=practice_of(call),
        item_id=row_id(call.input["itemId"], "Item"),
        equivalent_id=row_id(call.input["equivalentId"], "Item"),
        why=call.input.get("why") or "",
        by=caller(call),
        now=call.now,
    )
    return {"approval": row}


def _withdraw(call: Call) -> Payload:
    approval_id = row_id(call.input["approvalId"], "ApprovedEquivalent")
    equivalents.withdraw_equivalent(
        call.session,
        practice_id=practice_of(call),
        approval_id=approval_id,
        by=caller(call),
        now=call.now,
    )
    return {"approval": approval_id}


def _related(call: Call) -> Payload:
    supplier_id = row_id(call.input["supplierId"], "Supplier")
    supply.set_related_party(
        call.session,
        supplier_id=supplier_id,
        related_party=call.input["relatedParty"],
        now=call.now,
    )
    return {"supplier": supplier_id}


INPUTS = {
    "CategoryLimitInput": {"category": "str", "suppliers": "int"},
    "CommitmentInput": {"supplierId": "ID", "category": "str", "share": "Decimal"},
}

MUTATIONS: tuple[Mutation, ...] = (
    Mutation(
        "setRoundRules",
        {
            "roundId": "ID",
            "why": "str",
            "allocationRule": "str | None",
            "maxSuppliers": "int | None",
            "maxSuppliersPerPractice": "int | None",
            "maxSuppliersPerCategory": "list[CategoryLimitInput] | None",
            "commitments": "list[CommitmentInput] | None",
            "withoutSuppliers": "list[ID] | None",
            "switchingCost": "Decimal | None",
            "splitLines": "bool | None",
        },
        {"round": "PurchasingRound"},
        _set_rules,
        mso_only=True,
        help="Replace the rules a round buys by; what is not named is no rule any more. Before a "
        "plan is approved; a plan that waits for approval is withdrawn. How savings are shared is "
        "fixed before bids open. `share` is 0 to 1; `switchingCost` counts on each line that "
        "leaves the supplier the practice bought the item from last.",
    ),
    Mutation(
        "approveEquivalent",
        {"practiceId": "ID | None", "itemId": "ID", "equivalentId": "ID", "why": "str | None"},
        {"approval": "ApprovedEquivalent"},
        _approve,
        help="A practice takes an item in place of another, unit for unit, in rounds locked from "
        "now on.",
    ),
    Mutation(
        "withdrawEquivalent",
        {"practiceId": "ID | None", "approvalId": "ID"},
        {"approval": "ApprovedEquivalent"},
        _withdraw,
        help="A practice no longer takes an item in place of another in rounds locked from now on.",
    ),
    Mutation(
        "setRelatedParty",
        {"supplierId": "ID", "relatedParty": "bool", "why": "str"},
        {"supplier": "Supplier"},
        _related,
        mso_only=True,
        reason="why",
        help="Say whether the MSO or an owner has an interest in a supplier; every member reads "
        "it. The reason is audited.",
    ),
)
