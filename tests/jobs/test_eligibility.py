"""The night before: who is asked about, what the payers answer, what if one is silent."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from connectors.payer_x12.connector import PayerX12
from connectors.payer_x12.simulator import PAYER_DOWN
from connectors.sdk.base import EligibilityAnswer
from hub.domain.agreements import practice_scope, unrestricted_scope
from hub.domain.eligibility import EligibilityResult
from hub.domain.eligibility_rejects import reject
from hub.domain.jobs import Job
from hub.errors import NotFound, VendorDown
from hub.services import eligibility
from hub.storage import leases
from hub.storage.tables import (
    Appointment,
    Coverage,
    EligibilityBenefit,
    EligibilityCheck,
    JobRow,
    Payer,
)

ALL = unrestricted_scope("test")


@pytest.fixture
def filled(office: Any) -> Any:
    """Patients with coverage and their appointments; nothing else of the day is needed here."""
    for message in office.traffic():
        if message.event in {"A01", "A04", "S12"}:
            office.receive(message)
    office.drain()
    return office


def night(office: Any) -> None:
    office.add(Job.PLAN_ELIGIBILITY)
    office.drain()


def checks_sent(office: Any) -> int:
    return sum(check.attempts for check in office.all(EligibilityCheck))


def test_every_visit_of_the_coming_days_is_asked_about_with_each_kind_of_answer(
    filled: Any,
) -> None:
    night(filled)
    checks = filled.all(EligibilityCheck)
    booked = [row for row in filled.all(Appointment) if row.status == "booked"]
    until = filled.clock() + timedelta(hours=72)
    due = {row.patient_id for row in booked if row.starts_at <= until}
    assert {check.patient_id for check in checks} == due
    outcomes = Counter(check.outcome or check.status for check in checks)
    assert {"active", "inactive", "rejected", "waiting_payer"} <= set(outcomes)
    rejected = next(check for check in checks if check.outcome == "rejected")
    assert rejected.reject_code in {"72", "75"}
    assert rejected.reject_class == "patient_match"
    assert rejected.message
    active = next(check for check in checks if check.outcome == "active")
    assert active.plan_name
    benefits = [row for row in filled.all(EligibilityBenefit) if row.check_id == active.id]
    assert any(row.amount is not None for row in benefits)
    assert active.raw is not None
    assert b"ISA" not in active.raw


def test_the_same_night_twice_asks_nobody_twice(filled: Any) -> None:
    night(filled)
    before = (checks_sent(filled), len(filled.all(EligibilityCheck)))
    night(filled)
    assert (checks_sent(filled), len(filled.all(EligibilityCheck))) == before


def test_a_payer_that_stays_down_is_given_up_with_a_word(filled: Any) -> None:
    night(filled)
    down = {payer.id for payer in filled.all(Payer) if payer.code == PAYER_DOWN}
    for _ in range(20):
        filled.clock.forward(hours=1, minutes=5)
        filled.drain()
    silent = [check for check in filled.all(EligibilityCheck) if check.payer_id in down]
    assert silent
    assert {check.status for check in silent} == {"failed"}
    assert all(check.message.endswith(".") for check in silent)
    jobs = [row for row in filled.all(JobRow) if row.kind == Job.CHECK_ELIGIBILITY]
    assert Counter(row.state for row in jobs)["dead"] == len(silent)


def test_a_worker_that_lost_its_job_does_not_write_over_the_answer_another_got(
    filled: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    inquire = PayerX12.inquire

    def slow(self: Any, ctx: Any, query: Any) -> Any:
        calls.append(query.trace)
        if len(calls) > 1:
            return inquire(self, ctx, query)
        filled.clock.forward(minutes=5)
        filled.hub.database.transaction(ALL, lambda s: leases.rescue(s, now=filled.clock()))
        filled.drain()
        raise VendorDown("The payer does not answer.")

    monkeypatch.setattr(PayerX12, "inquire", slow)
    night(filled)
    checks = filled.all(EligibilityCheck)
    assert len(calls) > len(checks)  # one was asked about by both
    assert "The payer does not answer." not in {check.message for check in checks}


def test_at_the_desk_a_fresh_answer_is_reused_and_an_old_one_asked_again(filled: Any) -> None:
    night(filled)
    check = next(row for row in filled.all(EligibilityCheck) if row.outcome == "active")

    def ask() -> str:
        found: str = filled.hub.database.transaction(
            practice_scope(check.practice_id),
            lambda s: eligibility.request_check(
                s, filled.hub.crypto, appointment_id=check.appointment_id, now=filled.clock()
            ),
        )
        filled.drain()
        return found

    def attempts() -> int:
        return next(row.attempts for row in filled.all(EligibilityCheck) if row.id == check.id)

    assert ask() == check.id
    assert attempts() == 1
    filled.clock.forward(hours=25)
    assert ask() == check.id
    assert attempts() == 2


def test_another_practices_appointment_is_like_a_missing_one(filled: Any) -> None:
    appointment = filled.all(Appointment)[0]
    other = next(p.id for p in filled.world.practices if p.id != appointment.practice_id)
    for appointment_id in (appointment.id, "no-such-appointment"):
        with pytest.raises(NotFound) as caught:
            filled.hub.database.transaction(
                practice_scope(other),
                lambda s, wanted=appointment_id: eligibility.request_check(
                    s, filled.hub.crypto, appointment_id=wanted, now=filled.clock()
                ),
            )
        assert str(caught.value) == str(NotFound())


def test_control_numbers_and_traces_are_never_used_twice(filled: Any) -> None:
    night(filled)
    traces = [check.trace for check in filled.all(EligibilityCheck)]
    assert len(set(traces)) == len(traces)


def test_a_changed_member_id_is_a_new_question(filled: Any) -> None:
    night(filled)
    check = next(row for row in filled.all(EligibilityCheck) if row.outcome == "active")

    def change(session: Any) -> None:
        row = session.scalars(
            select(Coverage).where(
                Coverage.practice_id == check.practice_id, Coverage.id == check.coverage_id
            )
        ).one()
        row.member_id = "INA000999"

    filled.hub.database.transaction(ALL, change)
    before = len(filled.all(EligibilityCheck))
    night(filled)
    new = [row for row in filled.all(EligibilityCheck) if row.coverage_id == check.coverage_id]
    assert len(filled.all(EligibilityCheck)) > before
    assert "inactive" in {row.outcome for row in new}


def asked_of(filled: Any, monkeypatch: pytest.MonkeyPatch, action: str) -> EligibilityCheck:
    """A check after a night whose payer answered AAA 42, and what it says about asking again."""

    def answer(_: Any, ctx: Any, query: Any) -> EligibilityAnswer:
        refused = reject("2100A", "42", action)
        result = EligibilityResult("rejected", query.trace, query.trace_company, rejects=(refused,))
        return EligibilityAnswer(result, b"ISA")

    monkeypatch.setattr(PayerX12, "inquire", answer)
    night(filled)
    return one_of(filled, None)


def one_of(filled: Any, check_id: str | None) -> EligibilityCheck:
    return next(row for row in filled.all(EligibilityCheck) if check_id in (None, row.id))


def test_a_payer_that_will_answer_by_itself_is_not_asked_again(
    filled: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = asked_of(filled, monkeypatch, "Y")
    filled.clock.forward(days=40)
    filled.drain()
    check = one_of(filled, check.id)
    assert (check.status, check.attempts, check.reject_class) == ("rejected", 1, "payer_down")
    assert "Do not ask again" in check.message


def test_a_payer_that_wants_ten_days_is_asked_after_them_and_once(
    filled: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = asked_of(filled, monkeypatch, "X")
    seen = []
    for days in (9, 2, 40):
        filled.clock.forward(days=days)
        filled.drain()
        row = one_of(filled, check.id)
        seen.append((row.status, row.attempts))
    assert seen == [("waiting_payer", 1), ("rejected", 2), ("rejected", 2)]


def test_a_payer_in_trouble_is_asked_for_a_night_and_then_a_person(
    filled: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = asked_of(filled, monkeypatch, "R")
    assert check.status == "waiting_payer"
    for _ in range(24):
        filled.clock.forward(hours=1, minutes=5)
        filled.drain()
    row = one_of(filled, check.id)
    assert (row.status, row.attempts) == ("rejected", 7)
