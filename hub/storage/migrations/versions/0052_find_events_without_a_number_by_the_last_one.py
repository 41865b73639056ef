"""On SQLite find events without a number by the last that has one, not by an index of their own.

Revision 0052, after 0051.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0052"
down_revision = "0051"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.drop_index("ix_events_pending", "events")


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.create_index(
            "ix_events_pending", "events", ["id"], sqlite_where=sa.text("sequence IS NULL")
        )
