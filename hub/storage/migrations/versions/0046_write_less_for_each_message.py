"""Write less for each message that arrives: fewer indexes of messages and events.

Revision 0046, after 0045. SQLite makes the table of messages anew, which needs twice its space
meanwhile (half of it in the log) and a minute for each million of them; PostgreSQL makes indexes,
about ten seconds for each million.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub.storage.tables import triggers
from hub.storage.tables.operations import NOT_COMPRESSED

revision = "0046"
down_revision = "0045"
branch_labels = None
depends_on = None

BY_PATIENT = ("patient_key", "prior_patient_key")


def upgrade() -> None:
    _drop_event_triggers()
    _drop_indexes_by_patient()
    op.drop_index(op.f("ix_inbox_control_id"), "inbox")
    with op.batch_alter_table("inbox") as inbox:
        inbox.drop_constraint(op.f("uq_inbox_source_control_id_body_digest"), type_="unique")
        inbox.create_index(
            "uq_inbox_control_id", ["control_id", "source", "body_digest"], unique=True
        )
    _index_by_patient(" AND state <> 'received'")
    if op.get_bind().dialect.name == "postgresql":
        op.execute(NOT_COMPRESSED)
    op.drop_index(op.f("ix_events_topic_sequence"), "events")
    op.drop_index(op.f("ix_events_recorded_at"), "events")
    with op.batch_alter_table("events") as events:
        events.drop_constraint(op.f("uq_events_sequence"), type_="unique")
    numbered = sa.text("sequence IS NOT NULL")
    op.create_index(
        "uq_events_sequence",
        "events",
        ["sequence"],
        unique=True,
        sqlite_where=numbered,
        postgresql_where=numbered,
    )
    _make_event_triggers()


def downgrade() -> None:
    _drop_event_triggers()
    op.drop_index("uq_events_sequence", "events")
    with op.batch_alter_table("events") as events:
        events.create_unique_constraint(op.f("uq_events_sequence"), ["sequence"])
    op.create_index(op.f("ix_events_recorded_at"), "events", ["recorded_at"])
    op.create_index(op.f("ix_events_topic_sequence"), "events", ["topic", "sequence"])
    _drop_indexes_by_patient()
    op.drop_index("uq_inbox_control_id", "inbox")
    with op.batch_alter_table("inbox") as inbox:
        inbox.create_unique_constraint(
            op.f("uq_inbox_source_control_id_body_digest"), ["source", "control_id", "body_digest"]
        )
    op.create_index(op.f("ix_inbox_control_id"), "inbox", ["control_id"])
    _index_by_patient("")
    _make_event_triggers()


def _drop_indexes_by_patient() -> None:
    for name in BY_PATIENT:
        op.drop_index(f"ix_inbox_{name}", "inbox")


def _index_by_patient(condition: str) -> None:
    for name in BY_PATIENT:
        where = sa.text(f"{name} IS NOT NULL{condition}")
        op.create_index(
            f"ix_inbox_{name}", "inbox", [name], sqlite_where=where, postgresql_where=where
        )


def _drop_event_triggers() -> None:
    """SQLite makes a table anew under its name only while no trigger speaks of it."""
    dialect = op.get_bind().dialect.name
    for tables in (triggers.WATCHED, triggers.WATCHED_LATER):
        for statement in triggers.drop_event_statements(dialect, tables):
            op.get_bind().exec_driver_sql(statement)


def _make_event_triggers() -> None:
    dialect = op.get_bind().dialect.name
    for statement in (
        *triggers.statements(dialect),
        *triggers.event_statements(dialect, triggers.WATCHED_LATER),
    ):
        op.get_bind().exec_driver_sql(statement)
