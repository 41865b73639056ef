"""Add the data keys.

Revision 0024, after 0023. The first start behind it keeps what was derived from the
key-encryption key so far, so that older ciphertexts and digests stay as they are.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub.storage.tables import base as types

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "data_keys",
        sa.Column("id", types.Text, nullable=False),
        sa.Column("practice_id", types.Text, nullable=True),
        sa.Column("data_class", types.Text, nullable=False),
        sa.Column("kek_id", types.Text, nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=True),
        sa.Column("uses", sa.BigInteger(), nullable=False),
        sa.Column("created_at", types.Timestamp(), nullable=False),
        sa.Column("destroyed_at", types.Timestamp(), nullable=True),
        sa.ForeignKeyConstraint(
            ["practice_id"], ["practices.id"], name=op.f("fk_data_keys_practice_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_data_keys")),
    )
    op.create_index(
        op.f("ix_data_keys_practice_id_data_class"), "data_keys", ["practice_id", "data_class"]
    )
    op.create_index(op.f("ix_data_keys_kek_id"), "data_keys", ["kek_id"])


def downgrade() -> None:
    op.drop_table("data_keys")
