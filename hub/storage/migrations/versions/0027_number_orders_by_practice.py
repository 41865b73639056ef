"""Number purchase orders by practice, and hold every role to row-level security.

Policies are made once all revisions have run (`env.py`); going back takes them away.

Revision 0027, after 0026.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from alembic import op

from hub.storage.tables import row_security, triggers

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _drop_event_triggers()
    with op.batch_alter_table("purchase_orders", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("uq_purchase_orders_number"), type_="unique")
        batch_op.create_unique_constraint(
            batch_op.f("uq_purchase_orders_practice_id_number"), ["practice_id", "number"]
        )
        batch_op.create_index(batch_op.f("ix_purchase_orders_number"), ["number"], unique=False)
    _run(triggers.statements)


def downgrade() -> None:
    _run(row_security.drop_statements)
    _drop_event_triggers()
    with op.batch_alter_table("purchase_orders", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_purchase_orders_number"))
        batch_op.drop_constraint(
            batch_op.f("uq_purchase_orders_practice_id_number"), type_="unique"
        )
        batch_op.create_unique_constraint(batch_op.f("uq_purchase_orders_number"), ["number"])
    _run(triggers.statements)


def _drop_event_triggers() -> None:
    """SQLite makes a table anew under its name only while no trigger speaks of it."""
    _run(triggers.drop_event_statements)


def _run(statements: Callable[[str], Iterator[str]]) -> None:
    connection = op.get_bind()
    for statement in statements(connection.dialect.name):
        connection.exec_driver_sql(statement)
