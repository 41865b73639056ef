"""Add the outbox.

Revision 0011, after 0010.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub.storage.tables import base as types

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", types.Text, nullable=False),
        sa.Column("connection_id", types.Text, nullable=False),
        sa.Column("practice_id", types.Text, nullable=True),
        sa.Column("inbox_id", types.Text, nullable=True),
        sa.Column("message_type", types.Text, nullable=False),
        sa.Column("control_id", types.Text, nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=True),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        sa.Column("state", types.Text, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("answer_code", types.Text, nullable=False),
        sa.Column("fault_code", types.Text, nullable=False),
        sa.Column("fault_path", types.Text, nullable=False),
        sa.Column("fault_text", types.Text, nullable=False),
        sa.Column("queued_at", types.Timestamp(), nullable=False),
        sa.Column("answered_at", types.Timestamp(), nullable=True),
        sa.ForeignKeyConstraint(
            ["connection_id"], ["connections.id"], name=op.f("fk_outbox_connection_id")
        ),
        sa.ForeignKeyConstraint(
            ["practice_id"], ["practices.id"], name=op.f("fk_outbox_practice_id")
        ),
        sa.ForeignKeyConstraint(["inbox_id"], ["inbox.id"], name=op.f("fk_outbox_inbox_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.UniqueConstraint(
            "inbox_id", "connection_id", name=op.f("uq_outbox_inbox_id_connection_id")
        ),
    )
    op.create_index(op.f("ix_outbox_queued_at_id"), "outbox", ["queued_at", "id"])
    op.create_index(
        op.f("ix_outbox_connection_id_state_queued_at_id"),
        "outbox",
        ["connection_id", "state", "queued_at", "id"],
    )
    op.create_index(op.f("ix_outbox_control_id"), "outbox", ["control_id"])


def downgrade() -> None:
    op.drop_table("outbox")
