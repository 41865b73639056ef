"""Documents a credential may run by their digest: added by an operator, fixed in text and purpose.

In production they are all that a credential without developer rights may run.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, select

from hub.domain.agreements import Purpose
from hub.errors import NotFound, Rejected
from hub.storage.session import ScopedSession
from hub.storage.tables import Client, ClientDocument
from hub.storage.upsert import insert_or_update

_UNKNOWN = "This credential has no document of that id."


def client_named(session: ScopedSession, name: str) -> Client:
    """A credential that is not revoked. Raises NotFound."""
    client = session.scalar(select(Client).where(Client.name == name))
    if client is None or client.revoked_at is not None:
        raise NotFound("There is no credential of that name in use.")
    return client


def add_document(
    session: ScopedSession,
    client: Client,
    *,
    digest: str,
    name: str,
    text: str,
    purpose: Purpose,
    cost: int,
    now: datetime,
) -> None:
    """Let a credential run a document that was validated against its grants; the same text again
    replaces name and purpose. Raises Rejected for a purpose that is not the credential's."""
    if purpose.value not in client.purposes:
        raise Rejected("The credential may not use data for that purpose.")
    facts = {"name": name, "purpose": purpose.value, "cost": cost}
    insert_or_update(
        session,
        ClientDocument,
        {"client_id": client.id, "digest": digest, "text": text, "created_at": now, **facts},
        key=["client_id", "digest"],
        update=facts,
    )


def documents_of(session: ScopedSession, client: Client) -> Sequence[ClientDocument]:
    """By name."""
    return session.scalars(
        select(ClientDocument)
        .where(ClientDocument.client_id == client.id)
        .order_by(ClientDocument.name, ClientDocument.digest)
    ).all()


def all_documents(session: ScopedSession) -> Sequence[tuple[ClientDocument, Client]]:
    """Every document with its credential, of those in use."""
    rows = session.execute(
        select(ClientDocument, Client)
        .join(Client, Client.id == ClientDocument.client_id)
        .where(Client.revoked_at.is_(None))
        .order_by(ClientDocument.client_id, ClientDocument.digest)
    )
    return [(document, client) for document, client in rows]


def remove_document(session: ScopedSession, client: Client, digest: str) -> None:
    """Refused from the next request on. Raises NotFound."""
    find_document(session, client.id, digest)
    session.execute(
        delete(ClientDocument).where(
            ClientDocument.client_id == client.id, ClientDocument.digest == digest
        )
    )


def find_document(session: ScopedSession, client_id: str, digest: str) -> ClientDocument:
    """Raises NotFound, in the same words for another credential's document."""
    found = session.get(ClientDocument, (client_id, digest))
    if found is None:
        raise NotFound(_UNKNOWN)
    return found
