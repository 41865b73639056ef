"""Queries on scenarios of a round and on checkpoints of solves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import delete, select

from hub.storage.session import ScopedSession
from hub.storage.tables import PurchasingScenario, ScenarioShare, SolveCheckpoint

Choices = dict[tuple[str, str], tuple[str, str]]
"""(practice, item) → (vendor, item offered)."""


def by_name(session: ScopedSession, round_id: str, name: str) -> PurchasingScenario | None:
    return session.scalar(
        select(PurchasingScenario).where(
            PurchasingScenario.round_id == round_id, PurchasingScenario.name == name
        )
    )


def of_round(session: ScopedSession, round_id: str) -> Sequence[PurchasingScenario]:
    return session.scalars(
        select(PurchasingScenario)
        .where(PurchasingScenario.round_id == round_id)
        .order_by(PurchasingScenario.name)
    ).all()


def drop_shares(session: ScopedSession, row: PurchasingScenario) -> None:
    """Forget the shares of a scenario that was solved again, but not whose figures it showed:
    those it shows next may tell of a practice beside them."""
    mine = ScenarioShare.scenario_id == row.id
    shares = session.execute(
        select(ScenarioShare.practice_id, ScenarioShare.standalone_cost).where(mine)
    )
    group = {practice: str(cost or 0) for practice, cost in shares}
    if group and not row.isolating and group not in row.shown_before:
        row.shown_before = [*row.shown_before, group]
    session.execute(delete(ScenarioShare).where(mine))


def save_checkpoint(
    session: ScopedSession,
    subject: str,
    digest: str,
    choices: Mapping[tuple[str, str], tuple[str, str]],
    now: datetime,
) -> None:
    """Keep the best choices of a solve in place of those kept before."""
    row = session.get(SolveCheckpoint, subject)
    if row is None:
        row = SolveCheckpoint(subject=subject)
        session.add(row)
    row.demand_digest, row.saved_at = digest, now
    row.choices = {"lines": [[*line, *source] for line, source in sorted(choices.items())]}
    session.flush()


def checkpoint(session: ScopedSession, subject: str, digest: str | None = None) -> Choices | None:
    """The choices kept for `subject`; with `digest` only those of the same problem."""
    row = session.get(SolveCheckpoint, subject)
    if row is None or digest not in {None, row.demand_digest}:
        return None
    return {
        (practice, item): (vendor, offered)
        for practice, item, vendor, offered in row.choices["lines"]
    }
