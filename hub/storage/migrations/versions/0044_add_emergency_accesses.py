"""Emergency accesses to labelled records, and who may open them.

Revision 0044, after 0043. The policies of tables with labels are made again at the end of the
upgrade.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub.storage.tables import base as types
from hub.storage.tables import policy, triggers

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None

TABLE = "emergency_accesses"


def upgrade() -> None:
    op.add_column(
        "clients",
        sa.Column("break_glass", sa.Boolean(), server_default=sa.false(), nullable=False),
    )
    op.create_table(
        TABLE,
        sa.Column("practice_id", types.Text, nullable=False),
        sa.Column("id", types.Text, nullable=False),
        *(
            sa.Column(name, types.Text, nullable=False)
            for name in ("patient_id", "client_id", "opened_by", "person", "reason")
        ),
        sa.Column("started_at", types.Timestamp(), nullable=False),
        sa.Column("ends_at", types.Timestamp(), nullable=False),
        sa.Column("stopped_at", types.Timestamp(), nullable=True),
        sa.Column("reviewed_at", types.Timestamp(), nullable=True),
        sa.Column("reviewed_by", types.Text, nullable=False),
        sa.Column("review_note", types.Text, nullable=False),
        sa.Column("sensitivity", types.Text, server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["practice_id"],
            ["practices.id"],
            name=op.f("fk_emergency_accesses_practice_id_practices"),
        ),
        sa.ForeignKeyConstraint(
            ["practice_id", "patient_id"],
            ["patients.practice_id", "patients.id"],
            name=op.f("fk_emergency_accesses_practice_id_patient_id_patients"),
        ),
        sa.PrimaryKeyConstraint("practice_id", "id", name=op.f("pk_emergency_accesses")),
    )
    for columns in (
        ["practice_id", "started_at", "id"],
        ["practice_id", "patient_id", "started_at", "id"],
        ["stopped_at", "ends_at"],
    ):
        op.create_index(op.f(f"ix_{TABLE}_{'_'.join(columns)}"), TABLE, columns)
    connection = op.get_bind()
    dialect = connection.dialect.name
    for statement in (
        *policy.statements(dialect, [TABLE]),
        *triggers.event_statements(dialect, triggers.WATCHED_LATER),
    ):
        connection.exec_driver_sql(statement)


def downgrade() -> None:
    connection = op.get_bind()
    dialect = connection.dialect.name
    for statement in triggers.drop_event_statements(dialect, triggers.WATCHED_LATER):
        connection.exec_driver_sql(statement)
    op.drop_table(TABLE)
    op.drop_column("clients", "break_glass")
