"""Mutations on purchasing rounds: from opening to closing, and each practice's decisions."""

from __future__ import annotations

from hub.domain.purchasing.round_rules import DEFAULT_ALLOCATION
from hub.domain.purchasing.rounds import RoundTerms
from hub.errors import Rejected
from hub.services import approvals, participation, rounds
from schema.calls import NO_JOB, at_most, caller, practice_of, round_of
from schema.mapping.mutate import Call, Mutation, Payload, row_id

LONGEST_NAME = 200
ROUND: dict[str, str] = {"round": "PurchasingRound"}
ROUND_AND_WHY = {"roundId": "ID", "why": "str"}


def _open(call: Call) -> Payload:
    name, categories = call.input["name"].strip(), call.input.get("categories") or []
    if not 1 <= len(name) <= LONGEST_NAME:
        raise Rejected(f"A name has 1 to {LONGEST_NAME} characters.", path="name")
    terms = RoundTerms(
        call.input.get("requisitionsUntil"),
        tuple(at_most(categories, "categories")),
        call.input.get("allocationRule") or DEFAULT_ALLOCATION,
    )
    round_id = rounds.open_round(
        call.session, name=name, terms=terms, by=caller(call), now=call.now
    )
    return {"round": round_id}


def _take_part(call: Call) -> Payload:
    row = participation.set_participation(
        call.session,
        practice_id=practice_of(call),
        round_id=round_of(call),
        takes_part=call.input["takesPart"],
        why=call.input.get("why") or "",
        by=caller(call),
        now=call.now,
    )
    return {"participation": row}


def _exclude(call: Call) -> Payload:
    item, supplier = call.input.get("itemId"), call.input.get("supplierId")
    row = participation.exclude(
        call.session,
        practice_id=practice_of(call),
        round_id=round_of(call),
        item_id=None if item is None else row_id(item, "Item"),
        supplier_id=None if supplier is None else row_id(supplier, "Supplier"),
        why=call.input.get("why") or "",
        by=caller(call),
        now=call.now,
    )
    return {"exclusion": row}


def _include(call: Call) -> Payload:
    round_id = round_of(call)
    participation.include_again(
        call.session,
        practice_id=practice_of(call),
        round_id=round_id,
        exclusion_id=row_id(call.input["exclusionId"], "PurchasingExclusion"),
    )
    return {"round": round_id}


def _lock(call: Call) -> Payload:
    round_id = round_of(call)
    rounds.lock_round(call.session, round_id=round_id, by=caller(call), now=call.now)
    return {"round": round_id}


def _run(call: Call) -> Payload:
    round_id = round_of(call)
    job_id = rounds.run_round(call.session, round_id=round_id, by=caller(call), now=call.now)
    return {"round": round_id, "job": str(job_id)}


def _stop(call: Call) -> Payload:
    round_id, why = round_of(call), call.input["why"]
    job_id = rounds.ask_to_stop(
        call.session, round_id=round_id, by=caller(call), why=why, now=call.now
    )
    return {"round": round_id, "job": str(job_id or NO_JOB)}


def _approve(call: Call) -> Payload:
    round_id = round_of(call)
    approved = approvals.approve_round(
        call.session,
        round_id=round_id,
        plan_version=call.input["planVersion"],
        digest=call.input.get("planDigest"),
        by=caller(call),
        now=call.now,
    )
    return {"round": round_id, "approvedCount": len(approved)}


def _reject(call: Call) -> Payload:
    round_id, why = round_of(call), call.input["why"]
    refused = approvals.reject_round(
        call.session, round_id=round_id, by=caller(call), why=why, now=call.now
    )
    return {"round": round_id, "rejectedCount": len(refused)}


def _plan_without_undecided(call: Call) -> Payload:
    round_id, why = round_of(call), call.input["why"]
    left_out, job_id = approvals.plan_without_undecided(
        call.session, round_id=round_id, by=caller(call), why=why, now=call.now
    )
    return {"round": round_id, "job": str(job_id), "leftOutCount": len(left_out)}


def _reopen(call: Call) -> Payload:
    round_id, why = round_of(call), call.input["why"]
    rounds.reopen_round(call.session, round_id=round_id, by=caller(call), why=why, now=call.now)
    return {"round": round_id}


def _close(call: Call) -> Payload:
    round_id, why = round_of(call), call.input["why"]
    rounds.close_round(call.session, round_id=round_id, by=caller(call), why=why, now=call.now)
    return {"round": round_id}


def _cancel(call: Call) -> Payload:
    round_id, why = round_of(call), call.input["why"]
    rounds.cancel_round(call.session, round_id=round_id, by=caller(call), why=why, now=call.now)
    return {"round": round_id}


MUTATIONS: tuple[Mutation, ...] = (
    Mutation(
        "setRoundParticipation",
        {"roundId": "ID", "practiceId": "ID | None", "takesPart": "bool", "why": "str | None"},
        {"participation": "PurchasingParticipation"},
        _take_part,
        help="Say whether a practice takes part in an open round; what it asked for is kept.",
    ),
    Mutation(
        "excludeFromRound",
        {
            "roundId": "ID",
            "practiceId": "ID | None",
            "itemId": "ID | None",
            "supplierId": "ID | None",
            "why": "str | None",
        },
        {"exclusion": "PurchasingExclusion"},
        _exclude,
        help="Keep one item, everything of one supplier, or (both named) one item from one "
        "supplier out of a practice's part of an open round.",
    ),
    Mutation(
        "includeInRound",
        {"roundId": "ID", "practiceId": "ID | None", "exclusionId": "ID"},
        ROUND,
        _include,
        help="Take an exclusion back.",
    ),
    Mutation(
        "openPurchasingRound",
        {
            "name": "str",
            "requisitionsUntil": "DateTime | None",
            "categories": "list[str] | None",
            "allocationRule": "str | None",
        },
        ROUND,
        _open,
        mso_only=True,
        help="Open a round of group purchasing, for some categories of items or for all. "
        "`allocationRule` says how what pooling brings is shared, see `PurchasingRound`.",
    ),
    Mutation(
        "lockPurchasingRound",
        {"roundId": "ID"},
        ROUND,
        _lock,
        mso_only=True,
        help="Fix the demand of an open round.",
    ),
    Mutation(
        "runPurchasingRound",
        {"roundId": "ID"},
        {"round": "PurchasingRound", "job": "Job"},
        _run,
        mso_only=True,
        help="Lock a round and solve it.",
    ),
    Mutation(
        "stopPurchasingRun",
        ROUND_AND_WHY,
        {"round": "PurchasingRound", "job": "Job"},
        _stop,
        mso_only=True,
        help="Stop the solve of a round within seconds: it is locked again, and the next run "
        "begins from the best plan found so far.",
    ),
    Mutation(
        "approvePurchasingRound",
        {"roundId": "ID", "planVersion": "int", "planDigest": "str | None"},
        {"round": "PurchasingRound", "approvedCount": "int"},
        _approve,
        right="approve",
        help="Approve the lines this credential may decide on, in the plan that was looked at: a "
        "round that has another plan by now is a CONFLICT.",
    ),
    Mutation(
        "rejectPurchasingRound",
        ROUND_AND_WHY,
        {"round": "PurchasingRound", "rejectedCount": "int"},
        _reject,
        right="approve",
        help="Refuse the plan for the lines this credential may decide on: the round goes back to "
        "locked. The reason is read by the practice and the MSO only.",
    ),
    Mutation(
        "planWithoutUndecided",
        ROUND_AND_WHY,
        {"round": "PurchasingRound", "job": "Job", "leftOutCount": "int"},
        _plan_without_undecided,
        mso_only=True,
        help="Solve the round again without the practices that have not approved. Approvals of the "
        "others carry over where they get the same lines for no more money.",
    ),
    Mutation(
        "reopenPurchasingRound",
        ROUND_AND_WHY,
        ROUND,
        _reopen,
        mso_only=True,
        help="Let demand change again before a plan is approved; the history stays readable.",
    ),
    Mutation(
        "closePurchasingRound",
        ROUND_AND_WHY,
        ROUND,
        _close,
        mso_only=True,
        help="End a round whose orders are all received, invoiced, cancelled or refused.",
    ),
    Mutation(
        "cancelPurchasingRound",
        ROUND_AND_WHY,
        ROUND,
        _cancel,
        mso_only=True,
        help="End a round that orders nothing.",
    ),
)
