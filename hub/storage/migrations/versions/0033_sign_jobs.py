"""Sign jobs: on whose behalf each runs, and that nobody altered it.

Revision 0033, after 0032.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub.storage.tables import base as types

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("envelope", types.Text, server_default="", nullable=False))


def downgrade() -> None:
    op.drop_column("jobs", "envelope")
