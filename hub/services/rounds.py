"""Purchasing rounds: opening, locking, solving, reopening and closing them, each step kept.

Whoever takes a step locks the round's row first, so that two steps come one after another. Every
step is a row with who and why, and an event of the audit trail.
"""

from __future__ import annotations

from datetime import datetime

from hub.domain.jobs import Job
from hub.domain.purchasing.round_rules import sharing_of
from hub.domain.purchasing.rounds import RoundStatus, RoundTerms, Step, after
from hub.errors import Conflict, NotFound, Rejected
from hub.services.frozen import freeze, freeze_if_needed
from hub.storage import audit, purchasing, queue
from hub.storage import rounds as store
from hub.storage.round_offers import drop
from hub.storage.session import ScopedSession
from hub.storage.tables import PurchasingRound, PurchasingStep, new_id

LONGEST_WHY = 500
OVER = frozenset({"received", "invoiced", "closed", "rejected", "cancelled"})
"""Statuses of orders that keep no round open."""


def open_round(
    session: ScopedSession,
    *,
    name: str,
    now: datetime,
    by: str = "",
    terms: RoundTerms | None = None,
) -> str:
    """Open a round; Conflict if one of this name exists."""
    terms = terms or RoundTerms()
    if not name.strip():
        raise Rejected("A round needs a name.", reason="required", path="name")
    if terms.requisitions_until is not None and terms.requisitions_until <= now:
        raise Rejected("The time for requisitions must end later.", path="requisitionsUntil")
    sharing_of(terms.allocation_rule)
    row = PurchasingRound(
        id=new_id(),
        name=name.strip(),
        opened_at=now,
        requisitions_until=terms.requisitions_until,
        categories=sorted({category.strip() for category in terms.categories} - {""}),
        allocation_rule=terms.allocation_rule,
    )
    if purchasing.round_by_name(session, row.name) is not None:
        raise Conflict("There is a purchasing round of this name already.")
    session.add(row)
    session.flush()
    keep_step(session, row, Step.OPEN, "", by=by, why="", now=now)
    return row.id


def terms_of(row: PurchasingRound) -> RoundTerms:
    """What the round was opened with."""
    return RoundTerms(row.requisitions_until, tuple(row.categories), row.allocation_rule)


def locked_round(session: ScopedSession, round_id: str) -> PurchasingRound:
    """The round, its row locked until the transaction ends; NotFound if there is none."""
    row = purchasing.get_round(session, round_id, locked=True)
    if row is None:
        raise NotFound(sought=round_id)
    return row


def take(
    session: ScopedSession,
    row: PurchasingRound,
    step: Step,
    *,
    by: str = "",
    why: str = "",
    now: datetime,
) -> None:
    """Move a locked round by `step`; Conflict if it is in no state for it."""
    before, row.status = row.status, after(row.status, step).value
    session.flush()
    keep_step(session, row, step, before, by=by, why=why, now=now)


def keep_step(
    session: ScopedSession,
    row: PurchasingRound,
    step: Step,
    before: str,
    *,
    by: str,
    why: str,
    now: datetime,
) -> None:
    """Write a step that was taken to the round's history and to the audit trail.

    The history is read by every practice, so that it does not say which of them took a step.
    """
    scope = session.scope
    stated = why.strip()
    session.add(
        PurchasingStep(
            round_id=row.id,
            number=store.steps_taken(session, row.id) + 1,
            step=step.value,
            from_status=before,
            to_status=row.status,
            plan_version=row.plan_version,
            taken_by="a practice" if scope.own_practice_id else by or scope.principal_name,
            why=stated,
            taken_at=now,
        )
    )
    audit.append(
        session,
        now=now,
        principal_id=scope.principal_id,
        principal_name=by or scope.principal_name,
        purpose=scope.purpose.value,
        action="write",
        outcome="success",
        operation=f"purchasing round {row.id}: {step.value}",
        entities={"PurchasingRound": 1},
        reason=stated,
    )


def stated(why: str) -> str:
    """The reason of a step; Rejected unless it has 1 to 500 characters."""
    reason = why.strip()
    if not 1 <= len(reason) <= LONGEST_WHY:
        raise Rejected(f"A reason has 1 to {LONGEST_WHY} characters.", reason="reason", path="why")
    return reason


def lock_round(session: ScopedSession, *, round_id: str, by: str = "", now: datetime) -> None:
    """Fix the demand and the offers: requisitions and exclusions can no longer change, and what
    suppliers change in their catalogues no longer counts."""
    _lock(session, locked_round(session, round_id), by, now)


def _lock(session: ScopedSession, row: PurchasingRound, by: str, now: datetime) -> None:
    foreign = freeze(session, row, now)
    why = f"Offers in another currency than {row.currency} left out: {foreign}." if foreign else ""
    take(session, row, Step.LOCK, by=by, why=why, now=now)
    row.locked_at = now


def run_round(session: ScopedSession, *, round_id: str, by: str = "", now: datetime) -> int:
    """Add the job that solves the round, locking it first if it is open; Conflict while bids are
    out and once the plan is approved."""
    row = locked_round(session, round_id)
    if row.status == RoundStatus.OPEN:
        _lock(session, row, by, now)
    freeze_if_needed(session, row, now)
    if row.status != RoundStatus.SOLVING:
        take(session, row, Step.SOLVE, by=by, now=now)
    return queue.add(
        session,
        Job.SOLVE_ROUND,
        {"round_id": round_id},
        now=now,
        unique_key=solve_key(round_id),
        max_attempts=3,
    )


def solve_key(round_id: str) -> str:
    """The unique key of the job that solves a round."""
    return f"solve:{round_id}"


def stop_solving(
    session: ScopedSession, *, round_id: str, why: str, by: str = "", now: datetime
) -> None:
    """The solve was cancelled or failed for good: back to locked; nothing if it is over anyway.

    The best plan it found stays, and the next solve of the same demand begins from it.
    """
    row = purchasing.get_round(session, round_id, locked=True)
    if row is not None and row.status == RoundStatus.SOLVING:
        take(session, row, Step.STOP_SOLVING, by=by, why=why[:LONGEST_WHY], now=now)


def solve_again(session: ScopedSession, *, round_id: str, by: str, now: datetime) -> None:
    """A dead solve is tried again: the round is being solved. Conflict if it moved on."""
    row = locked_round(session, round_id)
    if row.status != RoundStatus.SOLVING:
        take(session, row, Step.SOLVE, by=by, now=now)


def ask_to_stop(
    session: ScopedSession, *, round_id: str, by: str, why: str, now: datetime
) -> int | None:
    """Stop the solve of a round; its best plan so far is kept to begin from.

    A solve that runs stops at its next check, within seconds, and the round is locked again then;
    one that has not begun is withdrawn at once. Returns the job, None if there is none. Conflict
    unless the round is being solved.
    """
    row = locked_round(session, round_id)
    take(session, row, Step.ASK_TO_STOP, by=by, why=stated(why), now=now)
    job_id, runs = queue.ask_to_stop(session, solve_key(round_id), now=now)
    if not runs:
        take(
            session, row, Step.STOP_SOLVING, by=by, why="Nothing was solving it any more.", now=now
        )
    return job_id


def reopen_round(
    session: ScopedSession, *, round_id: str, by: str = "", why: str, now: datetime
) -> None:
    """Let demand change again. Plans and decisions so far stay readable and bind nobody.

    The window of the round is lifted where it is over. Conflict once a plan is approved.
    """
    row = locked_round(session, round_id)
    take(session, row, Step.REOPEN, by=by, why=stated(why), now=now)
    row.locked_at = None
    drop(session, round_id)
    if not terms_of(row).in_window(now):
        row.requisitions_until = None
    store.drop_proposal(session, round_id)


def cancel_round(
    session: ScopedSession, *, round_id: str, by: str = "", why: str, now: datetime
) -> None:
    """End a round that orders nothing; Conflict once its plan is approved."""
    row = locked_round(session, round_id)
    take(session, row, Step.CANCEL, by=by, why=stated(why), now=now)
    store.drop_proposal(session, round_id)


def close_round(
    session: ScopedSession, *, round_id: str, by: str = "", why: str, now: datetime
) -> None:
    """End a round whose orders are all received, invoiced, cancelled or refused.

    Conflict names how many are not, as far as the caller may see them.
    """
    row = locked_round(session, round_id)
    waiting = [o for o in purchasing.orders(session, round_id) if o.status not in OVER]
    if waiting:
        raise Conflict(f"{len(waiting)} of the round's orders are still on their way.")
    take(session, row, Step.CLOSE, by=by, why=stated(why), now=now)
