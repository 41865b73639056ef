"""Say of coverages which type their plan is.

Revision 0020, after 0019.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub.storage.tables import base as types

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("coverages") as batch_op:
        batch_op.add_column(sa.Column("plan_type", types.Text, server_default="", nullable=False))


def downgrade() -> None:
    with op.batch_alter_table("coverages") as batch_op:
        batch_op.drop_column("plan_type")
