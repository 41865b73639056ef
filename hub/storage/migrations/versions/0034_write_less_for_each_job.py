"""Write less for each job: what is null is left out of its indexes, and jobs that nobody asked for
write no events.

Revision 0034, after 0033.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub.storage.tables import triggers

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

INDEXES = (
    ("ix_jobs_lane", ["lane", "id"], False),
    ("ix_jobs_lane2", ["lane2", "id"], False),
    ("uq_jobs_unique_key", ["unique_key"], True),
)
LIVE = "state IN ('ready', 'running')"


def upgrade() -> None:
    _make_indexes(without_null=True)
    _make_triggers()


def downgrade() -> None:
    _make_indexes(without_null=False)


def _make_indexes(*, without_null: bool) -> None:
    for name, columns, unique in INDEXES:
        op.drop_index(name, table_name="jobs")
        where = sa.text(f"{columns[0]} IS NOT NULL AND {LIVE}" if without_null else LIVE)
        op.create_index(
            name, "jobs", columns, unique=unique, sqlite_where=where, postgresql_where=where
        )


def _make_triggers() -> None:
    connection = op.get_bind()
    dialect = connection.dialect.name
    for statement in (
        *triggers.drop_event_statements(dialect),
        *triggers.event_statements(dialect),
    ):
        connection.exec_driver_sql(statement)
