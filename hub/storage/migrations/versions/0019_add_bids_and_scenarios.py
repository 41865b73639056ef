"""Add sealed bids, scenarios and checkpoints of solves.

Revision 0019, after 0018.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub.storage.tables import base as types

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "solve_checkpoints",
        sa.Column("subject", types.Text, nullable=False),
        sa.Column("demand_digest", types.Text, nullable=False),
        sa.Column("choices", types.Json, nullable=False),
        sa.Column("saved_at", types.Timestamp(), nullable=False),
        sa.PrimaryKeyConstraint("subject", name=op.f("pk_solve_checkpoints")),
    )
    op.create_table(
        "purchasing_scenarios",
        sa.Column("id", types.Text, nullable=False),
        sa.Column("round_id", types.Text, nullable=False),
        sa.Column("name", types.Text, nullable=False),
        sa.Column("changes", types.Json, nullable=False),
        sa.Column("summary", types.Text, nullable=False),
        sa.Column("state", types.Text, nullable=False),
        sa.Column("plan_version", sa.Integer(), nullable=False),
        sa.Column("demand_digest", types.Text, nullable=False),
        sa.Column("solver_status", types.Text, nullable=False),
        sa.Column("explanation", types.Text, nullable=False),
        sa.Column("base_cost", types.Money(), nullable=True),
        sa.Column("standalone_cost", types.Money(), nullable=True),
        sa.Column("pooled_cost", types.Money(), nullable=True),
        sa.Column("lower_bound", types.Money(), nullable=True),
        sa.Column("difference", types.Money(), nullable=True),
        sa.Column("gap", types.ExactDecimal(), nullable=True),
        sa.Column("suppliers", sa.Integer(), nullable=True),
        sa.Column("orders", sa.Integer(), nullable=True),
        sa.Column("document", types.Json, nullable=True),
        sa.Column("created_by", types.Text, nullable=False),
        sa.Column("created_at", types.Timestamp(), nullable=False),
        sa.Column("solved_at", types.Timestamp(), nullable=True),
        sa.ForeignKeyConstraint(
            ["round_id"], ["purchasing_rounds.id"], name=op.f("fk_purchasing_scenarios_round_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_purchasing_scenarios")),
        sa.UniqueConstraint("round_id", "name", name=op.f("uq_purchasing_scenarios_round_id_name")),
    )
    op.create_table(
        "scenario_shares",
        sa.Column("practice_id", types.Text, nullable=False),
        sa.Column("id", types.Text, nullable=False),
        sa.Column("scenario_id", types.Text, nullable=False),
        sa.Column("standalone_cost", types.Money(), nullable=True),
        sa.Column("pays", types.Money(), nullable=False),
        sa.Column("saving", types.Money(), nullable=True),
        sa.ForeignKeyConstraint(
            ["practice_id"], ["practices.id"], name=op.f("fk_scenario_shares_practice_id")
        ),
        sa.ForeignKeyConstraint(
            ["scenario_id"],
            ["purchasing_scenarios.id"],
            name=op.f("fk_scenario_shares_scenario_id"),
        ),
        sa.PrimaryKeyConstraint("practice_id", "id", name=op.f("pk_scenario_shares")),
        sa.UniqueConstraint(
            "practice_id", "scenario_id", name=op.f("uq_scenario_shares_practice_id_scenario_id")
        ),
    )
    with op.batch_alter_table("scenario_shares", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_scenario_shares_scenario_id"), ["scenario_id"], unique=False
        )

    op.create_table(
        "bid_invitations",
        sa.Column("id", types.Text, nullable=False),
        sa.Column("round_id", types.Text, nullable=False),
        sa.Column("supplier_id", types.Text, nullable=False),
        sa.Column("bid_round", sa.Integer(), nullable=False),
        sa.Column("deadline", types.Timestamp(), nullable=False),
        sa.Column("state", types.Text, nullable=False),
        sa.Column("invited_by", types.Text, nullable=False),
        sa.Column("invited_at", types.Timestamp(), nullable=False),
        sa.ForeignKeyConstraint(
            ["round_id"], ["purchasing_rounds.id"], name=op.f("fk_bid_invitations_round_id")
        ),
        sa.ForeignKeyConstraint(
            ["supplier_id"], ["suppliers.id"], name=op.f("fk_bid_invitations_supplier_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bid_invitations")),
        sa.UniqueConstraint(
            "round_id",
            "bid_round",
            "supplier_id",
            name=op.f("uq_bid_invitations_round_id_bid_round_supplier_id"),
        ),
    )
    op.create_table(
        "bids",
        sa.Column("id", types.Text, nullable=False),
        sa.Column("invitation_id", types.Text, nullable=False),
        sa.Column("document", types.Text, nullable=False),
        sa.Column("digest", types.Text, nullable=False),
        sa.Column("line_count", sa.Integer(), nullable=False),
        sa.Column("state", types.Text, nullable=False),
        sa.Column("channel", types.Text, nullable=False),
        sa.Column("received_by", types.Text, nullable=False),
        sa.Column("received_at", types.Timestamp(), nullable=False),
        sa.Column("opened_at", types.Timestamp(), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["invitation_id"], ["bid_invitations.id"], name=op.f("fk_bids_invitation_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bids")),
    )
    with op.batch_alter_table("bids", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_bids_invitation_id_received_at_id"),
            ["invitation_id", "received_at", "id"],
            unique=False,
        )

    with op.batch_alter_table("offers", schema=None) as batch_op:
        batch_op.add_column(sa.Column("contract", types.Text, server_default="", nullable=False))
        batch_op.add_column(sa.Column("round_id", types.Text, nullable=True))
        batch_op.create_foreign_key(
            batch_op.f("fk_offers_round_id"), "purchasing_rounds", ["round_id"], ["id"]
        )


def downgrade() -> None:
    with op.batch_alter_table("offers", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("fk_offers_round_id"), type_="foreignkey")
        batch_op.drop_column("round_id")
        batch_op.drop_column("contract")

    with op.batch_alter_table("bids", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_bids_invitation_id_received_at_id"))

    op.drop_table("bids")
    op.drop_table("bid_invitations")
    with op.batch_alter_table("scenario_shares", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_scenario_shares_scenario_id"))

    op.drop_table("scenario_shares")
    op.drop_table("purchasing_scenarios")
    op.drop_table("solve_checkpoints")
