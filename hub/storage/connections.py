"""Connections, their secrets and the names they use for practices."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import delete, select

from hub.storage.crypto import Crypto
from hub.storage.session import ScopedSession
from hub.storage.tables import Connection, ConnectionPractice, ConnectionSecret
from hub.storage.upsert import insert_or_update


def get(session: ScopedSession, connection_id: str) -> Connection | None:
    return session.get(Connection, connection_id)


def get_all(session: ScopedSession, connection_ids: Collection[str]) -> dict[str, Connection]:
    """Connections by id."""
    found = session.scalars(select(Connection).where(Connection.id.in_(connection_ids)))
    return {connection.id: connection for connection in found}


def by_connector(session: ScopedSession, connector_id: str) -> Sequence[Connection]:
    return session.scalars(
        select(Connection).where(Connection.connector_id == connector_id).order_by(Connection.name)
    ).all()


def id_of(session: ScopedSession, name: str) -> str | None:
    """The id of the connection of that name."""
    return session.scalar(select(Connection.id).where(Connection.name == name))


def by_endpoint(session: ScopedSession, connector_id: str, digest: str) -> Connection | None:
    """The connection behind a webhook's endpoint token (given as its keyed digest)."""
    return session.scalar(
        select(Connection).where(
            Connection.connector_id == connector_id, Connection.endpoint_digest == digest
        )
    )


def practices(session: ScopedSession, connection_id: str) -> dict[str, str]:
    """The connection's own names for practices: code -> practice id."""
    rows = session.execute(
        select(ConnectionPractice.code, ConnectionPractice.practice_id).where(
            ConnectionPractice.connection_id == connection_id
        )
    )
    return {code: practice_id for code, practice_id in rows}  # noqa: C416 - rows are no tuples to mypy


def routing(session: ScopedSession) -> Sequence[ConnectionPractice]:
    """Every routing row, of all connections."""
    return session.scalars(select(ConnectionPractice)).all()


def account_of(session: ScopedSession, connection_id: str, practice_id: str) -> str | None:
    """What a connection calls a practice (a vendor's account number), if it knows it."""
    return session.scalar(
        select(ConnectionPractice.code).where(
            ConnectionPractice.connection_id == connection_id,
            ConnectionPractice.practice_id == practice_id,
        )
    )


def set_secret(
    session: ScopedSession, crypto: Crypto, connection_id: str, name: str, value: str, now: datetime
) -> str:
    """Store a secret encrypted and return the reference that stands for it in a configuration."""
    known_by = reference(connection_id, name)
    owner = session.get_one(Connection, connection_id).practice_id
    ciphertext = crypto.encrypt(value.encode(), known_by, owner)
    insert_or_update(
        session,
        ConnectionSecret,
        {
            "connection_id": connection_id,
            "name": name,
            "ciphertext": ciphertext,
            "updated_at": now,
        },
        key=["connection_id", "name"],
        update={"ciphertext": ciphertext, "updated_at": now},
    )
    return known_by


def reference(connection_id: str, name: str) -> str:
    """What stands for a secret in a configuration."""
    return f"secret://conn/{connection_id}/{name}"


def delete_secrets(session: ScopedSession, connection_id: str, *, but: Collection[str]) -> None:
    """Delete the secrets of a connection, except those named."""
    mine = ConnectionSecret.connection_id == connection_id
    session.execute(delete(ConnectionSecret).where(mine, ConnectionSecret.name.not_in(list(but))))


def secret(session: ScopedSession, crypto: Crypto, connection_id: str, name: str) -> str | None:
    """The value of a secret, or None."""
    row = session.get(ConnectionSecret, (connection_id, name))
    if row is None:
        return None
    return crypto.decrypt(row.ciphertext, reference(connection_id, name)).decode()
