"""Mutations: typed errors, idempotency keys, rights, and the audit event beside the effect."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import func, select

from hub.domain.agreements import DataClass, Domain, unrestricted_scope
from hub.storage import tables
from hub.storage.reads.write import global_id

OPEN = """mutation($input: OpenPurchasingRoundInput!) { openPurchasingRound(input: $input) {
  __typename ... on OpenPurchasingRoundPayload { round { id name status } }
  ... on UserErrors { errors { code field message } } } }"""
SUBMIT = """mutation($input: SubmitRequisitionInput!) { submitRequisition(input: $input) {
  __typename ... on SubmitRequisitionPayload {
    requisition { practice { name } lines { nodes { units item { name } } } } }
  ... on UserErrors { errors { code field } } } }"""
APPROVE = """mutation($input: ApprovePurchasingRoundInput!) {
  approvePurchasingRound(input: $input) { ... on ApprovePurchasingRoundPayload { approvedCount }
    ... on UserErrors { errors { code } } } }"""
RUN = """mutation($input: RunPurchasingRoundInput!) { runPurchasingRound(input: $input) {
  ... on RunPurchasingRoundPayload { round { status } job { kind state } } } }"""
REPLAY = """mutation($input: ReplayMessagesInput!) { replayMessages(input: $input) {
  ... on ReplayMessagesPayload { replayedCount } ... on UserErrors { errors { code field } } } }"""


NOWHERE = global_id("PurchasingRound", "x")


def count(world: Any, table: Any) -> int:
    return int(world.read(lambda s: s.scalar(select(func.count()).select_from(table))))


def item(world: Any, name: str) -> str:
    row = tables.Item(id=tables.new_id(), gtin=tables.new_id()[:14], name=name)
    world.add(row)
    return global_id("Item", row.id)


def test_the_payload_is_read_by_plan_and_the_effect_is_audited(world):
    data = world.mso().data(OPEN, input={"name": "March"})["openPurchasingRound"]
    assert data["__typename"] == "OpenPurchasingRoundPayload"
    assert (data["round"]["name"], data["round"]["status"]) == ("March", "open")
    [row_id] = world.read(lambda s: s.scalars(select(tables.PurchasingRound.id)).all())
    step, event = world.read(lambda s: s.scalars(select(tables.AuditEvent)).all())
    assert step.operation == f"purchasing round {row_id}: open"
    assert (event.action, event.outcome, event.reason) == (
        "write",
        "success",
        "openPurchasingRound",
    )


def test_an_expected_failure_is_a_typed_error_and_changes_nothing(world):
    data = world.mso().data(OPEN, input={"name": " "})["openPurchasingRound"]
    assert data["__typename"] == "UserErrors"
    assert (data["errors"][0]["code"], data["errors"][0]["field"]) == ("BAD_INPUT", "name")
    assert count(world, tables.PurchasingRound) == count(world, tables.AuditEvent) == 0


@pytest.mark.parametrize(
    ("document", "given"),
    [
        (OPEN, {"name": "March"}),
        (RUN, {"roundId": global_id("PurchasingRound", "x")}),
        (REPLAY, {"messageIds": [global_id("InboundMessage", "x")], "reason": "r"}),
    ],
)
def test_what_is_the_msos_is_refused_to_a_practice_and_the_refusal_audited(world, document, given):
    app = world.app(world.practice("North"))
    assert app.code(document, input=given) == "FORBIDDEN"
    assert count(world, tables.PurchasingRound) == 0
    [event] = world.read(lambda s: s.scalars(select(tables.AuditEvent)).all())
    assert event.outcome == "denied"


@pytest.mark.parametrize(
    ("rights", "document", "given", "done"),
    [
        ({"approve": True}, OPEN, {"name": "March"}, False),
        ({"export": True}, OPEN, {"name": "March"}, False),
        ({"write": True}, OPEN, {"name": "March"}, True),
        ({"write": True}, APPROVE, {"roundId": NOWHERE, "planVersion": 1}, False),
        ({"approve": True}, APPROVE, {"roundId": NOWHERE, "planVersion": 1}, True),
        ({}, OPEN, {"name": "March", "validateOnly": True}, False),
    ],
)
def test_a_credential_changes_only_what_it_was_given_the_right_to(
    world, rights, document, given, done
):
    app = world.mso(**{"write": False, "approve": False, **rights})
    if done:
        app.data(document, input=given)
        return
    assert app.code(document, input=given) == "FORBIDDEN"
    assert count(world, tables.PurchasingRound) == 0
    [event] = world.read(lambda s: s.scalars(select(tables.AuditEvent)).all())
    assert (event.outcome, "--allow" in event.reason) == ("denied", True)


def test_a_right_that_is_gone_does_not_tell_a_kept_outcome_again(world):
    mso, given = world.mso(), {"name": "March", "idempotencyKey": "k1"}
    mso.data(OPEN, input=given)

    def take_away(session: Any) -> None:
        session.scalars(select(tables.Client)).one().write = False

    world.database.transaction(unrestricted_scope("test"), take_away)
    assert mso.code(OPEN, input=given) == "FORBIDDEN"


def test_one_key_used_sixteen_times_at_once_has_one_effect(world):
    mso = world.mso()
    given = {"name": "March", "idempotencyKey": "k1"}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: mso.post(OPEN, input=given), range(16)))
    assert {str(answer) for answer in answers} == {str(answers[0])}
    assert answers[0]["data"]["openPurchasingRound"]["round"]["name"] == "March"
    assert count(world, tables.PurchasingRound) == count(world, tables.MutationOutcome) == 1


def test_a_key_used_for_another_request_is_a_conflict(world):
    mso = world.mso()
    mso.data(OPEN, input={"name": "March", "idempotencyKey": "k1"})
    again = mso.data(OPEN, input={"name": "April", "idempotencyKey": "k1"})["openPurchasingRound"]
    assert again["errors"][0]["code"] == "CONFLICT"
    other = world.mso("other").data(OPEN, input={"name": "April", "idempotencyKey": "k1"})
    assert other["openPurchasingRound"]["__typename"] == "OpenPurchasingRoundPayload"


def test_a_practice_states_its_own_demand_and_cannot_name_another(world):
    mine, other = world.practice("Mine"), world.practice("Other")
    app = world.app(mine)
    opened = world.mso().data(OPEN, input={"name": "March"})["openPurchasingRound"]["round"]["id"]
    given = {"roundId": opened, "lines": [{"itemId": item(world, "Gloves"), "units": 40}]}
    data = app.data(SUBMIT, input=given)["submitRequisition"]
    assert data["requisition"] == {
        "practice": {"name": "Mine"},
        "lines": {"nodes": [{"units": 40, "item": {"name": "Gloves"}}]},
    }
    for named in (global_id("Practice", other), global_id("Practice", "none"), "nonsense"):
        refused = app.data(SUBMIT, input={**given, "practiceId": named})["submitRequisition"]
        assert refused == {
            "__typename": "UserErrors",
            "errors": [{"code": "NOT_FOUND", "field": "practiceId"}],
        }


def test_running_a_round_adds_its_job(world):
    mso = world.mso()
    opened = mso.data(OPEN, input={"name": "March"})["openPurchasingRound"]["round"]["id"]
    data = mso.data(RUN, input={"roundId": opened})["runPurchasingRound"]
    assert data["round"]["status"] == "solving"
    assert data["job"] == {"kind": "purchasing.solve_round", "state": "READY"}


def test_approval_is_the_practices_own_unless_it_delegated_it(world):
    mine, delegating = world.practice("Mine"), world.practice("Delegating")
    solved = global_id("PurchasingRound", world.round("March", {mine: "1.00", delegating: "2.00"}))
    world.agreement(mine, Domain.SUPPLY)
    world.agreement(delegating, Domain.SUPPLY, delegates_purchase_approval=True)
    approved = world.mso().data(APPROVE, input={"roundId": solved, "planVersion": 1})[
        "approvePurchasingRound"
    ]
    assert approved == {"approvedCount": 1}
    shares = "{ purchasingRounds { nodes { shares { nodes { approvedBy practice { name } } } } } }"
    [round_] = world.mso("reader").data(shares)["purchasingRounds"]["nodes"]
    by = {n["practice"]["name"]: n["approvedBy"] for n in round_["shares"]["nodes"]}
    assert by == {"Mine": "", "Delegating": "mso"}
    own = world.app(mine).data(APPROVE, input={"roundId": solved, "planVersion": 1})[
        "approvePurchasingRound"
    ]
    assert own == {"approvedCount": 1}


def test_an_approval_names_the_plan_that_was_seen(world):
    mine = world.practice("Mine")
    solved = global_id("PurchasingRound", world.round("March", {mine: "1.00"}))
    app = world.app(mine)
    seen = "{ purchasingRounds { nodes { planVersion } } }"
    assert app.data(seen)["purchasingRounds"]["nodes"] == [{"planVersion": 1}]
    for stale in (0, 2):
        given = {"roundId": solved, "planVersion": stale}
        refused = app.data(APPROVE, input=given)["approvePurchasingRound"]
        assert refused == {"errors": [{"code": "CONFLICT"}]}
    shares = "{ purchasingRounds { nodes { shares { nodes { approvedAt } } } } }"
    [round_] = app.data(shares)["purchasingRounds"]["nodes"]
    assert round_["shares"]["nodes"] == [{"approvedAt": None}]


def test_a_payload_field_that_may_not_be_read_refuses_the_whole_mutation(world):
    mso = world.mso(classes=[DataClass.OPERATIONAL])
    document = OPEN.replace("status }", "status pooledCost }")
    assert mso.code(document, input={"name": "March"}) == "BAD_INPUT"
    assert count(world, tables.PurchasingRound) == 0


def test_a_foreign_appointment_and_a_missing_one_are_the_same_not_found(world):
    mine, other = world.practice("Mine"), world.practice("Other")
    world.visits(other, world.patients(other, 1), each=1)
    [foreign] = world.read(lambda s: s.scalars(select(tables.Appointment.id)).all())
    document = """mutation($input: CheckEligibilityInput!) { checkEligibility(input: $input) {
      ... on UserErrors { errors { code field message } } } }"""
    app = world.app(mine)
    answers = [
        app.data(document, input={"appointmentId": global_id(kind, one)})
        for kind, one in (("Appointment", foreign), ("Appointment", "none"), ("Patient", foreign))
    ]
    assert answers[0] == answers[1] == answers[2]
    assert answers[0]["checkEligibility"]["errors"][0]["code"] == "NOT_FOUND"


@pytest.mark.parametrize("total", ["1E-400", "1E+9999999", "99999999999999999999"])
def test_a_number_that_cannot_be_kept_is_bad_input(world, total):
    document = """mutation($input: SetMatchToleranceInput!) { setMatchTolerance(input: $input) {
        ... on UserErrors { errors { code } } } }"""
    given = {"supplierId": global_id("Supplier", "x"), "pricePercent": "1", "total": total}
    assert world.mso().code(document, input=given) == "BAD_INPUT"
