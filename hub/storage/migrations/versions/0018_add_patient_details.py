"""Add the lists of patients and the diagnoses of visits.

Revision 0018, after 0017.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub.storage.tables import base as types

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "allergies",
        sa.Column("practice_id", types.Text, nullable=False),
        sa.Column("id", types.Text, nullable=False),
        sa.Column("type", types.Text, nullable=False),
        sa.Column("code", types.Text, nullable=False),
        sa.Column("name", types.Text, nullable=False),
        sa.Column("code_system", types.Text, nullable=False),
        sa.Column("severity", types.Text, nullable=False),
        sa.Column("reactions", types.Json, nullable=False),
        sa.Column("identified_on", sa.Date(), nullable=True),
        sa.Column("patient_id", types.Text, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["practice_id", "patient_id"],
            ["patients.practice_id", "patients.id"],
            name=op.f("fk_allergies_practice_id_patient_id"),
        ),
        sa.ForeignKeyConstraint(
            ["practice_id"], ["practices.id"], name=op.f("fk_allergies_practice_id")
        ),
        sa.PrimaryKeyConstraint("practice_id", "id", name=op.f("pk_allergies")),
    )
    with op.batch_alter_table("allergies") as batch_op:
        batch_op.create_index(
            batch_op.f("ix_allergies_practice_id_patient_id_position_id"),
            ["practice_id", "patient_id", "position", "id"],
        )

    op.create_table(
        "guarantors",
        sa.Column("practice_id", types.Text, nullable=False),
        sa.Column("id", types.Text, nullable=False),
        sa.Column("number", types.Text, nullable=False),
        sa.Column("phone", types.Text, nullable=False),
        sa.Column("birth_date", sa.Date(), nullable=True),
        sa.Column("type", types.Text, nullable=False),
        sa.Column("relationship", types.Text, nullable=False),
        sa.Column("employer", types.Text, nullable=False),
        sa.Column("patient_id", types.Text, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("family_name", types.Text, nullable=False),
        sa.Column("given_name", types.Text, nullable=False),
        sa.Column("middle_name", types.Text, nullable=False),
        sa.Column("suffix", types.Text, nullable=False),
        sa.Column("prefix", types.Text, nullable=False),
        sa.Column("line1", types.Text, nullable=False),
        sa.Column("line2", types.Text, nullable=False),
        sa.Column("city", types.Text, nullable=False),
        sa.Column("state", types.Text, nullable=False),
        sa.Column("postal_code", types.Text, nullable=False),
        sa.Column("country", types.Text, nullable=False),
        sa.ForeignKeyConstraint(
            ["practice_id", "patient_id"],
            ["patients.practice_id", "patients.id"],
            name=op.f("fk_guarantors_practice_id_patient_id"),
        ),
        sa.ForeignKeyConstraint(
            ["practice_id"], ["practices.id"], name=op.f("fk_guarantors_practice_id")
        ),
        sa.PrimaryKeyConstraint("practice_id", "id", name=op.f("pk_guarantors")),
    )
    with op.batch_alter_table("guarantors") as batch_op:
        batch_op.create_index(
            batch_op.f("ix_guarantors_practice_id_patient_id_position_id"),
            ["practice_id", "patient_id", "position", "id"],
        )

    op.create_table(
        "patient_addresses",
        sa.Column("practice_id", types.Text, nullable=False),
        sa.Column("id", types.Text, nullable=False),
        sa.Column("use", types.Text, nullable=False),
        sa.Column("patient_id", types.Text, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("line1", types.Text, nullable=False),
        sa.Column("line2", types.Text, nullable=False),
        sa.Column("city", types.Text, nullable=False),
        sa.Column("state", types.Text, nullable=False),
        sa.Column("postal_code", types.Text, nullable=False),
        sa.Column("country", types.Text, nullable=False),
        sa.ForeignKeyConstraint(
            ["practice_id", "patient_id"],
            ["patients.practice_id", "patients.id"],
            name=op.f("fk_patient_addresses_practice_id_patient_id"),
        ),
        sa.ForeignKeyConstraint(
            ["practice_id"], ["practices.id"], name=op.f("fk_patient_addresses_practice_id")
        ),
        sa.PrimaryKeyConstraint("practice_id", "id", name=op.f("pk_patient_addresses")),
    )
    with op.batch_alter_table("patient_addresses") as batch_op:
        batch_op.create_index(
            batch_op.f("ix_patient_addresses_practice_id_patient_id_position_id"),
            ["practice_id", "patient_id", "position", "id"],
        )

    op.create_table(
        "patient_contacts",
        sa.Column("practice_id", types.Text, nullable=False),
        sa.Column("id", types.Text, nullable=False),
        sa.Column("relationship", types.Text, nullable=False),
        sa.Column("role", types.Text, nullable=False),
        sa.Column("phone", types.Text, nullable=False),
        sa.Column("email", types.Text, nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=True),
        sa.Column("ends_on", sa.Date(), nullable=True),
        sa.Column("patient_id", types.Text, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("family_name", types.Text, nullable=False),
        sa.Column("given_name", types.Text, nullable=False),
        sa.Column("middle_name", types.Text, nullable=False),
        sa.Column("suffix", types.Text, nullable=False),
        sa.Column("prefix", types.Text, nullable=False),
        sa.Column("line1", types.Text, nullable=False),
        sa.Column("line2", types.Text, nullable=False),
        sa.Column("city", types.Text, nullable=False),
        sa.Column("state", types.Text, nullable=False),
        sa.Column("postal_code", types.Text, nullable=False),
        sa.Column("country", types.Text, nullable=False),
        sa.ForeignKeyConstraint(
            ["practice_id", "patient_id"],
            ["patients.practice_id", "patients.id"],
            name=op.f("fk_patient_contacts_practice_id_patient_id"),
        ),
        sa.ForeignKeyConstraint(
            ["practice_id"], ["practices.id"], name=op.f("fk_patient_contacts_practice_id")
        ),
        sa.PrimaryKeyConstraint("practice_id", "id", name=op.f("pk_patient_contacts")),
    )
    with op.batch_alter_table("patient_contacts") as batch_op:
        batch_op.create_index(
            batch_op.f("ix_patient_contacts_practice_id_patient_id_position_id"),
            ["practice_id", "patient_id", "position", "id"],
        )

    op.create_table(
        "patient_names",
        sa.Column("practice_id", types.Text, nullable=False),
        sa.Column("id", types.Text, nullable=False),
        sa.Column("use", types.Text, nullable=False),
        sa.Column("patient_id", types.Text, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("family_name", types.Text, nullable=False),
        sa.Column("given_name", types.Text, nullable=False),
        sa.Column("middle_name", types.Text, nullable=False),
        sa.Column("suffix", types.Text, nullable=False),
        sa.Column("prefix", types.Text, nullable=False),
        sa.ForeignKeyConstraint(
            ["practice_id", "patient_id"],
            ["patients.practice_id", "patients.id"],
            name=op.f("fk_patient_names_practice_id_patient_id"),
        ),
        sa.ForeignKeyConstraint(
            ["practice_id"], ["practices.id"], name=op.f("fk_patient_names_practice_id")
        ),
        sa.PrimaryKeyConstraint("practice_id", "id", name=op.f("pk_patient_names")),
    )
    with op.batch_alter_table("patient_names") as batch_op:
        batch_op.create_index(
            batch_op.f("ix_patient_names_practice_id_patient_id_position_id"),
            ["practice_id", "patient_id", "position", "id"],
        )

    op.create_table(
        "patient_telecoms",
        sa.Column("practice_id", types.Text, nullable=False),
        sa.Column("id", types.Text, nullable=False),
        sa.Column("kind", types.Text, nullable=False),
        sa.Column("value", types.Text, nullable=False),
        sa.Column("use", types.Text, nullable=False),
        sa.Column("patient_id", types.Text, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["practice_id", "patient_id"],
            ["patients.practice_id", "patients.id"],
            name=op.f("fk_patient_telecoms_practice_id_patient_id"),
        ),
        sa.ForeignKeyConstraint(
            ["practice_id"], ["practices.id"], name=op.f("fk_patient_telecoms_practice_id")
        ),
        sa.PrimaryKeyConstraint("practice_id", "id", name=op.f("pk_patient_telecoms")),
    )
    with op.batch_alter_table("patient_telecoms") as batch_op:
        batch_op.create_index(
            batch_op.f("ix_patient_telecoms_practice_id_patient_id_position_id"),
            ["practice_id", "patient_id", "position", "id"],
        )

    op.create_table(
        "diagnoses",
        sa.Column("practice_id", types.Text, nullable=False),
        sa.Column("id", types.Text, nullable=False),
        sa.Column("patient_id", types.Text, nullable=False),
        sa.Column("encounter_id", types.Text, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("code", types.Text, nullable=False),
        sa.Column("name", types.Text, nullable=False),
        sa.Column("code_system", types.Text, nullable=False),
        sa.Column("type", types.Text, nullable=False),
        sa.Column("priority", sa.Integer(), nullable=True),
        sa.Column("diagnosed_at", types.Timestamp(), nullable=False),
        sa.ForeignKeyConstraint(
            ["practice_id", "encounter_id"],
            ["encounters.practice_id", "encounters.id"],
            name=op.f("fk_diagnoses_practice_id_encounter_id"),
        ),
        sa.ForeignKeyConstraint(
            ["practice_id", "patient_id"],
            ["patients.practice_id", "patients.id"],
            name=op.f("fk_diagnoses_practice_id_patient_id"),
        ),
        sa.ForeignKeyConstraint(
            ["practice_id"], ["practices.id"], name=op.f("fk_diagnoses_practice_id")
        ),
        sa.PrimaryKeyConstraint("practice_id", "id", name=op.f("pk_diagnoses")),
    )
    with op.batch_alter_table("diagnoses") as batch_op:
        batch_op.create_index(
            batch_op.f("ix_diagnoses_practice_id_diagnosed_at_id"),
            ["practice_id", "diagnosed_at", "id"],
        )
        batch_op.create_index(
            batch_op.f("ix_diagnoses_practice_id_encounter_id_position_id"),
            ["practice_id", "encounter_id", "position", "id"],
        )
        batch_op.create_index(
            batch_op.f("ix_diagnoses_practice_id_patient_id_diagnosed_at_id"),
            ["practice_id", "patient_id", "diagnosed_at", "id"],
        )

    with op.batch_alter_table("patients") as batch_op:
        batch_op.add_column(sa.Column("primary_provider_id", types.Text, nullable=True))
        batch_op.add_column(sa.Column("deceased", sa.Boolean(), nullable=True))
        batch_op.add_column(sa.Column("race", types.Text, server_default="", nullable=False))
        batch_op.add_column(sa.Column("ethnicity", types.Text, server_default="", nullable=False))
        batch_op.add_column(
            sa.Column("marital_status", types.Text, server_default="", nullable=False)
        )
        batch_op.add_column(
            sa.Column("publicity_code", types.Text, server_default="", nullable=False)
        )
        batch_op.add_column(sa.Column("protected", sa.Boolean(), nullable=True))
        batch_op.add_column(
            sa.Column("details_hash", types.Text, server_default="", nullable=False)
        )
        batch_op.create_foreign_key(
            batch_op.f("fk_patients_practice_id_primary_provider_id"),
            "providers",
            ["practice_id", "primary_provider_id"],
            ["practice_id", "id"],
        )


def downgrade() -> None:
    with op.batch_alter_table("patients") as batch_op:
        batch_op.drop_constraint(
            batch_op.f("fk_patients_practice_id_primary_provider_id"), type_="foreignkey"
        )
        batch_op.drop_column("details_hash")
        batch_op.drop_column("protected")
        batch_op.drop_column("publicity_code")
        batch_op.drop_column("marital_status")
        batch_op.drop_column("ethnicity")
        batch_op.drop_column("race")
        batch_op.drop_column("deceased")
        batch_op.drop_column("primary_provider_id")

    with op.batch_alter_table("diagnoses") as batch_op:
        batch_op.drop_index(batch_op.f("ix_diagnoses_practice_id_patient_id_diagnosed_at_id"))
        batch_op.drop_index(batch_op.f("ix_diagnoses_practice_id_encounter_id_position_id"))
        batch_op.drop_index(batch_op.f("ix_diagnoses_practice_id_diagnosed_at_id"))

    op.drop_table("diagnoses")
    with op.batch_alter_table("patient_telecoms") as batch_op:
        batch_op.drop_index(batch_op.f("ix_patient_telecoms_practice_id_patient_id_position_id"))

    op.drop_table("patient_telecoms")
    with op.batch_alter_table("patient_names") as batch_op:
        batch_op.drop_index(batch_op.f("ix_patient_names_practice_id_patient_id_position_id"))

    op.drop_table("patient_names")
    with op.batch_alter_table("patient_contacts") as batch_op:
        batch_op.drop_index(batch_op.f("ix_patient_contacts_practice_id_patient_id_position_id"))

    op.drop_table("patient_contacts")
    with op.batch_alter_table("patient_addresses") as batch_op:
        batch_op.drop_index(batch_op.f("ix_patient_addresses_practice_id_patient_id_position_id"))

    op.drop_table("patient_addresses")
    with op.batch_alter_table("guarantors") as batch_op:
        batch_op.drop_index(batch_op.f("ix_guarantors_practice_id_patient_id_position_id"))

    op.drop_table("guarantors")
    with op.batch_alter_table("allergies") as batch_op:
        batch_op.drop_index(batch_op.f("ix_allergies_practice_id_patient_id_position_id"))

    op.drop_table("allergies")
