"""Work that is done later on a client's behalf: its rights count at the moment it is done."""

from __future__ import annotations

from datetime import datetime

from hub.auth.credentials import principal_of
from hub.domain.agreements import scope_for
from hub.errors import Forbidden
from hub.storage.agreements import read_terms
from hub.storage.envelopes import Envelope
from hub.storage.session import ScopedSession
from hub.storage.tables import Client


def require_entitled(
    session: ScopedSession, asked: Envelope, practice_id: str | None, now: datetime
) -> None:
    """Raise Forbidden unless the client that asked is still there, may still do more than read, and
    may still work on the practice (None: of no one practice) for one of its purposes.

    `session` works in the hub's own scope: agreements are read before there is another.
    """
    client = session.get(Client, asked.principal_id)
    if client is None or client.revoked_at is not None:
        raise Forbidden("The credential that asked for this job was revoked.")
    if not (client.write or client.approve or client.export):
        raise Forbidden("The credential that asked for this job only reads by now.")
    if practice_id is None:
        return
    principal, terms = principal_of(client), read_terms(session)
    scopes = (scope_for(principal, terms, purpose, now) for purpose in principal.purposes)
    if not any(practice_id in scope.all_practices() for scope in scopes):
        raise Forbidden("The credential that asked for this job has no right to its practice now.")
