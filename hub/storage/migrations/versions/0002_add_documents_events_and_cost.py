"""Add client documents, events and cost buckets.

Revision 0002, after 0001.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub.storage.tables import base as types

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:

    op.create_table(
        "cost_buckets",
        sa.Column("principal_id", types.Text, nullable=False),
        sa.Column("level", sa.Double(), nullable=False),
        sa.Column("updated_at", types.Timestamp(), nullable=False),
        sa.PrimaryKeyConstraint("principal_id", name=op.f("pk_cost_buckets")),
    )
    op.create_table(
        "event_heads",
        sa.Column("name", types.Text, nullable=False),
        sa.Column("sequence", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("pruned", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_event_heads")),
    )
    op.create_table(
        "events",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            sa.Identity(always=False),
            nullable=False,
        ),
        sa.Column("sequence", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("topic", types.Text, nullable=False),
        sa.Column("row_id", types.Text, nullable=False),
        sa.Column("parent_id", types.Text, nullable=True),
        sa.Column("practice_id", types.Text, nullable=True),
        sa.Column("recorded_at", types.Timestamp(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
        sa.UniqueConstraint("sequence", name=op.f("uq_events_sequence")),
    )
    with op.batch_alter_table("events", schema=None) as batch_op:
        batch_op.create_index(
            "ix_events_pending",
            ["id"],
            unique=False,
            sqlite_where=sa.text("sequence IS NULL"),
            postgresql_where=sa.text("sequence IS NULL"),
        )
        batch_op.create_index(batch_op.f("ix_events_recorded_at"), ["recorded_at"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_events_topic_sequence"), ["topic", "sequence"], unique=False
        )

    op.create_table(
        "client_documents",
        sa.Column("client_id", types.Text, nullable=False),
        sa.Column("digest", types.Text, nullable=False),
        sa.Column("name", types.Text, nullable=False),
        sa.Column("text", types.Text, nullable=False),
        sa.Column("purpose", types.Text, nullable=False),
        sa.Column("cost", sa.Integer(), nullable=False),
        sa.Column("created_at", types.Timestamp(), nullable=False),
        sa.ForeignKeyConstraint(
            ["client_id"], ["clients.id"], name=op.f("fk_client_documents_client_id")
        ),
        sa.PrimaryKeyConstraint("client_id", "digest", name=op.f("pk_client_documents")),
    )
    with op.batch_alter_table("clients", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("developer", sa.Boolean(), server_default=sa.false(), nullable=False)
        )


def downgrade() -> None:

    with op.batch_alter_table("clients", schema=None) as batch_op:
        batch_op.drop_column("developer")

    op.drop_table("client_documents")
    with op.batch_alter_table("events", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_events_topic_sequence"))
        batch_op.drop_index(batch_op.f("ix_events_recorded_at"))
        batch_op.drop_index(
            "ix_events_pending",
            sqlite_where=sa.text("sequence IS NULL"),
            postgresql_where=sa.text("sequence IS NULL"),
        )

    op.drop_table("events")
    op.drop_table("event_heads")
    op.drop_table("cost_buckets")
