"""The policy version: counts every change of who may see what.

Triggers count, so that no way of writing a row forgets it. A read returns the version of its own
snapshot, and rights that were looked up under another one do not hold for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import BigInteger, Connection, event
from sqlalchemy.orm import Mapped, mapped_column

from hub.storage.tables.base import Base

AT_FIRST = ("clients", "service_agreements", "client_documents", "practices")
_TABLES = (*AT_FIRST, "emergency_accesses", "consents")
_VERBS = ("INSERT", "UPDATE", "DELETE")
_COUNT = (
    "INSERT INTO policy_versions (id, version) VALUES (1, 1) "
    "ON CONFLICT (id) DO UPDATE SET version = policy_versions.version + 1;"
)


class PolicyVersion(Base):
    """One row: how often a credential, an agreement, a stored document, an emergency access, a
    consent or the time zone of a practice changed."""

    __tablename__ = "policy_versions"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    version: Mapped[int] = mapped_column(BigInteger)


def statements(dialect: str, tables: Sequence[str] = _TABLES) -> Iterator[str]:
    """What makes the triggers of some tables; may be run again."""
    if dialect == "postgresql":
        yield (
            "CREATE OR REPLACE FUNCTION count_policy_version() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN {_COUNT} RETURN NULL; END $$"
        )
    for name, table, change in _triggers(tables):
        if dialect == "postgresql":
            # Not for each statement: many change none of the rows they might.
            how = "FOR EACH ROW EXECUTE FUNCTION count_policy_version()"
            yield f"CREATE OR REPLACE TRIGGER {name} AFTER {change} ON {table} {how}"
        else:
            how = f"FOR EACH ROW BEGIN {_COUNT} END"
            yield f"CREATE TRIGGER IF NOT EXISTS {name} AFTER {change} ON {table} {how}"


def drop_statements(dialect: str, tables: Sequence[str] = _TABLES) -> Iterator[str]:
    """The opposite of `statements`."""
    for name, table, _ in _triggers(tables):
        yield f"DROP TRIGGER IF EXISTS {name}" + (f" ON {table}" * (dialect == "postgresql"))
    if dialect == "postgresql":
        yield "DROP FUNCTION IF EXISTS count_policy_version()"


def _triggers(tables: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """Name, table and change of each; of a practice only its time zone decides rights."""
    for table in tables:
        for verb in _VERBS:
            change = "UPDATE OF zone" if (table, verb) == ("practices", "UPDATE") else verb
            if table != "practices" or verb == "UPDATE":
                yield f"{table}_policy_{verb.lower()}", table, change


@event.listens_for(Base.metadata, "after_create")
def _with_the_tables(_: object, connection: Connection, **__: Any) -> None:
    for statement in statements(connection.dialect.name):
        connection.exec_driver_sql(statement)
