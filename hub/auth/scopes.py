"""A principal and a purpose become a scope, from the agreements as stored at the moment."""

from __future__ import annotations

from datetime import datetime

from hub.domain.agreements import AgreementTerm, Principal, Purpose, Scope, scope_for
from hub.errors import Forbidden
from hub.storage.agreements import read_terms
from hub.storage.session import ScopedSession


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
