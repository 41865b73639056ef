"""API keys of internal apps: made, shown once, verified and revoked.

A key is ``hub_<prefix>_<secret>``: the prefix finds the credential and may be shown, the secret has
256 random bits. Only the SHA-256 digest of the whole key is stored.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from hub.domain.agreements import (
    READABLE_CLASSES,
    DataClass,
    Domain,
    Principal,
    PrincipalKind,
    Purpose,
)
from hub.errors import Conflict, NotFound, Rejected, Unauthenticated
from hub.storage.session import ScopedSession
from hub.storage.tables import Client, Practice

PREFIX_BYTES = 4
SECRET_BYTES = 32
DEFAULT_CLASSES = READABLE_CLASSES - {DataClass.PHI_SENSITIVE}
LONGEST_NAME = 200
_LONGEST_KEY = 200
_REFUSED = "The credential is missing, unknown or revoked."


def create_client(
    session: ScopedSession,
    name: str,
    kind: PrincipalKind,
    practice_id: str | None = None,
    *,
    now: datetime,
    domains: Iterable[Domain] = tuple(Domain),
    purposes: Iterable[Purpose] = (Purpose.OPERATIONS,),
    classes: Iterable[DataClass] = tuple(DEFAULT_CLASSES),
    developer: bool = False,
    export: bool = False,
    write: bool = False,
    approve: bool = False,
    break_glass: bool = False,
    console: bool = False,
) -> tuple[Client, str]:
    """Store a credential and return it with its key, which cannot be read again.

    The first of `purposes` is the one a request has that states none. Raises Rejected for a name
    nobody could tell from another or from nothing, if kind and practice do not fit, a grant is
    empty, or an MSO app or one without CLINICAL is to break the glass, NotFound for an unknown
    practice, Conflict for a name in use.
    """
    if not 1 <= len(name) <= LONGEST_NAME or name != name.strip() or not name.isprintable():
        raise Rejected(
            f"A credential's name has 1 to {LONGEST_NAME} visible characters, no space around them."
        )
    granted_domains, granted_purposes = list(domains), list(purposes)
    if kind is PrincipalKind.SYSTEM:
        raise Rejected("A credential is for an MSO app or for a practice app.")
    if (kind is PrincipalKind.PRACTICE_APP) != (practice_id is not None):
        raise Rejected("A practice app belongs to one practice, an MSO app to none.")
    if break_glass and practice_id is None:
        raise Rejected("Only a practice's own app opens records in an emergency.")
    if break_glass and Domain.CLINICAL not in granted_domains:
        raise Rejected("A credential that opens records in an emergency needs the domain CLINICAL.")
    if not granted_domains or not granted_purposes:
        raise Rejected("A credential needs at least one domain and one purpose.")
    if practice_id is not None and session.get(Practice, practice_id) is None:
        raise NotFound("There is no such practice.")
    if session.scalar(select(Client.id).where(Client.name == name)) is not None:
        raise Conflict("A credential of that name exists.")
    prefix = secrets.token_hex(PREFIX_BYTES)
    key = f"hub_{prefix}_{secrets.token_urlsafe(SECRET_BYTES)}"
    client = Client(
        name=name,
        kind=kind.value,
        practice_id=practice_id,
        key_prefix=prefix,
        key_digest=_digest(key),
        classes=sorted(item.value for item in set(classes) & READABLE_CLASSES),
        domains=[item.value for item in dict.fromkeys(granted_domains)],
        purposes=[item.value for item in dict.fromkeys(granted_purposes)],
        default_purpose=granted_purposes[0].value,
        developer=developer,
        export=export,
        write=write,
        approve=approve,
        break_glass=break_glass,
        console=console,
        created_at=now,
        revoked_at=None,
    )
    session.add(client)
    session.flush()
    return client, key


def revoke_client(session: ScopedSession, name: str, *, now: datetime) -> Client:
    """The key stops working with the next request. Raises NotFound for an unknown name."""
    client = session.scalar(select(Client).where(Client.name == name))
    if client is None:
        raise NotFound("There is no credential of that name.")
    client.revoked_at = client.revoked_at or now
    return client


def list_clients(session: ScopedSession) -> list[Client]:
    """Every credential by name, revoked ones too; keys are not stored and cannot be listed."""
    return list(session.scalars(select(Client).order_by(Client.name)))


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A credential whose key was shown when a session of the console began. Only the hub makes
    one; nothing that is sent to it becomes one."""

    client_id: str


Asker = str | SignedIn | None
"""Who asks: an ``Authorization`` header, or a session of the console."""


def authenticate(session: ScopedSession, asker: Asker) -> Principal:
    """The principal of an ``Authorization: Bearer hub_…`` header, or of a session.

    The tenant comes from here and from nowhere else. Raises Unauthenticated, with one text for
    every reason.
    """
    if isinstance(asker, SignedIn):
        client = session.get(Client, asker.client_id)
        if client is None or client.revoked_at is not None:
            raise Unauthenticated(_REFUSED)
        return principal_of(client)
    return _by_key(session, asker)


def digest_of(header: str) -> str | None:
    """The digest by which the key in a header is stored; None if it has not the form of one."""
    found = _key_in(header)
    return None if found is None else found[1]


def digests_in_use(session: ScopedSession) -> frozenset[str]:
    """Those of every key that holds."""
    return frozenset(session.scalars(select(Client.key_digest).where(Client.revoked_at.is_(None))))


def _key_in(header: str | None) -> tuple[str, str] | None:
    """The prefix and the digest of the key in a header; None if it has not the form of one."""
    scheme, _, key = (header or "").partition(" ")
    key = key.strip()
    parts = key.split("_", 2)
    if (
        scheme.lower() != "bearer"
        or not (key.isascii() and key.isprintable())
        or len(key) > _LONGEST_KEY
        or len(parts) != 3
        or parts[0] != "hub"
    ):
        return None
    return parts[1], _digest(key)


def _by_key(session: ScopedSession, header: str | None) -> Principal:
    found = _key_in(header)
    if found is None:
        raise Unauthenticated(_REFUSED)
    prefix, digest = found
    for client in session.scalars(select(Client).where(Client.key_prefix == prefix)):
        if hmac.compare_digest(client.key_digest, digest) and client.revoked_at is None:
            return principal_of(client)
    raise Unauthenticated(_REFUSED)


def principal_of(client: Client) -> Principal:
    """A stored credential as the access model sees it. Without CLINICAL it opens no records in an
    emergency, whatever it was allowed: it could see none."""
    domains = frozenset(Domain(item) for item in client.domains)
    return Principal(
        id=client.id,
        name=client.name,
        kind=PrincipalKind(client.kind),
        practice_id=client.practice_id,
        classes=frozenset(DataClass(item) for item in client.classes),
        domains=domains,
        purposes=frozenset(Purpose(item) for item in client.purposes),
        default_purpose=Purpose(client.default_purpose),
        developer=client.developer,
        export=client.export,
        write=client.write,
        approve=client.approve,
        break_glass=client.break_glass and Domain.CLINICAL in domains,
        console=client.console,
    )


def shown_part(key: str) -> str:
    """What of a key may be shown: with which credential somebody says they are."""
    return key[: len("hub_") + 2 * PREFIX_BYTES]


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
