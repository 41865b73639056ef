"""References of consents are encrypted; those there are get a mark, by which the hub finds and
encrypts them (`hub/services/consent_references.py`), as the key is not at hand here.

Revision 0050, after 0049.
"""

from __future__ import annotations

from alembic import op

revision = "0050"
down_revision = "0049"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in ("reference", "revocation_reference"):
        op.execute(f"UPDATE consents SET {column} = 'plain:' || {column} WHERE {column} <> ''")  # noqa: S608


def downgrade() -> None:
    for column in ("reference", "revocation_reference"):
        op.execute(
            f"UPDATE consents SET {column} = substr({column}, 7) WHERE {column} LIKE 'plain:%'"  # noqa: S608
        )
