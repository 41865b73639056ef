"""Queries on procedures and on who takes part in care."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import delete, select

from hub.storage import known
from hub.storage.session import ScopedSession
from hub.storage.tables import CareRole, Procedure


def roles_of(session: ScopedSession, owner: Mapping[str, str]) -> Sequence[CareRole]:
    """Every role of an owner: ``practice_id`` and the column that points there."""
    return known.owned_by(session, CareRole, owner, CareRole.id)


def procedures_of(session: ScopedSession, owner: Mapping[str, str | None]) -> Sequence[Procedure]:
    """The procedures of an owner in the order stated."""
    mine = select(Procedure).filter_by(**owner)
    return session.scalars(mine.order_by(Procedure.position, Procedure.id)).all()


def drop_roles(session: ScopedSession, owner: Mapping[str, str | None]) -> None:
    """Delete the roles of all procedures of an owner."""
    session.flush()
    mine = select(Procedure.id).filter_by(**owner)
    session.execute(
        delete(CareRole).where(
            CareRole.practice_id == owner["practice_id"], CareRole.procedure_id.in_(mine)
        )
    )
