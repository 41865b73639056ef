"""What every connection to PostgreSQL is opened with.

A client that froze must not hold row locks, which its lease alone would not free, and a server that
went away must be noticed in seconds.
"""

from __future__ import annotations

from typing import Any

_OPTIONS = (
    "-c idle_in_transaction_session_timeout=10s -c lock_timeout=5s -c timezone=UTC "
    "-c tcp_user_timeout=10s"
)
_WORK = "-c enable_seqscan=off -c jit=off"
"""Of sessions that write. PostgreSQL keeps the plan of a prepared statement, and one made while a
table is empty would read all of it for thousands of rows later too. Where no index helps, a plan
then looks dear enough to be compiled, which takes longer than to run it."""
NETWORK: dict[str, Any] = {
    "connect_timeout": 5,
    "tcp_user_timeout": 10_000,
    "keepalives_idle": 30,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}
"""Parameters of libpq: seconds, and milliseconds for `tcp_user_timeout`."""


def options(statement_seconds: float, *, reads_only: bool = False) -> str:
    """The settings of a session, as libpq takes them."""
    said = f"{_OPTIONS} -c statement_timeout={statement_seconds * 1000:.0f}"
    return f"{said} {'-c default_transaction_read_only=on' if reads_only else _WORK}"
