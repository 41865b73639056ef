"""Keep how exactly a source states a time.

Revision 0025, after 0024. Columns are added in place, so that triggers on these tables stay.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub.storage.tables import base as types

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

PRECISIONS = (
    ("patients", "deceased_at_precision"),
    ("encounters", "starts_at_precision"),
    ("encounters", "ends_at_precision"),
    ("observations", "observed_at_precision"),
    ("observation_versions", "observed_at_precision"),
    ("immunizations", "administered_precision"),
)


def upgrade() -> None:
    stated = sa.Column("birth_date_stated", types.Text, server_default="", nullable=False)
    op.add_column("patients", stated)
    for table, name in PRECISIONS:
        op.add_column(table, sa.Column(name, types.Text, nullable=True))


def downgrade() -> None:
    for table, name in reversed(PRECISIONS):
        op.drop_column(table, name)
    op.drop_column("patients", "birth_date_stated")
