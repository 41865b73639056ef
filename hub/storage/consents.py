"""Which rows with a sensitivity label their patient's consent shows to a scope.

A consent itself is shown while it is in force, since what is disclosed with it must be accompanied
by it (42 CFR 2.32).
"""

from __future__ import annotations

from typing import Any, cast

from sqlalchemy import ColumnElement, Table, and_, or_, select

from hub.domain.agreements import Scope
from hub.storage.tables import Consent, Labelled

CONSENTS = cast(Table, Consent.__table__)


def consented(table: type[Labelled], columns: Any, scope: Scope) -> ColumnElement[bool] | None:
    """True of the rows of `table`, whose `columns` are given, that a consent shows; None if the
    scope asks for none. The row is known to be of a practice in scope."""
    if scope.consents_at is None:
        return None
    if issubclass(table, Consent):
        return _in_force(columns, scope)
    return _is_given(columns, getattr(columns, table.of_patient), scope)


def _is_given(columns: Any, patient: Any, scope: Scope) -> ColumnElement[bool]:
    given = CONSENTS.alias("consent_given")  # so that no query of consents takes it for its own
    found = select(given.c.id).where(
        given.c.practice_id == columns.practice_id,
        given.c.patient_id == patient,
        given.c.sensitivity == columns.sensitivity,
        _in_force(given.c, scope),
    )
    # With an offset PostgreSQL asks the index for each row; it would read the whole register.
    return found.limit(1).offset(0).exists()


def _in_force(consent: Any, scope: Scope) -> ColumnElement[bool]:
    now = scope.consents_at
    return and_(
        consent.revoked_at.is_(None),
        consent.starts_at <= now,
        or_(consent.ends_at.is_(None), consent.ends_at > now),
        or_(consent.purpose.is_(None), consent.purpose == scope.purpose.value),
    )
