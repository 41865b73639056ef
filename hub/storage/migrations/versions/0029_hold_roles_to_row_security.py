"""Hold every role to row-level security on PostgreSQL.

The policies are those of all tables there are, and are made once the last revision has run
(`env.py`); this one sees to it that a database which was current gets them. Going back takes them
away.

Revision 0029, after 0028.
"""

from __future__ import annotations

from alembic import op

from hub.storage.tables import row_security

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing: see above."""


def downgrade() -> None:
    connection = op.get_bind()
    for statement in row_security.drop_statements(connection.dialect.name):
        connection.exec_driver_sql(statement)
