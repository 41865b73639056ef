"""Keep when a job's attempt was begun: one that was sent by pointer is claimed before.

Revision 0026, after 0025.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub.storage.tables import base as types

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("begun_at", types.Timestamp(), nullable=True))


def downgrade() -> None:
    op.drop_column("jobs", "begun_at")
