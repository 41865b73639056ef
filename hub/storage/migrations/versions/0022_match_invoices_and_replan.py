"""Match invoices, keep shortfalls, and let a round have further orders to a supplier.

Revision 0022, after 0021.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub.storage.tables import base as types
from hub.storage.tables import triggers

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _drop_event_triggers()
    op.create_table(
        "invoice_matches",
        sa.Column("practice_id", types.Text, nullable=False),
        sa.Column("id", types.Text, nullable=False),
        sa.Column("order_id", types.Text, nullable=False),
        sa.Column("document", types.Text, nullable=False),
        sa.Column("state", types.Text, nullable=False),
        sa.Column("total", types.Money(), nullable=False),
        sa.Column("credited", types.Money(), nullable=False),
        sa.Column("at_stake", types.Money(), nullable=False),
        sa.Column("digest", types.Text, nullable=False),
        sa.Column("decision", types.Text, nullable=False),
        sa.Column("decided_by", types.Text, nullable=False),
        sa.Column("decided_at", types.Timestamp(), nullable=True),
        sa.Column("why", types.Text, nullable=False),
        sa.ForeignKeyConstraint(
            ["practice_id", "order_id"],
            ["purchase_orders.practice_id", "purchase_orders.id"],
            name=op.f("fk_invoice_matches_practice_id_order_id"),
        ),
        sa.ForeignKeyConstraint(
            ["practice_id"], ["practices.id"], name=op.f("fk_invoice_matches_practice_id")
        ),
        sa.PrimaryKeyConstraint("practice_id", "id", name=op.f("pk_invoice_matches")),
        sa.UniqueConstraint(
            "practice_id",
            "order_id",
            "document",
            name=op.f("uq_invoice_matches_practice_id_order_id_document"),
        ),
    )
    with op.batch_alter_table("invoice_matches", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_invoice_matches_practice_id_state_id"),
            ["practice_id", "state", "id"],
            unique=False,
        )

    op.create_table(
        "shortfalls",
        sa.Column("practice_id", types.Text, nullable=False),
        sa.Column("id", types.Text, nullable=False),
        sa.Column("order_id", types.Text, nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("item_id", types.Text, nullable=False),
        sa.Column("packs", sa.Integer(), nullable=False),
        sa.Column("units", sa.Integer(), nullable=False),
        sa.Column("reason", types.Text, nullable=False),
        sa.Column("state", types.Text, nullable=False),
        sa.Column("planned_cost", types.Money(), nullable=False),
        sa.Column("new_cost", types.Money(), nullable=True),
        sa.Column("new_order_id", types.Text, nullable=True),
        sa.Column("round_id", types.Text, nullable=True),
        sa.Column("decided_by", types.Text, nullable=False),
        sa.Column("decided_at", types.Timestamp(), nullable=True),
        sa.Column("why", types.Text, nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_shortfalls_item_id")),
        sa.ForeignKeyConstraint(
            ["practice_id", "order_id"],
            ["purchase_orders.practice_id", "purchase_orders.id"],
            name=op.f("fk_shortfalls_practice_id_order_id"),
        ),
        sa.ForeignKeyConstraint(
            ["practice_id"], ["practices.id"], name=op.f("fk_shortfalls_practice_id")
        ),
        sa.ForeignKeyConstraint(
            ["round_id"], ["purchasing_rounds.id"], name=op.f("fk_shortfalls_round_id")
        ),
        sa.PrimaryKeyConstraint("practice_id", "id", name=op.f("pk_shortfalls")),
        sa.UniqueConstraint(
            "practice_id",
            "order_id",
            "line",
            "reason",
            name=op.f("uq_shortfalls_practice_id_order_id_line_reason"),
        ),
    )
    with op.batch_alter_table("shortfalls", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_shortfalls_practice_id_state_id"),
            ["practice_id", "state", "id"],
            unique=False,
        )

    op.create_table(
        "match_findings",
        sa.Column("practice_id", types.Text, nullable=False),
        sa.Column("id", types.Text, nullable=False),
        sa.Column("match_id", types.Text, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("code", types.Text, nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("at_stake", types.Money(), nullable=False),
        sa.Column("sentence", types.Text, nullable=False),
        sa.ForeignKeyConstraint(
            ["practice_id", "match_id"],
            ["invoice_matches.practice_id", "invoice_matches.id"],
            name=op.f("fk_match_findings_practice_id_match_id"),
        ),
        sa.ForeignKeyConstraint(
            ["practice_id"], ["practices.id"], name=op.f("fk_match_findings_practice_id")
        ),
        sa.PrimaryKeyConstraint("practice_id", "id", name=op.f("pk_match_findings")),
        sa.UniqueConstraint(
            "practice_id",
            "match_id",
            "position",
            name=op.f("uq_match_findings_practice_id_match_id_position"),
        ),
    )
    with op.batch_alter_table("purchase_orders", schema=None) as batch_op:
        batch_op.add_column(sa.Column("replan", sa.Integer(), server_default="0", nullable=False))
        batch_op.drop_constraint(
            batch_op.f("uq_purchase_orders_practice_id_round_id_supplier_id"), type_="unique"
        )
        batch_op.create_unique_constraint(
            batch_op.f("uq_purchase_orders_practice_id_round_id_supplier_id_replan"),
            ["practice_id", "round_id", "supplier_id", "replan"],
        )

    with op.batch_alter_table("suppliers", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "match_price_percent", types.ExactDecimal(), server_default="0.5", nullable=False
            )
        )
        batch_op.add_column(
            sa.Column("match_total", types.Money(), server_default="100", nullable=False)
        )

    _make_triggers()


def downgrade() -> None:
    _drop_event_triggers()
    with op.batch_alter_table("suppliers", schema=None) as batch_op:
        batch_op.drop_column("match_total")
        batch_op.drop_column("match_price_percent")

    with op.batch_alter_table("purchase_orders", schema=None) as batch_op:
        batch_op.drop_constraint(
            batch_op.f("uq_purchase_orders_practice_id_round_id_supplier_id_replan"), type_="unique"
        )
        batch_op.create_unique_constraint(
            batch_op.f("uq_purchase_orders_practice_id_round_id_supplier_id"),
            ["practice_id", "round_id", "supplier_id"],
        )
        batch_op.drop_column("replan")

    op.drop_table("match_findings")
    with op.batch_alter_table("shortfalls", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_shortfalls_practice_id_state_id"))

    op.drop_table("shortfalls")
    with op.batch_alter_table("invoice_matches", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_invoice_matches_practice_id_state_id"))

    op.drop_table("invoice_matches")
    _make_triggers()


def _drop_event_triggers() -> None:
    """SQLite makes a table anew under its name only while no trigger speaks of it."""
    connection = op.get_bind()
    for statement in triggers.drop_event_statements(connection.dialect.name):
        connection.exec_driver_sql(statement)


def _make_triggers() -> None:
    """Also those that SQLite lost when it made offers anew for the revision before."""
    connection = op.get_bind()
    for statement in triggers.statements(connection.dialect.name):
        connection.exec_driver_sql(statement)
