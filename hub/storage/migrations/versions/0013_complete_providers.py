"""Say of providers what their master file says.

Revision 0013, after 0012.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub.storage.tables import base as types
from hub.storage.tables import epochs

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("providers") as batch_op:
        batch_op.add_column(
            sa.Column("status", types.Text, server_default="active", nullable=False)
        )
        batch_op.add_column(sa.Column("role", types.Text, server_default="", nullable=False))
        batch_op.add_column(
            sa.Column("specialties", types.Json, server_default="[]", nullable=False)
        )
        batch_op.add_column(sa.Column("phone", types.Text, server_default="", nullable=False))
        batch_op.add_column(sa.Column("email", types.Text, server_default="", nullable=False))
        batch_op.add_column(sa.Column("starts_on", sa.Date(), nullable=True))
        batch_op.add_column(sa.Column("ends_on", sa.Date(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("providers") as batch_op:
        batch_op.drop_column("ends_on")
        batch_op.drop_column("starts_on")
        batch_op.drop_column("email")
        batch_op.drop_column("phone")
        batch_op.drop_column("specialties")
        batch_op.drop_column("role")
        batch_op.drop_column("status")
    # SQLite made the table anew, without the triggers that count its epochs.
    connection = op.get_bind()
    for statement in epochs.statements(connection.dialect.name):
        connection.exec_driver_sql(statement)
