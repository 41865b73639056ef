"""How long the hub keeps what it holds of a practice whose agreements are over.

Revision 0043, after 0042.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "service_agreements", sa.Column("retention_days_after_end", sa.Integer(), nullable=True)
    )


def downgrade() -> None:
    op.drop_column("service_agreements", "retention_days_after_end")
