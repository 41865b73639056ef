"""Sessions of the console, and with which credentials one may sign in.

Revision 0045, after 0044.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub.storage.tables import base as types

revision = "0045"
down_revision = "0044"
branch_labels = None
depends_on = None

TABLE = "console_sessions"


def upgrade() -> None:
    op.add_column(
        "clients", sa.Column("console", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    op.create_table(
        TABLE,
        sa.Column("digest", types.Text, nullable=False),
        sa.Column("client_id", types.Text, nullable=False),
        sa.Column("purpose", types.Text, nullable=False),
        sa.Column("started_at", types.Timestamp(), nullable=False),
        sa.Column("seen_at", types.Timestamp(), nullable=False),
        sa.ForeignKeyConstraint(
            ["client_id"], ["clients.id"], name=op.f("fk_console_sessions_client_id_clients")
        ),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_console_sessions")),
    )
    op.create_index(op.f(f"ix_{TABLE}_started_at"), TABLE, ["started_at"])


def downgrade() -> None:
    op.drop_table(TABLE)
    op.drop_column("clients", "console")
