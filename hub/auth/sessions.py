"""Sessions of the console: begun with a key, found by the secret in a cookie, ended by time, by
signing out, or with the credential.

The secret has 256 random bits; its SHA-256 digest is stored, so that every process finds it and the
database gives none away. The key is not kept.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete

from hub.auth.credentials import SignedIn, authenticate
from hub.domain.agreements import Principal, Purpose
from hub.errors import Unauthenticated
from hub.storage.session import ScopedSession
from hub.storage.tables import ConsoleSession, Practice

IDLE = timedelta(minutes=15)
LONGEST = timedelta(hours=8)
NOTED = timedelta(minutes=1)
"""That somebody is there is written at most this often."""
SECRET_BYTES = 32
_LONGEST_SECRET = 100
_OVER = "The session is over; sign in again."


@dataclass(frozen=True, slots=True)
class Session:
    """Who is signed in, and for which purpose they work."""

    digest: str
    principal: Principal
    purpose: Purpose
    seen_at: datetime
    practice_name: str = ""

    @property
    def asker(self) -> SignedIn:
        return SignedIn(self.principal.id)


def begin(
    session: ScopedSession, client_id: str, purpose: Purpose, *, now: datetime, before: str = ""
) -> str:
    """Begin a session and return its secret; the one whose secret was there before ends, and
    sessions that are over are deleted by the way."""
    session.execute(
        delete(ConsoleSession).where(
            (ConsoleSession.started_at <= now - LONGEST)
            | (ConsoleSession.seen_at <= now - IDLE)
            | (ConsoleSession.digest == _digest(before))
        )
    )
    secret = secrets.token_urlsafe(SECRET_BYTES)
    row = ConsoleSession(
        digest=_digest(secret),
        client_id=client_id,
        purpose=purpose.value,
        started_at=now,
        seen_at=now,
    )
    session.add(row)
    return secret


def find(session: ScopedSession, secret: str, *, now: datetime) -> Session:
    """The session of a secret. Raises Unauthenticated if there is none, if nobody was there for
    15 minutes, after 8 hours, and once the credential is revoked."""
    row = session.get(ConsoleSession, _digest(secret[:_LONGEST_SECRET]))
    if row is None or now - row.seen_at >= IDLE or now - row.started_at >= LONGEST:
        raise Unauthenticated(_OVER)
    principal = authenticate(session, SignedIn(row.client_id))
    practice = session.get(Practice, principal.practice_id) if principal.practice_id else None
    name = practice.name if practice is not None else ""
    return Session(row.digest, principal, Purpose(row.purpose), row.seen_at, name)


def note_seen(session: ScopedSession, digest: str, *, now: datetime) -> None:
    """Somebody is still there; a session that ended meanwhile stays ended."""
    row = session.get(ConsoleSession, digest)
    if row is not None and row.seen_at < now:
        row.seen_at = now


def end(session: ScopedSession, digest: str) -> None:
    """Nobody is signed in with it from here on."""
    session.execute(delete(ConsoleSession).where(ConsoleSession.digest == digest))


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
