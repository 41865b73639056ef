"""Add immunizations.

Revision 0012, after 0011.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub.storage.tables import base as types

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "immunizations",
        sa.Column("practice_id", types.Text, nullable=False),
        sa.Column("id", types.Text, nullable=False),
        sa.Column("patient_id", types.Text, nullable=False),
        sa.Column("encounter_id", types.Text, nullable=True),
        sa.Column("provider_id", types.Text, nullable=True),
        sa.Column("status", types.Text, nullable=False),
        sa.Column("administered_on", sa.Date(), nullable=False),
        sa.Column("administered_at", types.Timestamp(), nullable=True),
        sa.Column("vaccine_code", types.Text, nullable=False),
        sa.Column("vaccine_system", types.Text, nullable=False),
        sa.Column("vaccine_name", types.Text, nullable=False),
        sa.Column("historical", sa.Boolean(), nullable=True),
        sa.Column("amount", types.ExactDecimal(), nullable=True),
        sa.Column("unit", types.Text, nullable=False),
        sa.Column("lot_number", types.Text, nullable=False),
        sa.Column("expires_on", sa.Date(), nullable=True),
        sa.Column("manufacturer_code", types.Text, nullable=False),
        sa.Column("manufacturer_name", types.Text, nullable=False),
        sa.Column("refusal_code", types.Text, nullable=False),
        sa.Column("refusal_reason", types.Text, nullable=False),
        sa.Column("route_code", types.Text, nullable=False),
        sa.Column("site_code", types.Text, nullable=False),
        sa.Column("funding_code", types.Text, nullable=False),
        sa.Column("note", types.Text, nullable=False),
        sa.Column("connection_id", types.Text, nullable=True),
        sa.Column("external_id", types.Text, nullable=False),
        sa.Column("content_hash", types.Text, nullable=False),
        sa.Column("occurred_at", types.Timestamp(), nullable=True),
        sa.Column("received_at", types.Timestamp(), nullable=True),
        sa.Column("inbox_id", types.Text, nullable=True),
        sa.ForeignKeyConstraint(
            ["connection_id"], ["connections.id"], name=op.f("fk_immunizations_connection_id")
        ),
        sa.ForeignKeyConstraint(
            ["practice_id", "encounter_id"],
            ["encounters.practice_id", "encounters.id"],
            name=op.f("fk_immunizations_practice_id_encounter_id"),
        ),
        sa.ForeignKeyConstraint(
            ["practice_id", "patient_id"],
            ["patients.practice_id", "patients.id"],
            name=op.f("fk_immunizations_practice_id_patient_id"),
        ),
        sa.ForeignKeyConstraint(
            ["practice_id", "provider_id"],
            ["providers.practice_id", "providers.id"],
            name=op.f("fk_immunizations_practice_id_provider_id"),
        ),
        sa.ForeignKeyConstraint(
            ["practice_id"], ["practices.id"], name=op.f("fk_immunizations_practice_id")
        ),
        sa.PrimaryKeyConstraint("practice_id", "id", name=op.f("pk_immunizations")),
        sa.UniqueConstraint(
            "practice_id",
            "connection_id",
            "external_id",
            name=op.f("uq_immunizations_practice_id_connection_id_external_id"),
        ),
    )
    with op.batch_alter_table("immunizations") as batch_op:
        batch_op.create_index(
            batch_op.f("ix_immunizations_practice_id_administered_on_id"),
            ["practice_id", "administered_on", "id"],
        )
        batch_op.create_index(
            batch_op.f("ix_immunizations_practice_id_encounter_id_administered_on_id"),
            ["practice_id", "encounter_id", "administered_on", "id"],
        )
        batch_op.create_index(
            batch_op.f("ix_immunizations_practice_id_patient_id_administered_on_id"),
            ["practice_id", "patient_id", "administered_on", "id"],
        )


def downgrade() -> None:
    with op.batch_alter_table("immunizations") as batch_op:
        batch_op.drop_index(
            batch_op.f("ix_immunizations_practice_id_patient_id_administered_on_id")
        )
        batch_op.drop_index(
            batch_op.f("ix_immunizations_practice_id_encounter_id_administered_on_id")
        )
        batch_op.drop_index(batch_op.f("ix_immunizations_practice_id_administered_on_id"))

    op.drop_table("immunizations")
