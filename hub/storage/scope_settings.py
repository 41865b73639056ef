"""The scope as settings of a PostgreSQL transaction, which row-level security compares rows with.

They end with the transaction, so that nothing of them stays on a pooled connection.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any
from typing import cast as typed

import psycopg
from psycopg.pq import ConnStatus, ExecStatus, TransactionStatus
from sqlalchemy.engine import Connection

from hub.domain.agreements import (
    Domain,
    PrincipalKind,
    Scope,
    operations_scope,
    unrestricted_scope,
)
from hub.storage.tables.row_security import (
    ANY_DOMAIN,
    CONSENTS_AT,
    OPERATES,
    PURPOSE,
    SENSITIVE,
    UNRESTRICTED,
    WITH_PRACTICES,
    sensitive_keys,
    setting_of,
)

if TYPE_CHECKING:
    from psycopg.pq.abc import PGconn

DOMAINS = tuple(Domain)
_SETTINGS = (
    UNRESTRICTED, OPERATES, SENSITIVE, CONSENTS_AT, PURPOSE, ANY_DOMAIN,
    *map(setting_of, DOMAINS),
)  # fmt: skip
_SET = "SELECT " + ", ".join(f"set_config('{name}', %s, true)" for name in _SETTINGS)


def settings_of(scope: Scope) -> dict[str, str]:
    """The value of each setting; the empty text opens nothing."""
    own = frozenset() if scope.own_practice_id is None else frozenset({scope.own_practice_id})
    values = (
        "on" if scope.unrestricted else "",
        _operates(scope),
        array(sensitive_keys(scope)),
        scope.consents_at.isoformat() if scope.consents_at is not None else "",
        scope.purpose.value,
        array(scope.all_practices() | own),
        *(array(scope.practices(each)) for each in DOMAINS),
    )
    return dict(zip(_SETTINGS, values, strict=True))


def _operates(scope: Scope) -> str:
    """The MSO's apps and the hub itself, also while it works for one practice, see every record of
    operation; the hub while it works on them sees the practices' names too."""
    if scope.operations:
        return WITH_PRACTICES
    return "on" if scope.is_mso or scope.kind is PrincipalKind.SYSTEM else ""


@lru_cache(maxsize=512)
def array(practices: frozenset[str]) -> str:
    """Ids as PostgreSQL writes an array of text; empty for none."""
    escaped = (each.replace("\\", "\\\\").replace('"', '\\"') for each in sorted(practices))
    listed = ",".join(f'"{each}"' for each in escaped)
    return f"{{{listed}}}" if listed else ""


def set_scope(connection: Connection, scope: Scope) -> None:
    """Say for whom the connection's transaction works from here on; on SQLite there is nobody to
    tell."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(_SET, tuple(settings_of(scope).values()))


def begin_for(connection: Connection, scope: Scope, *, durable: bool = True) -> None:
    """Like `set_scope`, and begins the transaction of PostgreSQL where it has not begun. The commit
    of one that is not `durable` waits for no disk.

    Through libpq, and in one message where it can be, because SQLAlchemy and psycopg cost more than
    the statement does. What goes wrong is left to their own way, so that the error is theirs.
    """
    if connection.dialect.name == "postgresql":
        driver = typed("psycopg.Connection[Any]", connection.connection.driver_connection)
        if not _begun_for(driver.pgconn, scope, durable):
            set_scope(connection, scope)
            if not durable:
                connection.exec_driver_sql("SET LOCAL synchronous_commit TO off")


def _begun_for(libpq: PGconn, scope: Scope, durable: bool) -> bool:
    """False if it could not be said."""
    of_the_hub = scope.unrestricted or scope.operations
    if libpq.status != ConnStatus.OK or not (durable or of_the_hub):
        return False
    begins = libpq.transaction_status == TransactionStatus.IDLE
    try:
        if of_the_hub:
            result = libpq.exec_(_OF_THE_HUB[begins, scope.unrestricted, durable])
        elif begins and libpq.exec_(_BEGIN).status != ExecStatus.COMMAND_OK:
            return False
        else:
            values = [value.encode() for value in settings_of(scope).values()]
            result = libpq.exec_params(_NUMBERED, values)
    except psycopg.Error:
        return False
    return result.status == ExecStatus.TUPLES_OK


def end_read(connection: Connection) -> None:
    """Roll back what only read. Through libpq, because psycopg forgets with each of its rollbacks
    which statements it had prepared: those of the next transaction would be planned anew."""
    if connection.dialect.name == "postgresql":
        driver = typed("psycopg.Connection[Any]", connection.connection.driver_connection)
        libpq = driver.pgconn
        if libpq.status == ConnStatus.OK and libpq.transaction_status == TransactionStatus.INTRANS:
            libpq.exec_(b"ROLLBACK")
    connection.rollback()


def _in_full(scope: Scope, durable: bool) -> bytes:
    """The statement of a scope whose settings are words."""
    settings = settings_of(scope) | ({} if durable else {"synchronous_commit": "off"})
    made = (f"set_config('{name}', '{word}', true)" for name, word in settings.items())
    return f"SELECT {', '.join(made)}".encode()


_BEGIN = b"BEGIN;"
_NUMBERED = (
    "SELECT "
    + ", ".join(f"set_config('{name}', ${n}, true)" for n, name in enumerate(_SETTINGS, start=1))
).encode()
_OF_THE_HUB = {
    (begins, scope.unrestricted, durable): (_BEGIN if begins else b"") + _in_full(scope, durable)
    for begins in (True, False)
    for durable in (True, False)
    for scope in (operations_scope("records"), unrestricted_scope("everything"))
}
