"""Roles of PostgreSQL: one owns the tables and migrates them, another one the hub runs as."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import text

from hub.storage.session import ScopedSession
from hub.storage.tables import row_security

_FACTS = text(
    "SELECT r.rolname AS name, r.rolsuper AS superuser, r.rolbypassrls AS bypasses, "
    "EXISTS (SELECT FROM pg_class c WHERE c.relname = ANY(:tables) "
    "AND c.relnamespace = current_schema()::regnamespace "
    "AND pg_has_role(r.oid, c.relowner, 'MEMBER')) AS owner, "
    "ARRAY(SELECT t FROM unnest(CAST(:tables AS text[])) t LEFT JOIN pg_class c ON c.relname = t "
    "AND c.relnamespace = current_schema()::regnamespace "
    "WHERE c.oid IS NULL OR NOT (c.relrowsecurity AND c.relforcerowsecurity)) AS open, "
    "current_setting('synchronous_commit') <> 'off' AND current_setting('fsync') = 'on' AS durable "
    "FROM pg_roles r WHERE r.rolname = current_user"
)


@dataclass(frozen=True, slots=True)
class RoleFacts:
    """What the role of a session may do, the tables whose rows it sees without a policy, and
    whether a commit of the server survives a power cut."""

    name: str
    superuser: bool
    bypasses: bool
    owner: bool
    open: tuple[str, ...]
    durable: bool

    def doubt(self) -> str:
        """Why row-level security need not hold, as the end of a sentence; empty if it does. An
        owner is held to it too, and may end that."""
        if self.superuser:
            return "is a superuser"
        if self.bypasses:
            return "has BYPASSRLS"
        if self.open:
            return f"sees {self.open[0]} without row-level security"
        return "owns the tables" if self.owner else ""


def facts(session: ScopedSession) -> RoleFacts | None:
    """The role of the session; None on SQLite, which has no roles."""
    if session.get_bind().dialect.name != "postgresql":
        return None
    row = session.execute(_FACTS, {"tables": list(row_security.tables())}).one()
    return RoleFacts(
        row.name, row.superuser, row.bypasses, row.owner, tuple(row.open), bool(row.durable)
    )


def grants(role: str) -> Iterator[str]:
    """What lets a role run the hub on tables it does not own; may be run again."""
    name = '"' + role.replace('"', '""') + '"'
    yield f"GRANT USAGE ON SCHEMA public TO {name}"
    yield f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {name}"
    yield f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {name}"
