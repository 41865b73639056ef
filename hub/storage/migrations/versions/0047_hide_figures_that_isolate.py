"""Figures of a purchasing round that would tell of a practice beside those shown before.

Revision 0047, after 0046. Nobody compared the plans and scenarios there are, so all but a round's
first plan are taken for such.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0047"
down_revision = "0046"
branch_labels = None
depends_on = None

LATER = {
    "purchasing_plans": "version > 1",
    "purchasing_rounds": "plan_version > 1",
    "purchasing_scenarios": "plan_version > 0",
}


def upgrade() -> None:
    for table, condition in LATER.items():
        op.add_column(
            table,
            sa.Column("isolating", sa.Boolean(), server_default=sa.false(), nullable=False),
        )
        made = sa.table(table, sa.column("isolating", sa.Boolean()))
        op.execute(made.update().where(sa.text(condition)).values(isolating=True))


def downgrade() -> None:
    for table in LATER:
        op.drop_column(table, "isolating")
