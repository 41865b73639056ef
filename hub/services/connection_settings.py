"""The settings of a connection as one text: shown, changed as a whole, kept in versions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select

from hub.errors import NotFound, Rejected
from hub.services.practices import named as practice_named
from hub.storage import connections
from hub.storage.crypto import Crypto
from hub.storage.session import ScopedSession
from hub.storage.tables import Connection, ConnectionPractice, ConnectionVersion, Practice

FACILITIES = "receiving_facilities"
"""The part of the routing that is kept with the practices."""


@dataclass(frozen=True, slots=True)
class Settings:
    """`practices` maps the connection's names for practices to (practice id, expected MSH-6)."""

    config: Mapping[str, Any]
    routing: Mapping[str, Any]
    practices: Mapping[str, tuple[str, str]]


def current(session: ScopedSession, row: Connection) -> Settings:
    """What a connection is set to."""
    routed = session.scalars(
        select(ConnectionPractice)
        .where(ConnectionPractice.connection_id == row.id)
        .order_by(ConnectionPractice.code)
    )
    named = {one.code: (one.practice_id, one.receiving_facility) for one in routed}
    return Settings(dict(row.config), dict(row.routing), named)


def versions(session: ScopedSession, connection_id: str) -> Sequence[ConnectionVersion]:
    """Every version, the newest first; none of a connection that was never changed."""
    return session.scalars(
        select(ConnectionVersion)
        .where(ConnectionVersion.connection_id == connection_id)
        .order_by(ConnectionVersion.version.desc())
    ).all()


def at_version(session: ScopedSession, row: Connection, version: int) -> Settings:
    """What a connection was set to. Raises NotFound for a version it never had."""
    found = session.get(ConnectionVersion, (row.id, version))
    if found is None:
        raise NotFound(f'"{row.name}" has no version {version}.')
    named = {code: (practice, facility) for code, (practice, facility) in found.practices.items()}
    return Settings(found.config, found.routing, named)


def stated_routing(settings: Settings) -> dict[str, Any]:
    """The routing as it is entered, with what is kept with the practices."""
    facilities = {code: facility for code, (_, facility) in settings.practices.items() if facility}
    return {**settings.routing, **({FACILITIES: facilities} if facilities else {})}


def as_values(session: ScopedSession, settings: Settings) -> dict[str, Any]:
    """The settings in the form of the file that a connection is added or changed from. Practices
    have their names where those are unique, else their ids; secrets are references only."""
    ids = {practice for practice, _ in settings.practices.values()}
    unique = select(func.min(Practice.id), Practice.name).group_by(Practice.name)
    names = {
        practice: name
        for practice, name in session.execute(unique.having(func.count() == 1))
        if practice in ids
    }
    routing = stated_routing(settings)
    practices = {code: names.get(found, found) for code, (found, _) in settings.practices.items()}
    return {
        **settings.config,
        **({"routing": routing} if routing else {}),
        **({"practices": practices} if practices else {}),
    }


def change(
    session: ScopedSession,
    crypto: Crypto,
    row: Connection,
    *,
    config: Mapping[str, Any],
    routing: Mapping[str, Any],
    practices: Mapping[str, str] | None,
    secrets: Mapping[str, str],
    moved: bool,
    by: str,
    reason: str,
    now: datetime,
) -> int | None:
    """Give a connection other settings and keep them as its newest version; returns that, or None
    if nothing differs. `practices` maps its names to ids or names of practices and replaces all of
    them; None leaves them. `secrets` are stored encrypted, those not named stay; where an address
    `moved`, those not named are deleted, so that nothing kept is ever sent to another address.

    Raises NotFound for an unknown practice, Rejected for a facility of none of the names, and for
    settings of another address that refer to secrets which are not given again.
    """
    if moved:
        _forget_secrets(session, row, config, secrets)
    before = current(session, row)
    ids = {code: practice for code, (practice, _) in before.practices.items()}
    if practices is not None:
        ids = {code: practice_named(session, called).id for code, called in practices.items()}
    facilities = dict(routing.get(FACILITIES, {}))
    if unknown := sorted(set(facilities) - set(ids)):
        raise Rejected(
            f"{FACILITIES} names {unknown[0]}, which is no practice of this connection.",
            path=f"routing.{FACILITIES}",
        )
    after = Settings(
        dict(config),
        {key: value for key, value in routing.items() if key != FACILITIES},
        {code: (practice, facilities.get(code, "")) for code, practice in ids.items()},
    )
    for name, value in secrets.items():
        connections.set_secret(session, crypto, row.id, name, value, now)
    if after == before:
        return None
    newest = session.scalar(
        select(func.max(ConnectionVersion.version)).where(ConnectionVersion.connection_id == row.id)
    )
    if newest is None:
        newest = 1
        _keep(session, row, before, newest, by="", reason="", at=row.created_at)
    _apply(session, row, after)
    _keep(session, row, after, newest + 1, by=by, reason=reason, at=now)
    return newest + 1


def _forget_secrets(
    session: ScopedSession, row: Connection, config: Mapping[str, Any], given: Mapping[str, str]
) -> None:
    needed = {name for value in config.values() for name in _named_secrets(value, row.id)}
    if missing := sorted(needed - set(given)):
        raise Rejected(
            "The address changes: give the secrets again that would be sent there: "
            f"{', '.join(missing)}.",
            path="secrets",
        )
    connections.delete_secrets(session, row.id, but=given)


def _named_secrets(value: Any, connection_id: str) -> Iterator[str]:
    """The connection's own secrets that a setting refers to."""
    inner = value.values() if isinstance(value, Mapping) else value
    if isinstance(value, str):
        prefix = connections.reference(connection_id, "")
        if value.startswith(prefix):
            yield value.removeprefix(prefix)
    elif isinstance(inner, Iterable):
        for each in inner:
            yield from _named_secrets(each, connection_id)


def _apply(session: ScopedSession, row: Connection, settings: Settings) -> None:
    row.config, row.routing = dict(settings.config), dict(settings.routing)
    session.execute(delete(ConnectionPractice).where(ConnectionPractice.connection_id == row.id))
    session.add_all(
        ConnectionPractice(
            connection_id=row.id, code=code, practice_id=practice, receiving_facility=facility
        )
        for code, (practice, facility) in settings.practices.items()
    )
    session.flush()


def _keep(
    session: ScopedSession,
    row: Connection,
    settings: Settings,
    version: int,
    *,
    by: str,
    reason: str,
    at: datetime,
) -> None:
    session.add(
        ConnectionVersion(
            connection_id=row.id,
            version=version,
            config=dict(settings.config),
            routing=dict(settings.routing),
            practices={code: list(named) for code, named in settings.practices.items()},
            changed_by=by,
            reason=reason,
            recorded_at=at,
        )
    )
    session.flush()
