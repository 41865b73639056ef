"""Count policy versions.

Revision 0017, after 0016.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub.storage.tables import policy

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "policy_versions",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_policy_versions")),
    )
    connection = op.get_bind()
    for statement in policy.statements(connection.dialect.name, policy.AT_FIRST):
        connection.exec_driver_sql(statement)


def downgrade() -> None:
    connection = op.get_bind()
    for statement in policy.drop_statements(connection.dialect.name, policy.AT_FIRST):
        connection.exec_driver_sql(statement)
    op.drop_table("policy_versions")
