"""Open the names of practices to the hub's work on its records of operation.

The policies are made anew once the last revision has run (`env.py`).

Revision 0031, after 0030.
"""

from __future__ import annotations

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing: see above."""


def downgrade() -> None:
    """Nothing: policies are made for the newest revision only."""
