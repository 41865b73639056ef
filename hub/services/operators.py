"""What a person at the command line does to the hub's data leaves an audit event beside it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from hub.domain.agreements import Purpose
from hub.errors import Rejected
from hub.storage import audit
from hub.storage.session import ScopedSession

LONGEST_REASON = 200


@dataclass(frozen=True, slots=True)
class Operator:
    """A user of the machine the hub runs on, by the name the operating system knows."""

    name: str


def stated_reason(text: str) -> str:
    """The reason of an audited act; raises Rejected unless it has 1 to 200 characters."""
    reason = text.strip()
    if not 1 <= len(reason) <= LONGEST_REASON:
        raise Rejected(
            f"A reason has 1 to {LONGEST_REASON} characters and names no patient.", path="reason"
        )
    return reason


def record(
    session: ScopedSession,
    operator: Operator,
    *,
    action: Literal["read", "write", "execute"],
    operation: str,
    entity: str,
    count: int,
    practice_ids: Iterable[str | None] = (),
    reason: str = "",
    now: datetime,
) -> None:
    """Append the event in the transaction of the act itself, so that neither is kept alone."""
    audit.append(
        session,
        now=now,
        principal_id=f"os:{operator.name}",
        principal_name=operator.name,
        purpose=Purpose.OPERATIONS.value,
        action=action,
        outcome="success",
        operation=operation,
        entities={entity: count},
        practice_ids={practice for practice in practice_ids if practice is not None},
        reason=reason,
    )


def record_change(
    session: ScopedSession,
    operator: Operator,
    operation: str,
    entity: str,
    practice_id: str | None,
    *,
    count: int = 1,
    reason: str = "",
    now: datetime,
) -> None:
    """`record` what was written, of one practice or of none."""
    record(
        session,
        operator,
        action="write",
        operation=operation,
        entity=entity,
        count=count,
        practice_ids=[practice_id],
        reason=reason,
        now=now,
    )
