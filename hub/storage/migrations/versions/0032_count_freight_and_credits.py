"""Count freight, rebates and credits: savings of a round, amounts of orders; UNSPSC codes of items.

Revision 0032, after 0031.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub.storage.tables import base as types

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

AMOUNTS = (
    "baseline",
    "goods",
    "freight",
    "returned",
    "planned",
    "planned_saving",
    "invoiced_baseline",
    "invoiced",
    "invoiced_freight",
    "rebates",
    "realised_saving",
)
OF_ORDERS = ("invoiced", "invoiced_freight", "credited")


def upgrade() -> None:
    op.create_table(
        "round_savings",
        sa.Column("practice_id", types.Text, nullable=False),
        sa.Column("id", types.Text, nullable=False),
        sa.Column("round_id", types.Text, nullable=False),
        *(sa.Column(name, types.Money(), nullable=False) for name in AMOUNTS),
        sa.Column("reported_at", types.Timestamp(), nullable=False),
        sa.ForeignKeyConstraint(
            ["practice_id"], ["practices.id"], name=op.f("fk_round_savings_practice_id")
        ),
        sa.ForeignKeyConstraint(
            ["round_id"], ["purchasing_rounds.id"], name=op.f("fk_round_savings_round_id")
        ),
        sa.PrimaryKeyConstraint("practice_id", "id", name=op.f("pk_round_savings")),
        sa.UniqueConstraint(
            "practice_id", "round_id", name=op.f("uq_round_savings_practice_id_round_id")
        ),
    )
    with op.batch_alter_table("round_suppliers", schema=None) as batch_op:
        batch_op.add_column(sa.Column("plan_rate", types.ExactDecimal(), nullable=True))
    with op.batch_alter_table("items", schema=None) as batch_op:
        unspsc = sa.Column("unspsc", types.Text, server_default="", nullable=False)
        batch_op.add_column(unspsc)
    with op.batch_alter_table("purchase_orders", schema=None) as batch_op:
        for name in OF_ORDERS:
            batch_op.add_column(sa.Column(name, types.Money(), server_default="0", nullable=False))
    with op.batch_alter_table("purchase_order_lines", schema=None) as batch_op:
        packs = sa.Column("credited", sa.Integer(), server_default="0", nullable=False)
        batch_op.add_column(packs)


def downgrade() -> None:
    op.drop_column("purchase_order_lines", "credited")
    for name in reversed(OF_ORDERS):
        op.drop_column("purchase_orders", name)
    op.drop_column("items", "unspsc")
    op.drop_column("round_suppliers", "plan_rate")
    op.drop_table("round_savings")
