"""Write events by triggers.

Revision 0004, after 0003.
"""

from __future__ import annotations

from alembic import op

from hub.storage.tables import triggers

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    connection = op.get_bind()
    for statement in triggers.event_statements(connection.dialect.name):
        connection.exec_driver_sql(statement)


def downgrade() -> None:
    connection = op.get_bind()
    for statement in triggers.drop_event_statements(connection.dialect.name):
        connection.exec_driver_sql(statement)
