"""Label records that need more than a grant of their kind, and say whose agreement includes them.

The policies of row-level security are made again once the last revision has run (`env.py`).

Revision 0035, after 0034.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub.storage.tables import base as types

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

LABELLED = (
    "appointments",
    "charges",
    "clinical_documents",
    "clinical_orders",
    "coverages",
    "diagnoses",
    "eligibility_checks",
    "encounters",
    "immunizations",
    "observations",
    "patient_identifiers",
    "patients",
)


def upgrade() -> None:
    for table in LABELLED:
        op.add_column(
            table, sa.Column("sensitivity", types.Text, server_default="", nullable=False)
        )
    op.execute(
        "UPDATE clinical_documents SET sensitivity = confidentiality "
        "WHERE confidentiality IN ('R', 'V')"
    )
    op.add_column(
        "service_agreements",
        sa.Column("sensitive_records", sa.Boolean(), server_default=sa.false(), nullable=False),
    )


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table in LABELLED:  # the policies speak of the column
            op.execute(f"DROP POLICY IF EXISTS of_the_practice ON {table}")
    op.drop_column("service_agreements", "sensitive_records")
    for table in LABELLED:
        op.drop_column(table, "sensitivity")
