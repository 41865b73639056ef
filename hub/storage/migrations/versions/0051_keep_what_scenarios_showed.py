"""Groups whose figures a scenario showed before it was solved again under its name.

Revision 0051, after 0050.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub.storage.tables import base as types

revision = "0051"
down_revision = "0050"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "purchasing_scenarios",
        sa.Column("shown_before", types.Json, server_default="[]", nullable=False),
    )


def downgrade() -> None:
    op.drop_column("purchasing_scenarios", "shown_before")
