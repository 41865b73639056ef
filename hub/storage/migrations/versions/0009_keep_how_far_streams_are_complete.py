"""Keep how far streams are complete, and find a connection's last arrival.

Revision 0009, after 0008.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub.storage.tables import base as types

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    states = op.create_table(
        "stream_states",
        sa.Column("connection_id", types.Text, nullable=False),
        sa.Column("stream", types.Text, nullable=False),
        sa.Column("complete_until", types.Timestamp(), nullable=True),
        sa.ForeignKeyConstraint(
            ["connection_id"], ["connections.id"], name=op.f("fk_stream_states_connection_id")
        ),
        sa.PrimaryKeyConstraint("connection_id", "stream", name=op.f("pk_stream_states")),
    )
    runs = sa.table(
        "sync_runs",
        *(sa.column(name) for name in ("connection_id", "stream", "state", "fault_code")),
        sa.column("started_at", types.Timestamp()),
    )
    whole = sa.case((runs.c.state == "done", runs.c.started_at))
    known = sa.select(runs.c.connection_id, runs.c.stream, sa.func.max(whole)).where(
        runs.c.fault_code != "NOT_SUPPORTED"
    )
    op.execute(
        states.insert().from_select(
            ["connection_id", "stream", "complete_until"],
            known.group_by(runs.c.connection_id, runs.c.stream),
        )
    )
    op.create_index(
        op.f("ix_inbox_connection_id_received_at"), "inbox", ["connection_id", "received_at"]
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_inbox_connection_id_received_at"), "inbox")
    op.drop_table("stream_states")
