"""Decisions on a plan: each practice on its own lines, by the version and digest it read.

The MSO proposes; it decides only for practices whose service agreement delegates that. Nothing
leaves the hub before every practice with lines has approved, because the tiers of one depend on
the volume of all. Decisions are added and never changed.
"""

from __future__ import annotations

from datetime import datetime

from hub.domain.jobs import Job
from hub.domain.purchasing.rounds import AwardedLine, RoundStatus, Step, still_holds
from hub.errors import Conflict, Forbidden
from hub.services.rounds import locked_round, run_round, stated, take
from hub.storage import purchasing, queue
from hub.storage import rounds as store
from hub.storage.session import ScopedSession
from hub.storage.tables import (
    PurchasingDecision,
    PurchasingParticipation,
    PurchasingPlan,
    PurchasingRound,
    PurchasingShare,
    new_id,
)

DECIDED = frozenset(
    {RoundStatus.SOLVED, RoundStatus.APPROVED, RoundStatus.ORDERED, RoundStatus.RECEIVING}
)
"""States in which an approval, or the repetition of one, makes sense."""


def approve_round(
    session: ScopedSession,
    *,
    round_id: str,
    plan_version: int,
    digest: str | None = None,
    by: str,
    now: datetime,
) -> list[str]:
    """Approve the lines this principal may decide on; returns the practices approved now.

    `plan_version` and `digest` name the plan that was seen: Conflict if the round has another one
    by now, or none to approve. Forbidden if there is nothing this principal may decide on.
    """
    row = locked_round(session, round_id)
    if row.status not in DECIDED:
        raise Conflict("The round has no plan to approve; run it first.")
    if row.plan_version != plan_version or digest not in {None, row.plan_digest}:
        raise Conflict("The round has another plan by now; look at it before you approve.")
    approved = [share for share in _mine(session, round_id) if share.approved_at is None]
    for share in approved:
        _decide(session, row, share, "approved", by=by, why="", now=now)
    queue.add(session, Job.RELEASE_ORDERS, {"round_id": round_id}, now=now)
    return sorted(share.practice_id for share in approved)


def reject_round(
    session: ScopedSession, *, round_id: str, by: str, why: str, now: datetime
) -> list[str]:
    """Refuse the plan for the lines this principal may decide on: the round goes back to locked.

    The reason stays with the practice and the MSO. Returns the practices that refused; Forbidden if
    there are none this principal may decide for, Conflict if no plan waits for approval.
    """
    row = locked_round(session, round_id)
    mine, reason = _mine(session, round_id), stated(why)
    take(session, row, Step.SEND_BACK, why="A practice refused the plan.", now=now)
    for share in mine:
        _decide(session, row, share, "rejected", by=by, why=reason, now=now)
    return sorted(share.practice_id for share in mine)


def plan_without_undecided(
    session: ScopedSession, *, round_id: str, by: str, why: str, now: datetime
) -> tuple[list[str], int]:
    """Go on without the practices that have not approved: they no longer take part and the round is
    solved again; returns them and the job.

    Approvals of the others carry over only where the new plan gives them the same lines and they
    pay no more; otherwise they decide anew. Conflict if everyone or no one has approved.
    """
    row = locked_round(session, round_id)
    shares = purchasing.shares(session, round_id)
    missing = [share.practice_id for share in shares if share.approved_at is None]
    if row.status != RoundStatus.SOLVED or not missing or len(missing) == len(shares):
        raise Conflict("A round goes on without some only while some have approved, others not.")
    reason = stated(why)
    take(session, row, Step.LEAVE_OUT, by=by, why=reason, now=now)
    for practice_id in missing:
        part = store.participation(session, practice_id, round_id)
        if part is None:
            part = PurchasingParticipation(id=new_id(), practice_id=practice_id, round_id=round_id)
            session.add(part)
        part.takes_part, part.why = False, f"It did not approve in time: {reason}"
        part.decided_by, part.decided_at = by, now
    session.flush()
    return missing, run_round(session, round_id=round_id, by=by, now=now)


def carry_over(
    session: ScopedSession,
    row: PurchasingRound,
    before: PurchasingPlan,
    version: PurchasingPlan,
    *,
    now: datetime,
) -> None:
    """Keep approvals of the version before where the practice's deal is the same or better."""
    decisions = store.last_decisions(session, row.id)
    old, new = _lines(session, before), _lines(session, version)
    for share in purchasing.shares(session, row.id):
        decision = decisions.get(share.practice_id)
        paid = store.plan_share(session, share.practice_id, before.id)
        if decision is None or decision.decision == "rejected" or paid is None:
            continue
        if decision.plan_digest != before.digest:
            continue
        own = share.practice_id
        if still_holds(old.get(own, {}), paid.pays, new.get(own, {}), share.pays):
            why = f"The same lines as in version {before.version}, and it pays no more."
            _decide(session, row, share, "carried_over", by=decision.decided_by, why=why, now=now)
    queue.add(session, Job.RELEASE_ORDERS, {"round_id": row.id}, now=now)


def _lines(
    session: ScopedSession, plan: PurchasingPlan
) -> dict[str, dict[tuple[str, str], AwardedLine]]:
    found: dict[str, dict[tuple[str, str], AwardedLine]] = {}
    for award in store.plan_awards(session, plan.id):
        line = AwardedLine(award.packs, award.price)
        found.setdefault(award.practice_id, {})[award.item_id, award.offer_id] = line
    return found


def _mine(session: ScopedSession, round_id: str) -> list[PurchasingShare]:
    scope = session.scope
    allowed = {scope.own_practice_id} if scope.own_practice_id else set(scope.delegated_approval)
    mine = [s for s in purchasing.shares(session, round_id) if s.practice_id in allowed]
    if not mine:
        raise Forbidden("You may not decide on lines of this round; each practice does on its own.")
    return mine


def _decide(
    session: ScopedSession,
    row: PurchasingRound,
    share: PurchasingShare,
    decision: str,
    *,
    by: str,
    why: str,
    now: datetime,
) -> None:
    if decision != "rejected":
        share.approved_at, share.approved_by = now, by
    session.add(
        PurchasingDecision(
            practice_id=share.practice_id,
            round_id=row.id,
            plan_version=row.plan_version,
            plan_digest=row.plan_digest,
            decision=decision,
            why=why,
            decided_by=by,
            decided_at=now,
        )
    )
    session.flush()
