"""Add exports, checks of connections and requests to cancel an order.

Revision 0003, after 0002.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub.storage.tables import base as types

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

Sequence64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "connection_checks",
        sa.Column("id", types.Text, nullable=False),
        sa.Column("connection_id", types.Text, nullable=False),
        sa.Column("practice_id", types.Text, nullable=True),
        sa.Column("job_id", Sequence64, nullable=False),
        sa.Column("ok", sa.Boolean(), nullable=False),
        sa.Column("checked_at", types.Timestamp(), nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id"],
            ["connections.id"],
            name=op.f("fk_connection_checks_connection_id"),
        ),
        sa.ForeignKeyConstraint(
            ["practice_id"], ["practices.id"], name=op.f("fk_connection_checks_practice_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_connection_checks")),
    )
    op.create_index(
        op.f("ix_connection_checks_checked_at_id"), "connection_checks", ["checked_at", "id"]
    )
    op.create_index(
        op.f("ix_connection_checks_connection_id_checked_at_id"),
        "connection_checks",
        ["connection_id", "checked_at", "id"],
    )
    op.create_table(
        "connection_probes",
        sa.Column("id", types.Text, nullable=False),
        sa.Column("check_id", types.Text, nullable=False),
        sa.Column("practice_id", types.Text, nullable=True),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", types.Text, nullable=False),
        sa.Column("ok", sa.Boolean(), nullable=False),
        sa.Column("error", types.Text, nullable=False),
        sa.Column("hint", types.Text, nullable=False),
        sa.Column("milliseconds", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["check_id"], ["connection_checks.id"], name=op.f("fk_connection_probes_check_id")
        ),
        sa.ForeignKeyConstraint(
            ["practice_id"], ["practices.id"], name=op.f("fk_connection_probes_practice_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_connection_probes")),
        sa.UniqueConstraint(
            "check_id", "position", name=op.f("uq_connection_probes_check_id_position")
        ),
    )
    _create_exports()
    with op.batch_alter_table("purchase_orders") as batch_op:
        batch_op.add_column(sa.Column("cancel_requested_at", types.Timestamp(), nullable=True))
        batch_op.add_column(
            sa.Column("cancel_requested_by", types.Text, server_default="", nullable=False)
        )
    with op.batch_alter_table("clients") as batch_op:
        batch_op.add_column(
            sa.Column("export", sa.Boolean(), server_default=sa.false(), nullable=False)
        )


def _create_exports() -> None:
    op.create_table(
        "exports",
        sa.Column("id", types.Text, nullable=False),
        sa.Column("client_id", types.Text, nullable=False),
        sa.Column("practice_id", types.Text, nullable=True),
        sa.Column("purpose", types.Text, nullable=False),
        sa.Column("format", types.Text, nullable=False),
        sa.Column("request", sa.LargeBinary(), nullable=False),
        sa.Column("token_digest", types.Text, nullable=False),
        sa.Column("state", types.Text, nullable=False),
        sa.Column("chunks", sa.Integer(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("bytes", Sequence64, nullable=False),
        sa.Column("cursor", types.Text, nullable=True),
        sa.Column("digest", types.Text, nullable=False),
        sa.Column("created_at", types.Timestamp(), nullable=False),
        sa.Column("finished_at", types.Timestamp(), nullable=True),
        sa.Column("downloaded_at", types.Timestamp(), nullable=True),
        sa.ForeignKeyConstraint(["client_id"], ["clients.id"], name=op.f("fk_exports_client_id")),
        sa.ForeignKeyConstraint(
            ["practice_id"], ["practices.id"], name=op.f("fk_exports_practice_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exports")),
        sa.UniqueConstraint("token_digest", name=op.f("uq_exports_token_digest")),
    )
    op.create_index(op.f("ix_exports_created_at_id"), "exports", ["created_at", "id"])


def downgrade() -> None:
    with op.batch_alter_table("clients") as batch_op:
        batch_op.drop_column("export")
    with op.batch_alter_table("purchase_orders") as batch_op:
        batch_op.drop_column("cancel_requested_by")
        batch_op.drop_column("cancel_requested_at")
    op.drop_table("exports")
    op.drop_table("connection_probes")
    op.drop_table("connection_checks")
