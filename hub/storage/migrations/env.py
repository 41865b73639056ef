"""Alembic's entry: migrates the database whose URL `hub.storage.migrate` passes in."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import JSON, Connection, String, create_engine, event

from hub.domain.agreements import unrestricted_scope
from hub.storage.scope_settings import set_scope
from hub.storage.tables import Base, base, row_security

OWN_TYPES = {
    base.Timestamp: "types.Timestamp()",
    base.Money: "types.Money()",
    base.ExactDecimal: "types.ExactDecimal()",
}


def render_item(kind: str, item: Any, _: AutogenContext) -> str | Literal[False]:
    """Write the hub's own column types by name."""
    if kind != "type":
        return False
    if type(item) is String and item.length is None:
        return "types.Text"
    if isinstance(item, JSON):
        return "types.Json"
    return OWN_TYPES.get(type(item), False)


def make_row_security(connection: Connection, revision: str | None) -> None:
    """Policies for the tables there are now: a revision that adds one need not think of it."""
    if revision == context.get_head_revision():
        for statement in row_security.statements(connection.dialect.name):
            connection.exec_driver_sql(statement)


def run() -> None:
    url = context.config.attributes["url"]
    engine = create_engine(url, hide_parameters=True)
    if url.startswith("sqlite"):

        @event.listens_for(engine, "connect")
        def _manual_transactions(connection: object, _: object) -> None:
            connection.isolation_level = None  # type: ignore[attr-defined]

        @event.listens_for(engine, "begin")
        def _begin(connection: object) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")  # type: ignore[attr-defined]

    try:
        with engine.connect() as connection:
            context.configure(
                connection=connection,
                target_metadata=Base.metadata,
                compare_type=False,
                render_item=render_item,
                render_as_batch=url.startswith("sqlite"),
            )
            with context.begin_transaction():
                if connection.dialect.name == "postgresql":
                    connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7102475)")
                    set_scope(connection, unrestricted_scope("migration"))
                before = context.get_context().get_current_revision()
                context.run_migrations()
                after = context.get_context().get_current_revision()
                if after != before:
                    make_row_security(connection, after)
            connection.commit()
    finally:
        engine.dispose()


run()
