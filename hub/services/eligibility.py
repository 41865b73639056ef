"""Eligibility: what is due, one open question per fingerprint and date, and the answer's record."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import delete, select

from hub.domain.eligibility import Benefit, EligibilityQuery, EligibilityResult, Reject
from hub.domain.eligibility_rules import (
    DUE_UNTIL,
    fingerprint,
    fresh_until,
    month_refresh_due,
)
from hub.domain.jobs import Job
from hub.domain.sensitivity import label_for_all
from hub.errors import Conflict, NotFound
from hub.storage import eligibility, queue
from hub.storage.crypto import Crypto
from hub.storage.eligibility import Visit
from hub.storage.session import ScopedSession
from hub.storage.tables import EligibilityBenefit, EligibilityCheck, Payer, new_id

SERVICE_TYPE = "30"
OPEN = ("queued", "sent", "waiting_payer")
_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Inquiry:
    """A question ready to send, and the connection it goes through."""

    check_id: str
    practice_id: str
    connection_id: str
    query: EligibilityQuery


def plan_checks(session: ScopedSession, crypto: Crypto, *, now: datetime) -> list[str]:
    """Queue a check for every visit from tomorrow (practice-local) to 72 hours ahead that was not
    asked about yet; returns the ids of the checks queued."""
    queued = []
    for visit in eligibility.upcoming_visits(session, after=now, until=now + DUE_UNTIL):
        zone = ZoneInfo(visit.practice.zone)
        tomorrow = now.astimezone(zone).date() + timedelta(days=1)
        if visit.appointment.starts_at >= datetime.combine(tomorrow, time(0), zone):
            check_id, is_new = _queue_check(session, crypto, visit, now, planned=True)
            if is_new:
                queued.append(check_id)
    return queued


def request_check(
    session: ScopedSession, crypto: Crypto, *, appointment_id: str, now: datetime
) -> str:
    """Ask about one appointment now; joins an open question and reuses a fresh answer.

    Raises NotFound for an appointment that is missing or not readable, Conflict if its patient has
    no coverage with a payer of the directory.
    """
    visit = eligibility.visit(session, appointment_id)
    if visit is None:
        raise NotFound(sought=appointment_id)
    if visit.payer.connection_id is None:
        raise Conflict("The payer has no route; enter one in the payer directory.")
    check_id, _ = _queue_check(session, crypto, visit, now)
    return check_id


def _queue_check(
    session: ScopedSession, crypto: Crypto, visit: Visit, now: datetime, *, planned: bool = False
) -> tuple[str, bool]:
    service_date = _local_date(visit)
    key = fingerprint(
        crypto.subkey("eligibility"), visit.practice.id, _query(visit, service_date, "", 0, now, "")
    )
    existing = session.scalar(
        select(EligibilityCheck).where(
            EligibilityCheck.practice_id == visit.practice.id,
            EligibilityCheck.fingerprint == key,
            EligibilityCheck.service_date == service_date,
        )
    )
    if existing is not None and _needs_no_asking(existing, visit, now, planned=planned):
        if existing.status in OPEN:  # its job may have given up while the payer was down
            _add_job(session, existing, now, planned=planned)
        return existing.id, False
    check = existing or EligibilityCheck(
        id=new_id(),
        practice_id=visit.practice.id,
        patient_id=visit.patient.id,
        coverage_id=visit.coverage.id,
        payer_id=visit.payer.id,
        service_date=service_date,
        service_type=SERVICE_TYPE,
        fingerprint=key,
    )
    check.appointment_id = visit.appointment.id
    check.status, check.requested_at = "queued", now
    above = (visit.patient, visit.appointment, visit.coverage)
    check.sensitivity = label_for_all(each.sensitivity for each in above)
    session.add(check)
    session.flush()
    _add_job(session, check, now, planned=planned)
    return check.id, True


def _add_job(
    session: ScopedSession, check: EligibilityCheck, now: datetime, *, planned: bool
) -> None:
    """Have the question asked; joins a job that is on it."""
    queue.add(
        session,
        Job.CHECK_ELIGIBILITY,
        {"practice_id": check.practice_id, "check_id": check.id, "planned": planned},
        now=now,
        practice_id=check.practice_id,
        priority=100 if planned else 10,
        unique_key=f"eligibility:{check.id}",
    )


def _needs_no_asking(
    check: EligibilityCheck, visit: Visit, now: datetime, *, planned: bool
) -> bool:
    """Open questions are joined. At the desk an answer counts while it is fresh; the nightly run
    asks once a visit, and again when a new month has begun."""
    if check.status in OPEN:
        return True
    if check.status == "failed":
        return False
    if check.as_of is None or check.outcome is None:
        return planned
    zone = ZoneInfo(visit.practice.zone)
    if planned:
        return not month_refresh_due(check.as_of, now, zone)
    until = fresh_until(_stored_result(check), check.as_of, zone)
    return until is not None and now < until


def _stored_result(check: EligibilityCheck) -> EligibilityResult:
    rejects: tuple[Reject, ...] = ()
    if check.reject_code:
        rejects = (Reject("", check.reject_code, "", check.reject_class, ""),)
    return EligibilityResult(
        outcome=check.outcome,  # type: ignore[arg-type]
        trace=check.trace,
        trace_company="",
        rejects=rejects,
    )


def route_of(session: ScopedSession, practice_id: str, check_id: str) -> str | None:
    """The connection a check goes through; None if the check is over or has no route."""
    check = eligibility.find_check(session, practice_id, check_id)
    if check is None or check.status not in OPEN:
        return None
    payer = session.get(Payer, check.payer_id)
    return payer.connection_id if payer else None


def begin(
    session: ScopedSession,
    crypto: Crypto,
    *,
    practice_id: str,
    check_id: str,
    trace_company: str,
    sender: str,
    now: datetime,
) -> Inquiry | None:
    """Note that the question is about to be sent, with a new trace and control number; None if the
    check is over already. Committed before the payer is called.

    An appointment that has been given to somebody else since ends the check: the answer would
    stand in the record of the patient it was queued for.
    """
    check = eligibility.find_check(session, practice_id, check_id)
    if check is None or check.status not in OPEN or check.appointment_id is None:
        return None
    visit = eligibility.visit(session, check.appointment_id)
    if visit is None or visit.payer.connection_id is None:
        check.status, check.message = "failed", "The appointment, coverage or payer route is gone."
        return None
    if not _still_about(check, visit, crypto, now):
        check.status, check.message = "failed", "The appointment is another patient's now."
        return None
    number = eligibility.next_control_number(session, sender, visit.payer.route_id)
    check.status, check.attempts = "sent", check.attempts + 1
    check.trace = f"{now:%y%m%d}{secrets.token_hex(10).upper()}"
    query = _query(visit, check.service_date, check.trace, number, now, trace_company)
    return Inquiry(check.id, practice_id, visit.payer.connection_id, query)


def _still_about(check: EligibilityCheck, visit: Visit, crypto: Crypto, now: datetime) -> bool:
    """True if the visit's patient and coverage are the check's, be it in a second record of the
    same person; details that were corrected meanwhile are no reason not to ask."""
    if (visit.patient.id, visit.coverage.id) == (check.patient_id, check.coverage_id):
        return True
    query = _query(visit, check.service_date, "", 0, now, "")
    key = fingerprint(crypto.subkey("eligibility"), check.practice_id, query)
    return key == check.fingerprint


def record(
    session: ScopedSession,
    crypto: Crypto,
    inquiry: Inquiry,
    result: EligibilityResult,
    raw: bytes,
    *,
    asks_again: bool = False,
    now: datetime,
) -> None:
    """Store the payer's answer with its benefits; a later answer replaces an earlier one. With
    `asks_again` the check waits for the next."""
    check = eligibility.find_check(session, inquiry.practice_id, inquiry.check_id)
    if check is None:
        raise NotFound
    blocking = result.rejects[0] if result.rejects else None
    answered = "rejected" if result.outcome == "rejected" else "done"
    check.status = "waiting_payer" if asks_again else answered
    check.outcome = result.outcome
    check.reject_code = blocking.code if blocking else ""
    check.reject_class = blocking.klass if blocking else ""
    check.message = blocking.text if blocking else ""
    check.plan_name, check.insurance_type = result.plan_name, result.insurance_type
    check.coverage_from, check.coverage_to = result.coverage_from, result.coverage_to
    check.as_of = now
    check.raw = crypto.encrypt(raw, f"eligibility_checks.raw:{check.id}", check.practice_id)
    session.execute(
        delete(EligibilityBenefit).where(
            EligibilityBenefit.practice_id == check.practice_id,
            EligibilityBenefit.check_id == check.id,
        )
    )
    session.add_all(_benefit_rows(check, result.benefits))


def note_payer_down(session: ScopedSession, inquiry: Inquiry, text: str) -> None:
    """The payer gave no answer: the check waits for the next attempt."""
    check = eligibility.find_check(session, inquiry.practice_id, inquiry.check_id)
    if check is not None:
        check.status, check.reject_class, check.message = "waiting_payer", "payer_down", text


def note_failure(session: ScopedSession, inquiry: Inquiry, text: str) -> None:
    """No answer will come without a person's help."""
    check = eligibility.find_check(session, inquiry.practice_id, inquiry.check_id)
    if check is not None:
        check.status, check.message = "failed", text


def _benefit_rows(check: EligibilityCheck, benefits: Sequence[Benefit]) -> list[EligibilityBenefit]:
    rows = []
    for position, benefit in enumerate(benefits):
        values: dict[str, Any] = asdict(benefit)
        rows.append(
            EligibilityBenefit(
                practice_id=check.practice_id,
                check_id=check.id,
                position=position,
                kind=benefit.kind,
                level=benefit.level,
                service_types=list(benefit.service_types),
                plan_name=benefit.plan_name,
                period=benefit.period,
                amount=None if benefit.amount is None else benefit.amount.quantize(_CENT),
                percent=values["percent"],
                network=benefit.network,
                message=" ".join(benefit.messages),
            )
        )
    return rows


def _local_date(visit: Visit) -> date:
    return visit.appointment.starts_at.astimezone(ZoneInfo(visit.practice.zone)).date()


def _query(
    visit: Visit, service_date: date, trace: str, number: int, now: datetime, company: str
) -> EligibilityQuery:
    coverage, patient = visit.coverage, visit.patient
    is_self = coverage.relationship == "self"
    return EligibilityQuery(
        payer_id=visit.payer.route_id,
        payer_name=visit.payer.name,
        provider_npi=visit.practice.npi,
        provider_name=visit.practice.name,
        member_id=coverage.member_id,
        subscriber_family=patient.family_name if is_self else coverage.subscriber_family_name,
        subscriber_given=patient.given_name if is_self else coverage.subscriber_given_name,
        subscriber_birth_date=patient.birth_date if is_self else coverage.subscriber_birth_date,
        service_date=service_date,
        trace=trace,
        trace_company=company,
        control_number=number,
        sent_at=now,
        service_types=(SERVICE_TYPE,),
        relationship=coverage.relationship,
        patient_family="" if is_self else patient.family_name,
        patient_given="" if is_self else patient.given_name,
        patient_birth_date=None if is_self else patient.birth_date,
        patient_sex="" if is_self else patient.sex,
    )
