"""Find audit events by patient and by principal.

Revision 0038, after 0037. On a long trail PostgreSQL takes some minutes to sort its patients.
"""

from __future__ import annotations

from alembic import op

from hub.storage.tables import audit_subjects

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None
BY_PRINCIPAL = "ix_audit_events_principal_id_recorded_at_id"


def upgrade() -> None:
    op.create_index(BY_PRINCIPAL, "audit_events", ["principal_id", "recorded_at", "id"])
    connection = op.get_bind()
    for statement in audit_subjects.statements(connection.dialect.name):
        connection.exec_driver_sql(statement)


def downgrade() -> None:
    connection = op.get_bind()
    for statement in audit_subjects.drop_statements(connection.dialect.name):
        connection.exec_driver_sql(statement)
    op.drop_index(BY_PRINCIPAL, table_name="audit_events")
