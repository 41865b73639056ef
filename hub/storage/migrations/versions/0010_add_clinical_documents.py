"""Add clinical documents and the files inside them.

Revision 0010, after 0009.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub.storage.tables import base as types

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "clinical_documents",
        sa.Column("practice_id", types.Text, nullable=False),
        sa.Column("id", types.Text, nullable=False),
        sa.Column("patient_id", types.Text, nullable=False),
        sa.Column("encounter_id", types.Text, nullable=True),
        sa.Column("order_id", types.Text, nullable=True),
        sa.Column("author_id", types.Text, nullable=True),
        sa.Column("authenticator_id", types.Text, nullable=True),
        sa.Column("parent_id", types.Text, nullable=True),
        sa.Column("type_code", types.Text, nullable=False),
        sa.Column("type_name", types.Text, nullable=False),
        sa.Column("title", types.Text, nullable=False),
        sa.Column("file_name", types.Text, nullable=False),
        sa.Column("completion", types.Text, nullable=True),
        sa.Column("availability", types.Text, nullable=True),
        sa.Column("confidentiality", types.Text, nullable=False),
        sa.Column("activity_at", types.Timestamp(), nullable=False),
        sa.Column("originated_at", types.Timestamp(), nullable=True),
        sa.Column("text", types.Text, nullable=False),
        sa.Column("connection_id", types.Text, nullable=True),
        sa.Column("external_id", types.Text, nullable=False),
        sa.Column("content_hash", types.Text, nullable=False),
        sa.Column("occurred_at", types.Timestamp(), nullable=True),
        sa.Column("received_at", types.Timestamp(), nullable=True),
        sa.Column("inbox_id", types.Text, nullable=True),
        sa.ForeignKeyConstraint(
            ["connection_id"], ["connections.id"], name=op.f("fk_clinical_documents_connection_id")
        ),
        sa.ForeignKeyConstraint(
            ["practice_id", "authenticator_id"],
            ["providers.practice_id", "providers.id"],
            name=op.f("fk_clinical_documents_practice_id_authenticator_id"),
        ),
        sa.ForeignKeyConstraint(
            ["practice_id", "author_id"],
            ["providers.practice_id", "providers.id"],
            name=op.f("fk_clinical_documents_practice_id_author_id"),
        ),
        sa.ForeignKeyConstraint(
            ["practice_id", "encounter_id"],
            ["encounters.practice_id", "encounters.id"],
            name=op.f("fk_clinical_documents_practice_id_encounter_id"),
        ),
        sa.ForeignKeyConstraint(
            ["practice_id", "order_id"],
            ["clinical_orders.practice_id", "clinical_orders.id"],
            name=op.f("fk_clinical_documents_practice_id_order_id"),
        ),
        sa.ForeignKeyConstraint(
            ["practice_id", "parent_id"],
            ["clinical_documents.practice_id", "clinical_documents.id"],
            name=op.f("fk_clinical_documents_practice_id_parent_id"),
        ),
        sa.ForeignKeyConstraint(
            ["practice_id", "patient_id"],
            ["patients.practice_id", "patients.id"],
            name=op.f("fk_clinical_documents_practice_id_patient_id"),
        ),
        sa.ForeignKeyConstraint(
            ["practice_id"], ["practices.id"], name=op.f("fk_clinical_documents_practice_id")
        ),
        sa.PrimaryKeyConstraint("practice_id", "id", name=op.f("pk_clinical_documents")),
        sa.UniqueConstraint(
            "practice_id",
            "connection_id",
            "external_id",
            name=op.f("uq_clinical_documents_practice_id_connection_id_external_id"),
        ),
    )
    with op.batch_alter_table("clinical_documents") as batch_op:
        batch_op.create_index(
            batch_op.f("ix_clinical_documents_practice_id_activity_at_id"),
            ["practice_id", "activity_at", "id"],
        )
        batch_op.create_index(
            batch_op.f("ix_clinical_documents_practice_id_encounter_id_activity_at_id"),
            ["practice_id", "encounter_id", "activity_at", "id"],
        )
        batch_op.create_index(
            batch_op.f("ix_clinical_documents_practice_id_parent_id_activity_at_id"),
            ["practice_id", "parent_id", "activity_at", "id"],
        )
        batch_op.create_index(
            batch_op.f("ix_clinical_documents_practice_id_patient_id_activity_at_id"),
            ["practice_id", "patient_id", "activity_at", "id"],
        )

    op.create_table(
        "document_parts",
        sa.Column("practice_id", types.Text, nullable=False),
        sa.Column("id", types.Text, nullable=False),
        sa.Column("document_id", types.Text, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("media_type", types.Text, nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("digest", types.Text, nullable=False),
        sa.Column("reference", types.Text, nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["practice_id", "document_id"],
            ["clinical_documents.practice_id", "clinical_documents.id"],
            name=op.f("fk_document_parts_practice_id_document_id"),
        ),
        sa.ForeignKeyConstraint(
            ["practice_id"], ["practices.id"], name=op.f("fk_document_parts_practice_id")
        ),
        sa.PrimaryKeyConstraint("practice_id", "id", name=op.f("pk_document_parts")),
        sa.UniqueConstraint(
            "practice_id",
            "document_id",
            "position",
            name=op.f("uq_document_parts_practice_id_document_id_position"),
        ),
    )


def downgrade() -> None:
    op.drop_table("document_parts")
    with op.batch_alter_table("clinical_documents") as batch_op:
        batch_op.drop_index(
            batch_op.f("ix_clinical_documents_practice_id_patient_id_activity_at_id")
        )
        batch_op.drop_index(
            batch_op.f("ix_clinical_documents_practice_id_parent_id_activity_at_id")
        )
        batch_op.drop_index(
            batch_op.f("ix_clinical_documents_practice_id_encounter_id_activity_at_id")
        )
        batch_op.drop_index(batch_op.f("ix_clinical_documents_practice_id_activity_at_id"))

    op.drop_table("clinical_documents")
