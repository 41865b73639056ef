"""Keep under which keys a message is read and found.

Revision 0015, after 0014.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub.storage.tables import base as types

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

COLUMNS = ("lane", "lane2", "patient_key", "prior_patient_key")


def upgrade() -> None:
    for name in COLUMNS:
        op.add_column("inbox", sa.Column(name, types.Text, nullable=True))
    op.create_index(op.f("ix_inbox_control_id"), "inbox", ["control_id"])
    for name in ("patient_key", "prior_patient_key"):
        known = sa.text(f"{name} IS NOT NULL")
        op.create_index(
            f"ix_inbox_{name}", "inbox", [name], sqlite_where=known, postgresql_where=known
        )
    op.create_index(op.f("ix_data_issues_recorded_at"), "data_issues", ["recorded_at"])


def downgrade() -> None:
    op.drop_index(op.f("ix_data_issues_recorded_at"), "data_issues")
    op.drop_index("ix_inbox_prior_patient_key", "inbox")
    op.drop_index("ix_inbox_patient_key", "inbox")
    op.drop_index(op.f("ix_inbox_control_id"), "inbox")
    for name in reversed(COLUMNS):
        op.drop_column("inbox", name)
