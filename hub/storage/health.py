"""What the database says of itself, for `mso-hub doctor`."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import text

from hub.storage.session import ScopedSession

_SYNCHRONOUS = {0: "OFF", 1: "NORMAL", 2: "FULL", 3: "EXTRA"}


def facts(session: ScopedSession) -> dict[str, str]:
    """The server's version and the settings durability and lock times depend on."""
    if session.get_bind().dialect.name == "sqlite":
        level = session.execute(text("PRAGMA synchronous")).scalar_one()
        return {
            "version": str(session.execute(text("SELECT sqlite_version()")).scalar_one()),
            "journal_mode": str(session.execute(text("PRAGMA journal_mode")).scalar_one()),
            "synchronous": _SYNCHRONOUS.get(level, str(level)),
        }
    names = (
        "statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "fsync",
        "synchronous_commit",
    )  # fmt: skip
    found = {"version": str(session.execute(text("SHOW server_version")).scalar_one())}
    return found | {name: str(session.execute(text(f"SHOW {name}")).scalar_one()) for name in names}


def clock(session: ScopedSession) -> datetime:
    """The database's clock, aware, in UTC; on SQLite it is this machine's."""
    if session.get_bind().dialect.name == "sqlite":
        read = "SELECT strftime('%Y-%m-%dT%H:%M:%f', 'now')"
        return datetime.fromisoformat(session.execute(text(read)).scalar_one()).replace(tzinfo=UTC)
    found: datetime = session.execute(text("SELECT clock_timestamp()")).scalar_one()
    return found.astimezone(UTC)
