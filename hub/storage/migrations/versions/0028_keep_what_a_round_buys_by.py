"""Keep a round's rules, the offers and terms it was locked with, and approved equivalents.

Revision 0028, after 0027.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub.storage.tables import base as types
from hub.storage.tables import triggers

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_round_offers()
    _create_round_suppliers()
    _create_approved_equivalents()
    with op.batch_alter_table("purchasing_plans", schema=None) as batch_op:
        batch_op.add_column(sa.Column("coalitions", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("better_alone", sa.Integer(), nullable=True))
    with op.batch_alter_table("purchasing_rounds", schema=None) as batch_op:
        rules = sa.Column("rules", types.Json, server_default="{}", nullable=False)
        batch_op.add_column(rules)
    _awards_once_per("practice_id", "plan_id", "item_id", "offer_id")


def downgrade() -> None:
    _awards_once_per("practice_id", "plan_id", "item_id")
    with op.batch_alter_table("purchasing_rounds", schema=None) as batch_op:
        batch_op.drop_column("rules")
    with op.batch_alter_table("purchasing_plans", schema=None) as batch_op:
        batch_op.drop_column("better_alone")
        batch_op.drop_column("coalitions")
    for table in ("approved_equivalents", "round_suppliers", "round_offers"):
        op.drop_table(table)
    connection = op.get_bind()
    for statement in triggers.statements(connection.dialect.name):
        connection.exec_driver_sql(statement)


def _create_round_offers() -> None:
    op.create_table(
        "round_offers",
        sa.Column("id", types.Text, nullable=False),
        sa.Column("round_id", types.Text, nullable=False),
        sa.Column("offer_id", types.Text, nullable=False),
        sa.Column("supplier_id", types.Text, nullable=False),
        sa.Column("item_id", types.Text, nullable=False),
        sa.Column("vendor_part", types.Text, nullable=False),
        sa.Column("pack_units", sa.Integer(), nullable=False),
        sa.Column("pack_unit_code", types.Text, nullable=False),
        sa.Column("tier_type", types.Text, nullable=False),
        sa.Column("tiers", types.Json, nullable=False),
        sa.Column("max_packs", sa.Integer(), nullable=True),
        sa.Column("multiple", sa.Integer(), nullable=False),
        sa.Column("contract", types.Text, nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=True),
        sa.Column("frozen_at", types.Timestamp(), nullable=False),
        sa.Column("changed_at", types.Timestamp(), nullable=True),
        sa.Column("difference", types.Text, nullable=False),
        *_references("round_offers", "items", "offers", "purchasing_rounds", "suppliers"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_round_offers")),
        sa.UniqueConstraint("round_id", "offer_id", name=op.f("uq_round_offers_round_id_offer_id")),
    )
    with op.batch_alter_table("round_offers", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_round_offers_offer_id"), ["offer_id"], unique=False)


def _create_round_suppliers() -> None:
    op.create_table(
        "round_suppliers",
        sa.Column("id", types.Text, nullable=False),
        sa.Column("round_id", types.Text, nullable=False),
        sa.Column("supplier_id", types.Text, nullable=False),
        sa.Column("min_order", types.Money(), nullable=False),
        sa.Column("shipping_fee", types.Money(), nullable=False),
        sa.Column("free_shipping_from", types.Money(), nullable=True),
        sa.Column("rebates", types.Json, nullable=False),
        sa.Column("related_party", sa.Boolean(), nullable=False),
        sa.Column("frozen_at", types.Timestamp(), nullable=False),
        sa.Column("changed_at", types.Timestamp(), nullable=True),
        sa.Column("difference", types.Text, nullable=False),
        *_references("round_suppliers", "purchasing_rounds", "suppliers"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_round_suppliers")),
        sa.UniqueConstraint(
            "round_id", "supplier_id", name=op.f("uq_round_suppliers_round_id_supplier_id")
        ),
    )
    with op.batch_alter_table("round_suppliers", schema=None) as batch_op:
        name = batch_op.f("ix_round_suppliers_supplier_id")
        batch_op.create_index(name, ["supplier_id"], unique=False)


def _create_approved_equivalents() -> None:
    op.create_table(
        "approved_equivalents",
        sa.Column("practice_id", types.Text, nullable=False),
        sa.Column("id", types.Text, nullable=False),
        sa.Column("item_id", types.Text, nullable=False),
        sa.Column("equivalent_id", types.Text, nullable=False),
        sa.Column("why", types.Text, nullable=False),
        sa.Column("approved_by", types.Text, nullable=False),
        sa.Column("approved_at", types.Timestamp(), nullable=False),
        sa.Column("withdrawn_by", types.Text, nullable=False),
        sa.Column("withdrawn_at", types.Timestamp(), nullable=True),
        sa.ForeignKeyConstraint(
            ["equivalent_id"],
            ["items.id"],
            name=op.f("fk_approved_equivalents_equivalent_id"),
        ),
        *_references("approved_equivalents", "items", "practices"),
        sa.PrimaryKeyConstraint("practice_id", "id", name=op.f("pk_approved_equivalents")),
    )
    with op.batch_alter_table("approved_equivalents", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_approved_equivalents_practice_id_item_id_id"),
            ["practice_id", "item_id", "id"],
            unique=False,
        )


def _references(table: str, *others: str) -> list[sa.ForeignKeyConstraint]:
    columns = {
        "items": "item_id",
        "offers": "offer_id",
        "practices": "practice_id",
        "purchasing_rounds": "round_id",
        "suppliers": "supplier_id",
    }
    return [
        sa.ForeignKeyConstraint(
            [columns[other]], [f"{other}.id"], name=op.f(f"fk_{table}_{columns[other]}")
        )
        for other in others
    ]


def _awards_once_per(*columns: str) -> None:
    """Awards are unique by these columns; where lines may be split, by the offer too."""
    wide = "uq_plan_awards_practice_id_plan_id_item_id_offer_id"
    narrow = "uq_plan_awards_practice_id_plan_id_item_id"
    old, new = (narrow, wide) if "offer_id" in columns else (wide, narrow)
    with op.batch_alter_table("plan_awards", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f(old), type_="unique")
        batch_op.create_unique_constraint(batch_op.f(new), list(columns))
