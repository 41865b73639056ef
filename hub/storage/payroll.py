"""Queries on pay statements."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import delete

from hub.storage.session import ScopedSession
from hub.storage.tables import PayStatementLine


def replace_lines(
    session: ScopedSession, practice_id: str, statement_id: str, lines: Iterable[PayStatementLine]
) -> None:
    """Replace every line of a statement."""
    session.execute(
        delete(PayStatementLine).where(
            PayStatementLine.practice_id == practice_id,
            PayStatementLine.pay_statement_id == statement_id,
        )
    )
    session.add_all(lines)
