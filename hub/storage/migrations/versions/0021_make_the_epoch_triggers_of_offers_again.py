"""Make the epoch triggers of offers again: SQLite lost them when the table was made anew.

Revision 0021, after 0020.
"""

from __future__ import annotations

from alembic import op

from hub.storage.tables import epochs

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    connection = op.get_bind()
    for statement in epochs.statements(connection.dialect.name):
        connection.exec_driver_sql(statement)


def downgrade() -> None:
    pass
