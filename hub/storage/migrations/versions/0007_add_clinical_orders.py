"""Add clinical orders.

Revision 0007, after 0006.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub.storage.tables import base as types

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "clinical_orders",
        sa.Column("practice_id", types.Text, nullable=False),
        sa.Column("id", types.Text, nullable=False),
        sa.Column("patient_id", types.Text, nullable=False),
        sa.Column("encounter_id", types.Text, nullable=True),
        sa.Column("provider_id", types.Text, nullable=True),
        sa.Column("replaces_id", types.Text, nullable=True),
        sa.Column("placer_number", types.Text, nullable=False),
        sa.Column("filler_number", types.Text, nullable=False),
        sa.Column("group_number", types.Text, nullable=False),
        sa.Column("status", types.Text, nullable=False),
        sa.Column("code", types.Text, nullable=False),
        sa.Column("code_system", types.Text, nullable=False),
        sa.Column("name", types.Text, nullable=False),
        sa.Column("priority", types.Text, nullable=False),
        sa.Column("ordered_at", types.Timestamp(), nullable=False),
        sa.Column("starts_at", types.Timestamp(), nullable=True),
        sa.Column("ends_at", types.Timestamp(), nullable=True),
        sa.Column("reason", types.Text, nullable=False),
        sa.Column("note", types.Text, nullable=False),
        sa.Column("connection_id", types.Text, nullable=True),
        sa.Column("external_id", types.Text, nullable=False),
        sa.Column("content_hash", types.Text, nullable=False),
        sa.Column("occurred_at", types.Timestamp(), nullable=True),
        sa.Column("received_at", types.Timestamp(), nullable=True),
        sa.Column("inbox_id", types.Text, nullable=True),
        sa.ForeignKeyConstraint(
            ["connection_id"], ["connections.id"], name=op.f("fk_clinical_orders_connection_id")
        ),
        sa.ForeignKeyConstraint(
            ["practice_id", "encounter_id"],
            ["encounters.practice_id", "encounters.id"],
            name=op.f("fk_clinical_orders_practice_id_encounter_id"),
        ),
        sa.ForeignKeyConstraint(
            ["practice_id", "patient_id"],
            ["patients.practice_id", "patients.id"],
            name=op.f("fk_clinical_orders_practice_id_patient_id"),
        ),
        sa.ForeignKeyConstraint(
            ["practice_id", "provider_id"],
            ["providers.practice_id", "providers.id"],
            name=op.f("fk_clinical_orders_practice_id_provider_id"),
        ),
        sa.ForeignKeyConstraint(
            ["practice_id", "replaces_id"],
            ["clinical_orders.practice_id", "clinical_orders.id"],
            name=op.f("fk_clinical_orders_practice_id_replaces_id"),
        ),
        sa.ForeignKeyConstraint(
            ["practice_id"], ["practices.id"], name=op.f("fk_clinical_orders_practice_id")
        ),
        sa.PrimaryKeyConstraint("practice_id", "id", name=op.f("pk_clinical_orders")),
        sa.UniqueConstraint(
            "practice_id",
            "connection_id",
            "external_id",
            name=op.f("uq_clinical_orders_practice_id_connection_id_external_id"),
        ),
    )
    with op.batch_alter_table("clinical_orders") as batch_op:
        batch_op.create_index(
            batch_op.f("ix_clinical_orders_practice_id_connection_id_filler_number"),
            ["practice_id", "connection_id", "filler_number"],
        )
        batch_op.create_index(
            batch_op.f("ix_clinical_orders_practice_id_connection_id_placer_number"),
            ["practice_id", "connection_id", "placer_number"],
        )
        batch_op.create_index(
            batch_op.f("ix_clinical_orders_practice_id_encounter_id_ordered_at_id"),
            ["practice_id", "encounter_id", "ordered_at", "id"],
        )
        batch_op.create_index(
            batch_op.f("ix_clinical_orders_practice_id_ordered_at_id"),
            ["practice_id", "ordered_at", "id"],
        )
        batch_op.create_index(
            batch_op.f("ix_clinical_orders_practice_id_patient_id_ordered_at_id"),
            ["practice_id", "patient_id", "ordered_at", "id"],
        )

    with op.batch_alter_table("observations") as batch_op:
        batch_op.add_column(sa.Column("order_id", types.Text, nullable=True))
        batch_op.create_index(
            batch_op.f("ix_observations_practice_id_order_id_observed_at_id"),
            ["practice_id", "order_id", "observed_at", "id"],
        )
        batch_op.create_foreign_key(
            batch_op.f("fk_observations_practice_id_order_id"),
            "clinical_orders",
            ["practice_id", "order_id"],
            ["practice_id", "id"],
        )


def downgrade() -> None:
    with op.batch_alter_table("observations") as batch_op:
        batch_op.drop_constraint(
            batch_op.f("fk_observations_practice_id_order_id"), type_="foreignkey"
        )
        batch_op.drop_index(batch_op.f("ix_observations_practice_id_order_id_observed_at_id"))
        batch_op.drop_column("order_id")

    with op.batch_alter_table("clinical_orders") as batch_op:
        batch_op.drop_index(batch_op.f("ix_clinical_orders_practice_id_patient_id_ordered_at_id"))
        batch_op.drop_index(batch_op.f("ix_clinical_orders_practice_id_ordered_at_id"))
        batch_op.drop_index(batch_op.f("ix_clinical_orders_practice_id_encounter_id_ordered_at_id"))
        batch_op.drop_index(
            batch_op.f("ix_clinical_orders_practice_id_connection_id_placer_number")
        )
        batch_op.drop_index(
            batch_op.f("ix_clinical_orders_practice_id_connection_id_filler_number")
        )

    op.drop_table("clinical_orders")
