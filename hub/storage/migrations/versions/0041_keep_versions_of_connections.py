"""Versions of the settings of connections.

Revision 0041, after 0040.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub.storage.tables import base as types

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "connection_versions",
        sa.Column("connection_id", types.Text, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("config", types.Json, nullable=False),
        sa.Column("routing", types.Json, nullable=False),
        sa.Column("practices", types.Json, nullable=False),
        sa.Column("changed_by", types.Text, nullable=False),
        sa.Column("reason", types.Text, nullable=False),
        sa.Column("recorded_at", types.Timestamp(), nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id"],
            ["connections.id"],
            name=op.f("fk_connection_versions_connection_id_connections"),
        ),
        sa.PrimaryKeyConstraint("connection_id", "version", name=op.f("pk_connection_versions")),
    )


def downgrade() -> None:
    op.drop_table("connection_versions")
