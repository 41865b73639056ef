"""The connections that offers and documents about orders came from.

Revision 0042, after 0041. Bids came from none.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub.storage.tables import base as types

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("offers", "order_documents"):
        op.add_column(name, sa.Column("connection_id", types.Text, nullable=True))
    op.execute(
        "UPDATE offers SET connection_id = (SELECT suppliers.connection_id FROM suppliers "
        "WHERE suppliers.id = offers.supplier_id) WHERE external_id NOT LIKE 'bid:%'"
    )
    op.execute(
        "UPDATE order_documents SET connection_id = (SELECT inbox.connection_id FROM inbox "
        "WHERE inbox.id = order_documents.inbox_id) WHERE inbox_id IS NOT NULL"
    )


def downgrade() -> None:
    for name in ("order_documents", "offers"):
        op.drop_column(name, "connection_id")
