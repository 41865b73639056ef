"""Add the stays of visits and what their admission says.

Revision 0006, after 0005.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub.storage.tables import base as types

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "encounter_stays",
        sa.Column("practice_id", types.Text, nullable=False),
        sa.Column("id", types.Text, nullable=False),
        sa.Column("encounter_id", types.Text, nullable=False),
        sa.Column("kind", types.Text, nullable=False),
        sa.Column("location", types.Text, nullable=False),
        sa.Column("starts_at", types.Timestamp(), nullable=False),
        sa.Column("ends_at", types.Timestamp(), nullable=True),
        sa.Column("cancelled", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["practice_id", "encounter_id"],
            ["encounters.practice_id", "encounters.id"],
            name=op.f("fk_encounter_stays_practice_id_encounter_id"),
        ),
        sa.ForeignKeyConstraint(
            ["practice_id"], ["practices.id"], name=op.f("fk_encounter_stays_practice_id")
        ),
        sa.PrimaryKeyConstraint("practice_id", "id", name=op.f("pk_encounter_stays")),
    )
    with op.batch_alter_table("encounter_stays") as batch_op:
        batch_op.create_index(
            batch_op.f("ix_encounter_stays_practice_id_encounter_id_starts_at_id"),
            ["practice_id", "encounter_id", "starts_at", "id"],
        )

    with op.batch_alter_table("encounters") as batch_op:
        batch_op.add_column(
            sa.Column("admission_type", types.Text, server_default="", nullable=False)
        )
        batch_op.add_column(
            sa.Column("hospital_service", types.Text, server_default="", nullable=False)
        )
        batch_op.add_column(
            sa.Column("admit_source", types.Text, server_default="", nullable=False)
        )
        batch_op.add_column(sa.Column("reason", types.Text, server_default="", nullable=False))
        batch_op.add_column(sa.Column("preceded_by_id", types.Text, nullable=True))
        batch_op.create_foreign_key(
            batch_op.f("fk_encounters_practice_id_preceded_by_id"),
            "encounters",
            ["practice_id", "preceded_by_id"],
            ["practice_id", "id"],
        )


def downgrade() -> None:
    with op.batch_alter_table("encounters") as batch_op:
        batch_op.drop_constraint(
            batch_op.f("fk_encounters_practice_id_preceded_by_id"), type_="foreignkey"
        )
        batch_op.drop_column("preceded_by_id")
        batch_op.drop_column("reason")
        batch_op.drop_column("admit_source")
        batch_op.drop_column("hospital_service")
        batch_op.drop_column("admission_type")

    with op.batch_alter_table("encounter_stays") as batch_op:
        batch_op.drop_index(batch_op.f("ix_encounter_stays_practice_id_encounter_id_starts_at_id"))

    op.drop_table("encounter_stays")
