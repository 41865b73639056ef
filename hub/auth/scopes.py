"""A principal and a purpose become a scope, from the agreements as stored at the moment."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from hub.domain.agreements import (
    AgreementTerm,
    Domain,
    Granularity,
    Principal,
    Purpose,
    Scope,
    scope_for,
)
from hub.errors import Forbidden
from hub.storage.session import ScopedSession
from hub.storage.tables import Practice, ServiceAgreement


def stated_purpose(principal: Principal, stated: object) -> Purpose:
    """The purpose a request states, else the credential's own.

    Raises Forbidden if it is no purpose or not one of the credential's.
    """
    if stated is None:
        return principal.default_purpose
    try:
        purpose = Purpose(stated)  # type: ignore[arg-type]
    except ValueError:
        raise Forbidden("The stated purpose is not granted to this credential.") from None
    if purpose not in principal.purposes:
        raise Forbidden("The stated purpose is not granted to this credential.")
    return purpose


def load_scope(
    session: ScopedSession, principal: Principal, purpose: Purpose, now: datetime
) -> Scope:
    """What `principal` may read for `purpose` at `now` (aware), from the agreements as stored.

    `session` must be unrestricted: agreements are read before there is a scope.
    """
    return scope_for(principal, terms_for(session, principal), purpose, now)


def terms_for(session: ScopedSession, principal: Principal) -> list[AgreementTerm]:
    """The agreement rows that decide the scope of a principal: none for a practice's own app."""
    return [] if principal.practice_id is not None else read_terms(session)


def read_terms(session: ScopedSession) -> list[AgreementTerm]:
    """Every row of every service agreement, with its practice's time zone."""
    rows = session.execute(
        select(ServiceAgreement, Practice.zone).join(
            Practice, Practice.id == ServiceAgreement.practice_id
        )
    )
    return [
        AgreementTerm(
            practice_id=row.practice_id,
            practice_zone=zone,
            domain=Domain(row.domain),
            granularity=Granularity(row.granularity),
            purposes=frozenset(Purpose(item) for item in row.purposes),
            starts_on=row.starts_on,
            ends_on=row.ends_on,
            data_aggregation=row.data_aggregation,
            delegates_purchase_approval=row.delegates_purchase_approval,
        )
        for row, zone in rows
    ]
