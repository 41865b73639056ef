"""Keep when identifiers hold, and how exactly the times of stays and diagnoses were stated.

Revision 0036, after 0035. Columns are added in place, so that triggers on these tables stay.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub.storage.tables import base as types

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

DATES = ("effective_on", "expires_on")
PRECISIONS = (
    ("encounter_stays", "starts_at_precision"),
    ("encounter_stays", "ends_at_precision"),
    ("diagnoses", "diagnosed_at_precision"),
)


def upgrade() -> None:
    for name in DATES:
        op.add_column("patient_identifiers", sa.Column(name, sa.Date, nullable=True))
    for table, name in PRECISIONS:
        op.add_column(table, sa.Column(name, types.Text, nullable=True))


def downgrade() -> None:
    for table, name in reversed(PRECISIONS):
        op.drop_column(table, name)
    for name in reversed(DATES):
        op.drop_column("patient_identifiers", name)
