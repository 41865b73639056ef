"""Keep figures across practices, as published.

Revision 0030, after 0029.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub.storage.tables import base as types

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "metric_figures",
        sa.Column("id", types.Text, nullable=False),
        sa.Column("metric", types.Text, nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("suppressed", sa.Boolean(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=True),
        sa.Column("amount", types.Money(), nullable=True),
        sa.Column("practices", sa.Integer(), nullable=True),
        sa.Column("left_out", types.Json, nullable=False),
        sa.Column("published_at", types.Timestamp(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_metric_figures")),
        sa.UniqueConstraint("metric", "month", name=op.f("uq_metric_figures_metric_month")),
    )
    op.create_index(op.f("ix_metric_figures_month_id"), "metric_figures", ["month", "id"])


def downgrade() -> None:
    op.drop_table("metric_figures")
