"""Patients' consents to the disclosure of records with a sensitivity label.

The policies of tables with labels are made again at the end of the upgrade.

Revision 0048, after 0047.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub.storage.tables import base as types
from hub.storage.tables import policy

revision = "0048"
down_revision = "0047"
branch_labels = None
depends_on = None

TABLE = "consents"


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("practice_id", types.Text, nullable=False),
        sa.Column("id", types.Text, nullable=False),
        sa.Column("patient_id", types.Text, nullable=False),
        sa.Column("purpose", types.Text, nullable=True),
        sa.Column("granted_on", sa.Date(), nullable=False),
        sa.Column("starts_at", types.Timestamp(), nullable=False),
        sa.Column("ends_at", types.Timestamp(), nullable=True),
        sa.Column("reference", types.Text, nullable=False),
        sa.Column("recorded_at", types.Timestamp(), nullable=False),
        sa.Column("recorded_by", types.Text, nullable=False),
        sa.Column("revoked_at", types.Timestamp(), nullable=True),
        sa.Column("revoked_by", types.Text, nullable=False),
        sa.Column("revocation_reference", types.Text, nullable=False),
        sa.Column("sensitivity", types.Text, server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["practice_id"], ["practices.id"], name=op.f("fk_consents_practice_id_practices")
        ),
        sa.ForeignKeyConstraint(
            ["practice_id", "patient_id"],
            ["patients.practice_id", "patients.id"],
            name=op.f("fk_consents_practice_id_patient_id_patients"),
        ),
        sa.PrimaryKeyConstraint("practice_id", "id", name=op.f("pk_consents")),
    )
    for columns in (
        ["practice_id", "granted_on", "id"],
        ["practice_id", "patient_id", "granted_on", "id"],
    ):
        op.create_index(op.f(f"ix_{TABLE}_{'_'.join(columns)}"), TABLE, columns)
    connection = op.get_bind()
    tables = (*policy.AT_FIRST, "emergency_accesses", TABLE)
    for statement in policy.statements(connection.dialect.name, tables):
        connection.exec_driver_sql(statement)


def downgrade() -> None:
    op.drop_table(TABLE)
