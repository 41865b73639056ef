"""Give credentials the rights to write and to approve, and count the plans of a round.

Revision 0008, after 0007. A credential made before keeps what it could do: both rights.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("write", "approve"):
        op.add_column(
            "clients",
            sa.Column(name, sa.Boolean(), server_default=sa.false(), nullable=False),
        )
    clients = sa.table("clients", sa.column("write", sa.Boolean), sa.column("approve", sa.Boolean))
    op.execute(clients.update().values(write=True, approve=True))
    op.add_column(
        "purchasing_rounds",
        sa.Column("plan_version", sa.Integer(), server_default=sa.text("0"), nullable=False),
    )
    rounds = sa.table(
        "purchasing_rounds",
        sa.column("plan_version", sa.Integer),
        sa.column("solved_at", sa.DateTime(timezone=True)),
    )
    op.execute(rounds.update().where(rounds.c.solved_at.is_not(None)).values(plan_version=1))


def downgrade() -> None:
    op.drop_column("purchasing_rounds", "plan_version")
    op.drop_column("clients", "approve")
    op.drop_column("clients", "write")
