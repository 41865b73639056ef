"""The scope as settings of a PostgreSQL transaction, which row-level security compares rows with.

They end with the transaction, so that nothing of them stays on a pooled connection.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy.engine import Connection

from hub.domain.agreements import Domain, PrincipalKind, Scope
from hub.storage.tables.row_security import ANY_DOMAIN, OPERATES, UNRESTRICTED, setting_of

DOMAINS = tuple(Domain)
_SETTINGS = (UNRESTRICTED, OPERATES, ANY_DOMAIN, *map(setting_of, DOMAINS))
_EVERYTHING = f"SELECT set_config('{UNRESTRICTED}', 'on', true)"
_SET = "SELECT " + ", ".join(f"set_config('{name}', %s, true)" for name in _SETTINGS)


def operates(scope: Scope) -> bool:
    """True for the MSO's apps and for the hub itself, also while it works for one practice."""
    return scope.is_mso or scope.kind is PrincipalKind.SYSTEM


def settings_of(scope: Scope) -> dict[str, str]:
    """The value of each setting."""
    texts = [array(scope.all_practices()), *(array(scope.practices(each)) for each in DOMAINS)]
    flags = ["on" if flag else "" for flag in (scope.unrestricted, operates(scope))]
    return dict(zip(_SETTINGS, (*flags, *texts), strict=True))


def array(practices: Iterable[str]) -> str:
    """Ids as PostgreSQL writes an array of text; empty for none."""
    escaped = (each.replace("\\", "\\\\").replace('"', '\\"') for each in sorted(practices))
    listed = ",".join(f'"{each}"' for each in escaped)
    return f"{{{listed}}}" if listed else ""


def set_scope(connection: Connection, scope: Scope) -> None:
    """Say for whom the connection's transaction works from here on; on SQLite there is nobody to
    tell."""
    if connection.dialect.name != "postgresql":
        return
    if scope.unrestricted:
        connection.exec_driver_sql(_EVERYTHING)
    else:
        connection.exec_driver_sql(_SET, tuple(settings_of(scope).values()))
