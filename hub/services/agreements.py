"""Service agreements between practices and the MSO: adding terms, ending them, when they are over.

Terms that held are never deleted. A change counts at the next request, job and event, because
triggers count the policy's version with it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select

from hub.domain import agreement_terms
from hub.domain.agreement_terms import Span
from hub.domain.agreements import Domain, Granularity, Purpose
from hub.errors import NotFound, Rejected
from hub.services import practices
from hub.services.operators import Operator, record_change, stated_reason
from hub.storage.session import ScopedSession
from hub.storage.tables import Practice, ServiceAgreement


@dataclass(frozen=True, slots=True)
class Grant:
    """What a practice lets the MSO see and do in some domains, and from when until when.

    `retention_days_after_end` is how long the hub keeps what it holds once all terms are over.
    """

    domains: Sequence[Domain]
    granularity: Granularity
    purposes: Sequence[Purpose]
    starts_on: date
    ends_on: date | None = None
    data_aggregation: bool = False
    delegates_purchase_approval: bool = False
    sensitive_records: bool = False
    retention_days_after_end: int | None = None


def add(
    session: ScopedSession,
    practice: str,
    grant: Grant,
    *,
    operator: Operator,
    reason: str,
    now: datetime,
) -> list[ServiceAgreement]:
    """Add a term for each domain of a practice (name or id); the one in force on its first day ends
    there. Audited. Raises NotFound, Rejected, or Conflict where terms would overlap."""
    found, stated = practices.locked(session, practice), stated_reason(reason)
    _require_meaning(grant)
    today, spans = _today(found, now), _spans(session, found)
    added = []
    for domain in dict.fromkeys(grant.domains):
        placed = agreement_terms.place(spans[domain], grant.starts_on, grant.ends_on, today)
        if placed.replaces is not None:
            session.get_one(ServiceAgreement, placed.replaces).ends_on = grant.starts_on
        if placed.instead_of is not None:
            session.delete(session.get_one(ServiceAgreement, placed.instead_of))
        added.append(_row(found, domain, grant, placed.ends_on))
    session.flush()
    session.add_all(added)
    session.flush()
    record_change(
        session, operator, "agreement add", "ServiceAgreement", found.id, count=len(added),
        reason=stated, now=now,
    )  # fmt: skip
    return added


def _require_meaning(grant: Grant) -> None:
    if not grant.domains:
        raise Rejected("Name at least one domain.", path="domain")
    if grant.granularity is not Granularity.NONE and not grant.purposes:
        raise Rejected("Name at least one purpose.", path="purpose")
    if grant.delegates_purchase_approval and Domain.SUPPLY not in grant.domains:
        raise Rejected("Approval of purchases is delegated in the domain SUPPLY.", path="domain")
    days = grant.retention_days_after_end
    if days is not None and not 0 <= days <= 36_500:
        raise Rejected("Retention is 0 to 36,500 days.", path="retention_days_after_end")


def _row(
    practice: Practice, domain: Domain, grant: Grant, ends_on: date | None
) -> ServiceAgreement:
    return ServiceAgreement(
        practice_id=practice.id,
        domain=domain.value,
        granularity=grant.granularity.value,
        purposes=[purpose.value for purpose in dict.fromkeys(grant.purposes)],
        starts_on=grant.starts_on,
        ends_on=ends_on,
        data_aggregation=grant.data_aggregation,
        delegates_purchase_approval=grant.delegates_purchase_approval and domain is Domain.SUPPLY,
        sensitive_records=grant.sensitive_records,
        retention_days_after_end=grant.retention_days_after_end,
    )


def end(
    session: ScopedSession,
    practice: str,
    domains: Sequence[Domain],
    on: date | None,
    *,
    operator: Operator,
    reason: str,
    now: datetime,
) -> int:
    """End the terms of these domains, or of all where none is named, on a day of the practice
    (today where none is given); those to begin later never do. How many. Audited."""
    found, stated = practices.locked(session, practice), stated_reason(reason)
    today, spans = _today(found, now), _spans(session, found)
    ends: dict[str, date] = {}
    for domain in domains or Domain:
        ends |= agreement_terms.ended(spans[domain], on or today, today)
    if not ends:
        raise NotFound("No term of this practice is in force then or begins later.")
    for term_id, ends_on in ends.items():
        session.get_one(ServiceAgreement, term_id).ends_on = ends_on
    session.flush()
    record_change(
        session, operator, "agreement end", "ServiceAgreement", found.id, count=len(ends),
        reason=stated, now=now,
    )  # fmt: skip
    return len(ends)


def listed(session: ScopedSession, practice: str | None) -> list[tuple[ServiceAgreement, str]]:
    """Every term and the name of its practice, by practice, domain and first day."""
    query = select(ServiceAgreement, Practice.name).join(
        Practice, Practice.id == ServiceAgreement.practice_id
    )
    if practice is not None:
        query = query.where(Practice.id == practices.named(session, practice).id)
    order = (Practice.name, Practice.id, ServiceAgreement.domain, ServiceAgreement.starts_on)
    return [(term, name) for term, name in session.execute(query.order_by(*order))]


@dataclass(frozen=True, slots=True)
class Standing:
    """The domains with a term in force. `ended_on`: where all terms are over, the first day without
    one. `kept_until`: then the first day on which nothing of the practice has to be kept any more,
    if all its terms say how long."""

    domains: Sequence[str]
    ended_on: date | None
    kept_until: date | None


def standings(
    session: ScopedSession, of: Sequence[Practice], *, now: datetime
) -> list[tuple[Practice, Standing]]:
    """Each practice, and how its agreements stand today in its time zone."""
    held = defaultdict(list)
    for term in session.scalars(select(ServiceAgreement)):
        if term.starts_on != term.ends_on:
            held[term.practice_id].append(term)
    return [(each, _standing(held[each.id], _today(each, now))) for each in of]


def _standing(held: Sequence[ServiceAgreement], today: date) -> Standing:
    in_force = {
        term.domain for term in held if Span(term.id, term.starts_on, term.ends_on).covers(today)
    }
    ends = [term.ends_on for term in held if term.ends_on is not None]
    if not held or len(ends) < len(held) or max(ends) > today:
        return Standing(sorted(in_force), None, None)
    kept = [
        term.ends_on + timedelta(days=term.retention_days_after_end)
        for term in held
        if term.ends_on is not None and term.retention_days_after_end is not None
    ]
    return Standing((), max(ends), max(kept) if len(kept) == len(held) else None)


def _spans(session: ScopedSession, practice: Practice) -> dict[Domain, list[Span]]:
    found: dict[Domain, list[Span]] = defaultdict(list)
    own = select(ServiceAgreement).where(ServiceAgreement.practice_id == practice.id)
    for term in session.scalars(own):
        found[Domain(term.domain)].append(Span(term.id, term.starts_on, term.ends_on))
    return found


def _today(practice: Practice, now: datetime) -> date:
    return now.astimezone(ZoneInfo(practice.zone)).date()
