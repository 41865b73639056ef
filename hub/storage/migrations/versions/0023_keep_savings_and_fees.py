"""Keep savings, prices paid, benchmarks, fee agreements, payments and statements.

Revision 0023, after 0022.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub.storage.tables import base as types

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "benchmark_quarters",
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("computed_at", types.Timestamp(), nullable=False),
        sa.PrimaryKeyConstraint("starts_on", name=op.f("pk_benchmark_quarters")),
    )
    op.create_table(
        "price_benchmarks",
        sa.Column("id", types.Text, nullable=False),
        sa.Column("item_id", types.Text, nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=False),
        sa.Column("average_price", types.ExactDecimal(), nullable=False),
        sa.Column("middle_price", types.ExactDecimal(), nullable=False),
        sa.Column("published_at", types.Timestamp(), nullable=False),
        sa.ForeignKeyConstraint(
            ["item_id"], ["items.id"], name=op.f("fk_price_benchmarks_item_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_price_benchmarks")),
        sa.UniqueConstraint(
            "item_id", "starts_on", name=op.f("uq_price_benchmarks_item_id_starts_on")
        ),
    )
    with op.batch_alter_table("price_benchmarks", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_price_benchmarks_starts_on_id"), ["starts_on", "id"], unique=False
        )

    op.create_table(
        "fee_agreements",
        sa.Column("id", types.Text, nullable=False),
        sa.Column("supplier_id", types.Text, nullable=False),
        sa.Column("written_on", sa.Date(), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=True),
        sa.Column("maximum_rate", types.ExactDecimal(), nullable=True),
        sa.Column("maximum_amount", types.Money(), nullable=True),
        sa.Column("recorded_by", types.Text, nullable=False),
        sa.Column("recorded_at", types.Timestamp(), nullable=False),
        sa.ForeignKeyConstraint(
            ["supplier_id"], ["suppliers.id"], name=op.f("fk_fee_agreements_supplier_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fee_agreements")),
        sa.UniqueConstraint(
            "supplier_id", "starts_on", name=op.f("uq_fee_agreements_supplier_id_starts_on")
        ),
    )
    op.create_table(
        "member_statements",
        sa.Column("practice_id", types.Text, nullable=False),
        sa.Column("id", types.Text, nullable=False),
        sa.Column("supplier_id", types.Text, nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("purchases", types.Money(), nullable=False),
        sa.Column("fees", types.Money(), nullable=False),
        sa.Column("discounts", types.Money(), nullable=False),
        sa.Column("rebates", types.Money(), nullable=False),
        sa.Column("remark", types.Text, nullable=False),
        sa.Column("issued_at", types.Timestamp(), nullable=False),
        sa.ForeignKeyConstraint(
            ["practice_id"], ["practices.id"], name=op.f("fk_member_statements_practice_id")
        ),
        sa.ForeignKeyConstraint(
            ["supplier_id"], ["suppliers.id"], name=op.f("fk_member_statements_supplier_id")
        ),
        sa.PrimaryKeyConstraint("practice_id", "id", name=op.f("pk_member_statements")),
        sa.UniqueConstraint(
            "practice_id",
            "year",
            "supplier_id",
            name=op.f("uq_member_statements_practice_id_year_supplier_id"),
        ),
    )
    with op.batch_alter_table("member_statements", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_member_statements_practice_id_year_id"),
            ["practice_id", "year", "id"],
            unique=False,
        )

    op.create_table(
        "savings",
        sa.Column("practice_id", types.Text, nullable=False),
        sa.Column("id", types.Text, nullable=False),
        sa.Column("round_id", types.Text, nullable=False),
        sa.Column("supplier_id", types.Text, nullable=False),
        sa.Column("category", types.Text, nullable=False),
        sa.Column("baseline", types.Money(), nullable=False),
        sa.Column("planned", types.Money(), nullable=False),
        sa.Column("planned_saving", types.Money(), nullable=False),
        sa.Column("invoiced_baseline", types.Money(), nullable=False),
        sa.Column("invoiced", types.Money(), nullable=False),
        sa.Column("realised_saving", types.Money(), nullable=False),
        sa.Column("reported_at", types.Timestamp(), nullable=False),
        sa.ForeignKeyConstraint(
            ["practice_id"], ["practices.id"], name=op.f("fk_savings_practice_id")
        ),
        sa.ForeignKeyConstraint(
            ["round_id"], ["purchasing_rounds.id"], name=op.f("fk_savings_round_id")
        ),
        sa.ForeignKeyConstraint(
            ["supplier_id"], ["suppliers.id"], name=op.f("fk_savings_supplier_id")
        ),
        sa.PrimaryKeyConstraint("practice_id", "id", name=op.f("pk_savings")),
        sa.UniqueConstraint(
            "practice_id",
            "round_id",
            "supplier_id",
            "category",
            name=op.f("uq_savings_practice_id_round_id_supplier_id_category"),
        ),
    )
    op.create_table(
        "supplier_payments",
        sa.Column("id", types.Text, nullable=False),
        sa.Column("supplier_id", types.Text, nullable=False),
        sa.Column("kind", types.Text, nullable=False),
        sa.Column("reference", types.Text, nullable=False),
        sa.Column("received_on", sa.Date(), nullable=False),
        sa.Column("amount", types.Money(), nullable=False),
        sa.Column("recorded_by", types.Text, nullable=False),
        sa.Column("recorded_at", types.Timestamp(), nullable=False),
        sa.ForeignKeyConstraint(
            ["supplier_id"], ["suppliers.id"], name=op.f("fk_supplier_payments_supplier_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_supplier_payments")),
        sa.UniqueConstraint(
            "supplier_id",
            "kind",
            "reference",
            name=op.f("uq_supplier_payments_supplier_id_kind_reference"),
        ),
    )
    with op.batch_alter_table("supplier_payments", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_supplier_payments_received_on_id"), ["received_on", "id"], unique=False
        )

    op.create_table(
        "price_points",
        sa.Column("practice_id", types.Text, nullable=False),
        sa.Column("id", types.Text, nullable=False),
        sa.Column("item_id", types.Text, nullable=False),
        sa.Column("supplier_id", types.Text, nullable=False),
        sa.Column("order_id", types.Text, nullable=False),
        sa.Column("document", types.Text, nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("paid_on", sa.Date(), nullable=False),
        sa.Column("units", sa.Integer(), nullable=False),
        sa.Column("amount", types.Money(), nullable=False),
        sa.Column("unit_price", types.ExactDecimal(), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_price_points_item_id")),
        sa.ForeignKeyConstraint(
            ["practice_id", "order_id"],
            ["purchase_orders.practice_id", "purchase_orders.id"],
            name=op.f("fk_price_points_practice_id_order_id"),
        ),
        sa.ForeignKeyConstraint(
            ["practice_id"], ["practices.id"], name=op.f("fk_price_points_practice_id")
        ),
        sa.ForeignKeyConstraint(
            ["supplier_id"], ["suppliers.id"], name=op.f("fk_price_points_supplier_id")
        ),
        sa.PrimaryKeyConstraint("practice_id", "id", name=op.f("pk_price_points")),
        sa.UniqueConstraint(
            "practice_id",
            "order_id",
            "document",
            "line",
            name=op.f("uq_price_points_practice_id_order_id_document_line"),
        ),
    )
    with op.batch_alter_table("price_points", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_price_points_item_id_paid_on"), ["item_id", "paid_on"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_price_points_practice_id_paid_on_id"),
            ["practice_id", "paid_on", "id"],
            unique=False,
        )

    op.create_table(
        "saving_lines",
        sa.Column("practice_id", types.Text, nullable=False),
        sa.Column("id", types.Text, nullable=False),
        sa.Column("round_id", types.Text, nullable=False),
        sa.Column("order_id", types.Text, nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("item_id", types.Text, nullable=False),
        sa.Column("supplier_id", types.Text, nullable=False),
        sa.Column("category", types.Text, nullable=False),
        sa.Column("basis", types.Text, nullable=False),
        sa.Column("baseline_unit", types.ExactDecimal(), nullable=True),
        sa.Column("baseline", types.Money(), nullable=False),
        sa.Column("planned", types.Money(), nullable=False),
        sa.Column("invoiced_baseline", types.Money(), nullable=False),
        sa.Column("invoiced", types.Money(), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_saving_lines_item_id")),
        sa.ForeignKeyConstraint(
            ["practice_id", "order_id"],
            ["purchase_orders.practice_id", "purchase_orders.id"],
            name=op.f("fk_saving_lines_practice_id_order_id"),
        ),
        sa.ForeignKeyConstraint(
            ["practice_id"], ["practices.id"], name=op.f("fk_saving_lines_practice_id")
        ),
        sa.ForeignKeyConstraint(
            ["round_id"], ["purchasing_rounds.id"], name=op.f("fk_saving_lines_round_id")
        ),
        sa.ForeignKeyConstraint(
            ["supplier_id"], ["suppliers.id"], name=op.f("fk_saving_lines_supplier_id")
        ),
        sa.PrimaryKeyConstraint("practice_id", "id", name=op.f("pk_saving_lines")),
        sa.UniqueConstraint(
            "practice_id",
            "order_id",
            "line",
            name=op.f("uq_saving_lines_practice_id_order_id_line"),
        ),
    )
    with op.batch_alter_table("saving_lines", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_saving_lines_practice_id_round_id_id"),
            ["practice_id", "round_id", "id"],
            unique=False,
        )


def downgrade() -> None:
    with op.batch_alter_table("saving_lines", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_saving_lines_practice_id_round_id_id"))

    op.drop_table("saving_lines")
    with op.batch_alter_table("price_points", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_price_points_practice_id_paid_on_id"))
        batch_op.drop_index(batch_op.f("ix_price_points_item_id_paid_on"))

    op.drop_table("price_points")
    with op.batch_alter_table("supplier_payments", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_supplier_payments_received_on_id"))

    op.drop_table("supplier_payments")
    op.drop_table("savings")
    with op.batch_alter_table("member_statements", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_member_statements_practice_id_year_id"))

    op.drop_table("member_statements")
    op.drop_table("fee_agreements")
    with op.batch_alter_table("price_benchmarks", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_price_benchmarks_starts_on_id"))

    op.drop_table("price_benchmarks")
    op.drop_table("benchmark_quarters")
