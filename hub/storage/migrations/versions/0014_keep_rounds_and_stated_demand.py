"""Keep the history of purchasing rounds, and demand as it was stated.

Revision 0014, after 0013.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub.storage.tables import base as types
from hub.storage.tables import triggers

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "item_matches",
        sa.Column("practice_id", types.Text, nullable=False),
        sa.Column("id", types.Text, nullable=False),
        sa.Column("said", types.Text, nullable=False),
        sa.Column("item_id", types.Text, nullable=False),
        sa.Column("decision", types.Text, nullable=False),
        sa.Column("decided_by", types.Text, nullable=False),
        sa.Column("decided_at", types.Timestamp(), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_item_matches_item_id")),
        sa.ForeignKeyConstraint(
            ["practice_id"], ["practices.id"], name=op.f("fk_item_matches_practice_id")
        ),
        sa.PrimaryKeyConstraint("practice_id", "id", name=op.f("pk_item_matches")),
        sa.UniqueConstraint(
            "practice_id", "said", "item_id", name=op.f("uq_item_matches_practice_id_said_item_id")
        ),
    )
    op.create_table(
        "item_packs",
        sa.Column("id", types.Text, nullable=False),
        sa.Column("item_id", types.Text, nullable=False),
        sa.Column("unit", types.Text, nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("of_unit", types.Text, nullable=False),
        sa.Column("gtin", types.Text, nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_item_packs_item_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_item_packs")),
        sa.UniqueConstraint("item_id", "unit", name=op.f("uq_item_packs_item_id_unit")),
    )
    op.create_table(
        "item_usages",
        sa.Column("practice_id", types.Text, nullable=False),
        sa.Column("id", types.Text, nullable=False),
        sa.Column("item_id", types.Text, nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("units", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_item_usages_item_id")),
        sa.ForeignKeyConstraint(
            ["practice_id"], ["practices.id"], name=op.f("fk_item_usages_practice_id")
        ),
        sa.PrimaryKeyConstraint("practice_id", "id", name=op.f("pk_item_usages")),
        sa.UniqueConstraint(
            "practice_id",
            "item_id",
            "starts_on",
            name=op.f("uq_item_usages_practice_id_item_id_starts_on"),
        ),
    )
    op.create_table(
        "par_levels",
        sa.Column("practice_id", types.Text, nullable=False),
        sa.Column("id", types.Text, nullable=False),
        sa.Column("item_id", types.Text, nullable=False),
        sa.Column("par_units", sa.Integer(), nullable=False),
        sa.Column("on_hand_units", sa.Integer(), nullable=True),
        sa.Column("counted_on", sa.Date(), nullable=True),
        sa.Column("updated_at", types.Timestamp(), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_par_levels_item_id")),
        sa.ForeignKeyConstraint(
            ["practice_id"], ["practices.id"], name=op.f("fk_par_levels_practice_id")
        ),
        sa.PrimaryKeyConstraint("practice_id", "id", name=op.f("pk_par_levels")),
        sa.UniqueConstraint(
            "practice_id", "item_id", name=op.f("uq_par_levels_practice_id_item_id")
        ),
    )
    op.create_table(
        "purchasing_decisions",
        sa.Column("practice_id", types.Text, nullable=False),
        sa.Column("id", types.Text, nullable=False),
        sa.Column("round_id", types.Text, nullable=False),
        sa.Column("plan_version", sa.Integer(), nullable=False),
        sa.Column("plan_digest", types.Text, nullable=False),
        sa.Column("decision", types.Text, nullable=False),
        sa.Column("why", types.Text, nullable=False),
        sa.Column("decided_by", types.Text, nullable=False),
        sa.Column("decided_at", types.Timestamp(), nullable=False),
        sa.ForeignKeyConstraint(
            ["practice_id"], ["practices.id"], name=op.f("fk_purchasing_decisions_practice_id")
        ),
        sa.ForeignKeyConstraint(
            ["round_id"], ["purchasing_rounds.id"], name=op.f("fk_purchasing_decisions_round_id")
        ),
        sa.PrimaryKeyConstraint("practice_id", "id", name=op.f("pk_purchasing_decisions")),
    )
    with op.batch_alter_table("purchasing_decisions", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_purchasing_decisions_practice_id_round_id_decided_at_id"),
            ["practice_id", "round_id", "decided_at", "id"],
            unique=False,
        )

    op.create_table(
        "purchasing_participations",
        sa.Column("practice_id", types.Text, nullable=False),
        sa.Column("id", types.Text, nullable=False),
        sa.Column("round_id", types.Text, nullable=False),
        sa.Column("takes_part", sa.Boolean(), nullable=False),
        sa.Column("why", types.Text, nullable=False),
        sa.Column("decided_by", types.Text, nullable=False),
        sa.Column("decided_at", types.Timestamp(), nullable=False),
        sa.ForeignKeyConstraint(
            ["practice_id"], ["practices.id"], name=op.f("fk_purchasing_participations_practice_id")
        ),
        sa.ForeignKeyConstraint(
            ["round_id"],
            ["purchasing_rounds.id"],
            name=op.f("fk_purchasing_participations_round_id"),
        ),
        sa.PrimaryKeyConstraint("practice_id", "id", name=op.f("pk_purchasing_participations")),
        sa.UniqueConstraint(
            "practice_id",
            "round_id",
            name=op.f("uq_purchasing_participations_practice_id_round_id"),
        ),
    )
    op.create_table(
        "purchasing_plans",
        sa.Column("id", types.Text, nullable=False),
        sa.Column("round_id", types.Text, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("digest", types.Text, nullable=False),
        sa.Column("demand_digest", types.Text, nullable=False),
        sa.Column("solver_status", types.Text, nullable=False),
        sa.Column("standalone_cost", types.Money(), nullable=True),
        sa.Column("greedy_cost", types.Money(), nullable=True),
        sa.Column("pooled_cost", types.Money(), nullable=True),
        sa.Column("lower_bound", types.Money(), nullable=True),
        sa.Column("gap", types.ExactDecimal(), nullable=True),
        sa.Column("explanation", types.Text, nullable=False),
        sa.Column("document", types.Json, nullable=False),
        sa.Column("created_at", types.Timestamp(), nullable=False),
        sa.ForeignKeyConstraint(
            ["round_id"], ["purchasing_rounds.id"], name=op.f("fk_purchasing_plans_round_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_purchasing_plans")),
        sa.UniqueConstraint(
            "round_id", "version", name=op.f("uq_purchasing_plans_round_id_version")
        ),
    )
    op.create_table(
        "purchasing_steps",
        sa.Column("id", types.Text, nullable=False),
        sa.Column("round_id", types.Text, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("step", types.Text, nullable=False),
        sa.Column("from_status", types.Text, nullable=False),
        sa.Column("to_status", types.Text, nullable=False),
        sa.Column("plan_version", sa.Integer(), nullable=False),
        sa.Column("taken_by", types.Text, nullable=False),
        sa.Column("why", types.Text, nullable=False),
        sa.Column("taken_at", types.Timestamp(), nullable=False),
        sa.ForeignKeyConstraint(
            ["round_id"], ["purchasing_rounds.id"], name=op.f("fk_purchasing_steps_round_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_purchasing_steps")),
        sa.UniqueConstraint("round_id", "number", name=op.f("uq_purchasing_steps_round_id_number")),
    )
    op.create_table(
        "plan_shares",
        sa.Column("practice_id", types.Text, nullable=False),
        sa.Column("id", types.Text, nullable=False),
        sa.Column("plan_id", types.Text, nullable=False),
        sa.Column("standalone_cost", types.Money(), nullable=True),
        sa.Column("pays", types.Money(), nullable=False),
        sa.Column("saving", types.Money(), nullable=True),
        sa.ForeignKeyConstraint(
            ["plan_id"], ["purchasing_plans.id"], name=op.f("fk_plan_shares_plan_id")
        ),
        sa.ForeignKeyConstraint(
            ["practice_id"], ["practices.id"], name=op.f("fk_plan_shares_practice_id")
        ),
        sa.PrimaryKeyConstraint("practice_id", "id", name=op.f("pk_plan_shares")),
        sa.UniqueConstraint(
            "practice_id", "plan_id", name=op.f("uq_plan_shares_practice_id_plan_id")
        ),
    )
    with op.batch_alter_table("plan_shares", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_plan_shares_plan_id"), ["plan_id"], unique=False)

    op.create_table(
        "requisition_entries",
        sa.Column("practice_id", types.Text, nullable=False),
        sa.Column("id", types.Text, nullable=False),
        sa.Column("requisition_id", types.Text, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("source", types.Text, nullable=False),
        sa.Column("gtin", types.Text, nullable=False),
        sa.Column("manufacturer", types.Text, nullable=False),
        sa.Column("part", types.Text, nullable=False),
        sa.Column("description", types.Text, nullable=False),
        sa.Column("quantity", types.Text, nullable=False),
        sa.Column("unit", types.Text, nullable=False),
        sa.Column("state", types.Text, nullable=False),
        sa.Column("issue", types.Text, nullable=False),
        sa.Column("matched_by", types.Text, nullable=False),
        sa.Column("item_id", types.Text, nullable=True),
        sa.Column("units", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["item_id"], ["items.id"], name=op.f("fk_requisition_entries_item_id")
        ),
        sa.ForeignKeyConstraint(
            ["practice_id", "requisition_id"],
            ["requisitions.practice_id", "requisitions.id"],
            name=op.f("fk_requisition_entries_practice_id_requisition_id"),
        ),
        sa.ForeignKeyConstraint(
            ["practice_id"], ["practices.id"], name=op.f("fk_requisition_entries_practice_id")
        ),
        sa.PrimaryKeyConstraint("practice_id", "id", name=op.f("pk_requisition_entries")),
        sa.UniqueConstraint(
            "practice_id",
            "requisition_id",
            "number",
            name=op.f("uq_requisition_entries_practice_id_requisition_id_number"),
        ),
    )
    with op.batch_alter_table("requisition_entries", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_requisition_entries_practice_id_state_id"),
            ["practice_id", "state", "id"],
            unique=False,
        )

    op.create_table(
        "match_suggestions",
        sa.Column("practice_id", types.Text, nullable=False),
        sa.Column("id", types.Text, nullable=False),
        sa.Column("entry_id", types.Text, nullable=False),
        sa.Column("item_id", types.Text, nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("score", sa.Integer(), nullable=False),
        sa.Column("reasons", types.Json, nullable=False),
        sa.ForeignKeyConstraint(
            ["item_id"], ["items.id"], name=op.f("fk_match_suggestions_item_id")
        ),
        sa.ForeignKeyConstraint(
            ["practice_id", "entry_id"],
            ["requisition_entries.practice_id", "requisition_entries.id"],
            name=op.f("fk_match_suggestions_practice_id_entry_id"),
        ),
        sa.ForeignKeyConstraint(
            ["practice_id"], ["practices.id"], name=op.f("fk_match_suggestions_practice_id")
        ),
        sa.PrimaryKeyConstraint("practice_id", "id", name=op.f("pk_match_suggestions")),
        sa.UniqueConstraint(
            "practice_id",
            "entry_id",
            "rank",
            name=op.f("uq_match_suggestions_practice_id_entry_id_rank"),
        ),
    )
    op.create_table(
        "purchasing_exclusions",
        sa.Column("practice_id", types.Text, nullable=False),
        sa.Column("id", types.Text, nullable=False),
        sa.Column("round_id", types.Text, nullable=False),
        sa.Column("item_id", types.Text, nullable=True),
        sa.Column("supplier_id", types.Text, nullable=True),
        sa.Column("why", types.Text, nullable=False),
        sa.Column("decided_by", types.Text, nullable=False),
        sa.Column("decided_at", types.Timestamp(), nullable=False),
        sa.ForeignKeyConstraint(
            ["item_id"], ["items.id"], name=op.f("fk_purchasing_exclusions_item_id")
        ),
        sa.ForeignKeyConstraint(
            ["practice_id"], ["practices.id"], name=op.f("fk_purchasing_exclusions_practice_id")
        ),
        sa.ForeignKeyConstraint(
            ["round_id"], ["purchasing_rounds.id"], name=op.f("fk_purchasing_exclusions_round_id")
        ),
        sa.ForeignKeyConstraint(
            ["supplier_id"], ["suppliers.id"], name=op.f("fk_purchasing_exclusions_supplier_id")
        ),
        sa.PrimaryKeyConstraint("practice_id", "id", name=op.f("pk_purchasing_exclusions")),
    )
    with op.batch_alter_table("purchasing_exclusions", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_purchasing_exclusions_practice_id_round_id_id"),
            ["practice_id", "round_id", "id"],
            unique=False,
        )

    op.create_table(
        "plan_awards",
        sa.Column("practice_id", types.Text, nullable=False),
        sa.Column("id", types.Text, nullable=False),
        sa.Column("plan_id", types.Text, nullable=False),
        sa.Column("item_id", types.Text, nullable=False),
        sa.Column("supplier_id", types.Text, nullable=False),
        sa.Column("offer_id", types.Text, nullable=False),
        sa.Column("packs", sa.Integer(), nullable=False),
        sa.Column("units", sa.Integer(), nullable=False),
        sa.Column("price", types.Money(), nullable=False),
        sa.Column("amount", types.Money(), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_plan_awards_item_id")),
        sa.ForeignKeyConstraint(["offer_id"], ["offers.id"], name=op.f("fk_plan_awards_offer_id")),
        sa.ForeignKeyConstraint(
            ["plan_id"], ["purchasing_plans.id"], name=op.f("fk_plan_awards_plan_id")
        ),
        sa.ForeignKeyConstraint(
            ["practice_id"], ["practices.id"], name=op.f("fk_plan_awards_practice_id")
        ),
        sa.ForeignKeyConstraint(
            ["supplier_id"], ["suppliers.id"], name=op.f("fk_plan_awards_supplier_id")
        ),
        sa.PrimaryKeyConstraint("practice_id", "id", name=op.f("pk_plan_awards")),
        sa.UniqueConstraint(
            "practice_id",
            "plan_id",
            "item_id",
            name=op.f("uq_plan_awards_practice_id_plan_id_item_id"),
        ),
    )
    with op.batch_alter_table("purchasing_rounds", schema=None) as batch_op:
        batch_op.add_column(sa.Column("requisitions_until", types.Timestamp(), nullable=True))
        batch_op.add_column(
            sa.Column("categories", types.Json, server_default="[]", nullable=False)
        )
        batch_op.add_column(sa.Column("plan_digest", types.Text, server_default="", nullable=False))
        batch_op.drop_column("plan")
    connection = op.get_bind()  # SQLite made the table anew, without its triggers
    for statement in triggers.statements(connection.dialect.name):
        connection.exec_driver_sql(statement)


def downgrade() -> None:
    with op.batch_alter_table("purchasing_rounds", schema=None) as batch_op:
        batch_op.add_column(sa.Column("plan", types.Json, nullable=True))
        batch_op.drop_column("plan_digest")
        batch_op.drop_column("categories")
        batch_op.drop_column("requisitions_until")

    op.drop_table("plan_awards")
    with op.batch_alter_table("purchasing_exclusions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_purchasing_exclusions_practice_id_round_id_id"))

    op.drop_table("purchasing_exclusions")
    op.drop_table("match_suggestions")
    with op.batch_alter_table("requisition_entries", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_requisition_entries_practice_id_state_id"))

    op.drop_table("requisition_entries")
    with op.batch_alter_table("plan_shares", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_plan_shares_plan_id"))

    op.drop_table("plan_shares")
    op.drop_table("purchasing_steps")
    op.drop_table("purchasing_plans")
    op.drop_table("purchasing_participations")
    with op.batch_alter_table("purchasing_decisions", schema=None) as batch_op:
        batch_op.drop_index(
            batch_op.f("ix_purchasing_decisions_practice_id_round_id_decided_at_id")
        )

    op.drop_table("purchasing_decisions")
    op.drop_table("par_levels")
    op.drop_table("item_usages")
    op.drop_table("item_packs")
    op.drop_table("item_matches")
