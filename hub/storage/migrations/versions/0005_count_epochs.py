"""Count epochs by triggers.

Revision 0005, after 0004.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub.storage.tables import base as types
from hub.storage.tables import epochs

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "epochs",
        sa.Column("noun", types.Text, nullable=False),
        sa.Column("practice_id", types.Text, nullable=False),
        sa.Column("writer", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("noun", "practice_id", "writer", name=op.f("pk_epochs")),
    )
    connection = op.get_bind()
    for statement in epochs.statements(connection.dialect.name):
        connection.exec_driver_sql(statement)


def downgrade() -> None:
    connection = op.get_bind()
    for statement in epochs.drop_statements(connection.dialect.name):
        connection.exec_driver_sql(statement)
    op.drop_table("epochs")
