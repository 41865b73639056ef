"""Connections: adding them, their state, and the values behind their secret references."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from hub import settings
from hub.domain.agreements import operations_scope
from hub.errors import AuthError, ConfigError, Conflict, Held, NotFound, VendorRefused
from hub.services.practices import named as practice_named
from hub.storage import connections, queue
from hub.storage.crypto import Crypto
from hub.storage.reads.write import read_global_id
from hub.storage.session import Database, ScopedSession
from hub.storage.tables import Connection, ConnectionPractice, InboundMessage
from hub.storage.upsert import insert_or_update

_SCOPE = operations_scope("connections")


def add(
    session: ScopedSession,
    crypto: Crypto,
    *,
    name: str,
    connector_id: str,
    config: Mapping[str, Any],
    now: datetime,
    connection_id: str,
    practices: Mapping[str, str | tuple[str, str]] | None = None,
    routing: Mapping[str, Any] | None = None,
    secrets: Mapping[str, str] | None = None,
    endpoint_token: str | None = None,
) -> str:
    """Add a connection, or update it under the same id.

    `practices` maps the connection's names (MSH-4, payroll entity, account) to practice ids, or to
    (practice id, expected MSH-6). `secrets` are stored encrypted; `config` refers to them. The
    webhook's `endpoint_token` is kept as a digest only.
    """
    digest = crypto.digest(f"endpoint:{endpoint_token}") if endpoint_token else None
    row = session.get(Connection, connection_id)
    if row is None:
        row = Connection(id=connection_id, name=name, connector_id=connector_id, created_at=now)
        session.add(row)
    row.name, row.config = name, dict(config)
    row.routing = dict(routing or {})
    row.endpoint_digest = digest
    session.flush()
    for code, target in (practices or {}).items():
        practice_id, facility = (target, "") if isinstance(target, str) else target
        insert_or_update(
            session,
            ConnectionPractice,
            {
                "connection_id": connection_id,
                "code": code,
                "practice_id": practice_id,
                "receiving_facility": facility,
            },
            key=["connection_id", "code"],
            update={"practice_id": practice_id, "receiving_facility": facility},
        )
    for secret_name, value in (secrets or {}).items():
        connections.set_secret(session, crypto, connection_id, secret_name, value, now)
    return connection_id


def create(
    session: ScopedSession,
    crypto: Crypto,
    *,
    name: str,
    connector_id: str,
    config: Mapping[str, Any],
    now: datetime,
    connection_id: str,
    practices: Mapping[str, str],
    routing: Mapping[str, Any],
    secrets: Mapping[str, str],
    endpoint_token: str | None,
) -> str:
    """Add a new connection; `practices` maps its names for practices to their ids or names.

    Raises Conflict for a name in use and NotFound for an unknown practice.
    """
    if session.scalar(select(Connection.id).where(Connection.name == name)) is not None:
        raise Conflict(f'There is a connection "{name}" already; choose another name.')
    facilities = routing.get("receiving_facilities", {})
    return add(
        session,
        crypto,
        name=name,
        connector_id=connector_id,
        config=config,
        now=now,
        connection_id=connection_id,
        practices={
            code: (practice_named(session, practice).id, facilities.get(code, ""))
            for code, practice in practices.items()
        },
        routing={key: item for key, item in routing.items() if key != "receiving_facilities"},
        secrets=secrets,
        endpoint_token=endpoint_token,
    )


def waiting(session: ScopedSession) -> dict[str, tuple[int, datetime]]:
    """Connection id -> how many of its messages are stored and not read yet, and since when."""
    rows = session.execute(
        select(InboundMessage.connection_id, func.count(), func.min(InboundMessage.received_at))
        .where(InboundMessage.state == "received", InboundMessage.connection_id.is_not(None))
        .group_by(InboundMessage.connection_id)
    )
    return {str(connection_id): (count, oldest) for connection_id, count, oldest in rows}


def find(session: ScopedSession) -> Sequence[Connection]:
    """Every connection by name."""
    return session.scalars(select(Connection).order_by(Connection.name)).all()


def named(session: ScopedSession, name: str) -> Connection:
    """The connection of a name or an id, also a global one of GraphQL; NotFound otherwise."""
    row = None
    if "\0" not in name:  # which PostgreSQL refuses to compare with
        kind, row_id = read_global_id(name) or ("", "")
        ids = {name, row_id} if kind == "Connection" else {name}
        row = session.scalar(
            select(Connection).where((Connection.name == name) | Connection.id.in_(ids))
        )
    if row is None:
        text = f'There is no connection "{name}"; `mso-hub connection list` shows the names.'
        raise NotFound(text, sought=name)
    return row


def pause(session: ScopedSession, connection_id: str) -> bool:
    """Hold a connection: what arrives is stored and acknowledged and waits, nothing is fetched or
    sent. False if it was paused already."""
    row = named(session, connection_id)
    changed, row.paused = not row.paused, True
    return changed


def resume(session: ScopedSession, connection_id: str, *, now: datetime) -> bool:
    """Go on: what waited is due at once, in the order it arrived. False if it was not paused.

    Work held for other connections is woken too and holds itself again.
    """
    row = named(session, connection_id)
    changed, row.paused = row.paused, False
    session.flush()
    queue.wake(session, Held.code, now=now)
    return changed


def note_failure(session: ScopedSession, connection_id: str, error: VendorRefused) -> None:
    """Show on the connection that a person must act; syncs of it stop until then."""
    row = session.get(Connection, connection_id)
    if row is None:
        raise NotFound
    if isinstance(error, AuthError):
        row.status = "needs_scope" if error.kind == "scope" else "needs_reauth"
    else:
        row.status = "invalid_config" if isinstance(error, ConfigError) else "error"
    row.status_reason = str(error)


def note_settings(
    session: ScopedSession, connector_id: str, wrong: Mapping[str, ConfigError]
) -> None:
    """Show on the connections of a connector whose stored settings no longer hold: `wrong` says
    what of which. Those that hold again are well."""
    for row in connections.by_connector(session, connector_id):
        if row.id in wrong:
            note_failure(session, row.id, wrong[row.id])
        elif row.status == "invalid_config":
            note_success(session, row.id)


def note_unreachable(
    session: ScopedSession, connection_id: str, reason: str, *, retry_at: datetime
) -> None:
    """Show that nobody takes our connection and when the hub knocks again."""
    row = session.get(Connection, connection_id)
    if row is not None:
        row.status, row.status_reason, row.retry_at = "unreachable", reason, retry_at


def note_success(session: ScopedSession, connection_id: str) -> None:
    row = session.get(Connection, connection_id)
    if row is not None and row.status != "ok":
        row.status, row.status_reason, row.retry_at = "ok", "", None


def outside_secret(reference: str) -> str | None:
    """The value behind ``env:NAME`` or ``file:PATH``; None if there is none."""
    scheme, _, place = reference.partition(":")
    if scheme == "env":
        return settings.environment(place)
    if scheme == "file":
        try:
            return Path(place).read_text(encoding="utf-8").strip()
        except (OSError, ValueError):  # not there, not ours to read, or no text
            return None
    return None


class SecretStore:
    """Values behind ``secret://conn/<connection>/<name>``, ``env:NAME`` and ``file:PATH``.

    A connection reads its own secrets only.
    """

    def __init__(self, database: Database, crypto: Crypto, connection_id: str) -> None:
        self._database = database
        self._crypto = crypto
        self._prefix = f"secret://conn/{connection_id}/"
        self._connection_id = connection_id

    def get(self, reference: str) -> str:
        """Raises ConfigError naming the reference (never the value) if there is nothing behind
        it."""
        value: str | None = None
        if reference.startswith(self._prefix):
            name = reference.removeprefix(self._prefix)
            with self._database.read(_SCOPE) as session:
                value = connections.secret(session, self._crypto, self._connection_id, name)
        else:
            value = outside_secret(reference)
        if value is None:
            raise ConfigError(
                f"There is no secret behind {reference}.",
                field=reference,
                hint="Store it again with the connection's settings.",
            )
        return value
