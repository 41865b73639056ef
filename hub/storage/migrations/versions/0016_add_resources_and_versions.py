"""Add what appointments take up and what results said before.

Revision 0016, after 0015.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub.storage.tables import base as types

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "appointment_resources",
        sa.Column("practice_id", types.Text, nullable=False),
        sa.Column("id", types.Text, nullable=False),
        sa.Column("appointment_id", types.Text, nullable=False),
        sa.Column("provider_id", types.Text, nullable=True),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("kind", types.Text, nullable=False),
        sa.Column("code", types.Text, nullable=False),
        sa.Column("name", types.Text, nullable=False),
        sa.Column("role", types.Text, nullable=False),
        sa.Column("starts_at", types.Timestamp(), nullable=True),
        sa.Column("minutes", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["practice_id", "appointment_id"],
            ["appointments.practice_id", "appointments.id"],
            name=op.f("fk_appointment_resources_practice_id_appointment_id"),
        ),
        sa.ForeignKeyConstraint(
            ["practice_id", "provider_id"],
            ["providers.practice_id", "providers.id"],
            name=op.f("fk_appointment_resources_practice_id_provider_id"),
        ),
        sa.ForeignKeyConstraint(
            ["practice_id"], ["practices.id"], name=op.f("fk_appointment_resources_practice_id")
        ),
        sa.PrimaryKeyConstraint("practice_id", "id", name=op.f("pk_appointment_resources")),
    )
    with op.batch_alter_table("appointment_resources") as batch_op:
        batch_op.create_index(
            batch_op.f("ix_appointment_resources_practice_id_appointment_id_position_id"),
            ["practice_id", "appointment_id", "position", "id"],
        )

    op.create_table(
        "observation_versions",
        sa.Column("practice_id", types.Text, nullable=False),
        sa.Column("id", types.Text, nullable=False),
        sa.Column("observation_id", types.Text, nullable=False),
        sa.Column("status", types.Text, nullable=False),
        sa.Column("value_text", types.Text, nullable=False),
        sa.Column("value_number", types.ExactDecimal(), nullable=True),
        sa.Column("unit", types.Text, nullable=False),
        sa.Column("reference_range", types.Text, nullable=False),
        sa.Column("abnormal_flags", types.Text, nullable=False),
        sa.Column("note", types.Text, nullable=False),
        sa.Column("observed_at", types.Timestamp(), nullable=False),
        sa.Column("received_at", types.Timestamp(), nullable=True),
        sa.Column("replaced_at", types.Timestamp(), nullable=False),
        sa.Column("inbox_id", types.Text, nullable=True),
        sa.ForeignKeyConstraint(
            ["practice_id", "observation_id"],
            ["observations.practice_id", "observations.id"],
            name=op.f("fk_observation_versions_practice_id_observation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["practice_id"], ["practices.id"], name=op.f("fk_observation_versions_practice_id")
        ),
        sa.PrimaryKeyConstraint("practice_id", "id", name=op.f("pk_observation_versions")),
    )
    with op.batch_alter_table("observation_versions") as batch_op:
        batch_op.create_index(
            batch_op.f("ix_observation_versions_practice_id_observation_id_replaced_at_id"),
            ["practice_id", "observation_id", "replaced_at", "id"],
        )

    with op.batch_alter_table("appointments") as batch_op:
        batch_op.add_column(sa.Column("type_code", types.Text, server_default="", nullable=False))
        batch_op.add_column(sa.Column("note", types.Text, server_default="", nullable=False))

    with op.batch_alter_table("observations") as batch_op:
        batch_op.add_column(sa.Column("value_code", types.Text, server_default="", nullable=False))
        batch_op.add_column(
            sa.Column("value_code_system", types.Text, server_default="", nullable=False)
        )
        batch_op.add_column(sa.Column("method", types.Text, server_default="", nullable=False))
        batch_op.add_column(sa.Column("specimen", types.Text, server_default="", nullable=False))
        batch_op.add_column(sa.Column("performer", types.Text, server_default="", nullable=False))
        batch_op.add_column(
            sa.Column("parent_report_key", types.Text, server_default="", nullable=False)
        )
        batch_op.add_column(sa.Column("parent_code", types.Text, server_default="", nullable=False))


def downgrade() -> None:
    with op.batch_alter_table("observations") as batch_op:
        batch_op.drop_column("parent_code")
        batch_op.drop_column("parent_report_key")
        batch_op.drop_column("performer")
        batch_op.drop_column("specimen")
        batch_op.drop_column("method")
        batch_op.drop_column("value_code_system")
        batch_op.drop_column("value_code")

    with op.batch_alter_table("appointments") as batch_op:
        batch_op.drop_column("note")
        batch_op.drop_column("type_code")

    with op.batch_alter_table("observation_versions") as batch_op:
        batch_op.drop_index(
            batch_op.f("ix_observation_versions_practice_id_observation_id_replaced_at_id")
        )

    op.drop_table("observation_versions")
    with op.batch_alter_table("appointment_resources") as batch_op:
        batch_op.drop_index(
            batch_op.f("ix_appointment_resources_practice_id_appointment_id_position_id")
        )

    op.drop_table("appointment_resources")
