"""Epochs: how an answer is known to be still true without reading it again.

An epoch is a number per noun (table) and practice that grows with every change of their rows,
counted by triggers in the transaction of the change. Equal epochs mean equal rows.

Every writing connection counts in a row of its own (`writer`), so that no two transactions ever
wait for each other; the epoch of a practice is the sum. A change adds a random step, so that a
database restored from a backup does not come to an epoch it had before with other rows.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import BigInteger
from sqlalchemy.orm import Mapped, mapped_column

from hub.storage.tables.base import Base

OF_A_PRACTICE = (
    "providers",
    "requisitions",
    "requisition_lines",
    "purchase_orders",
    "purchase_order_lines",
    "order_documents",
)
OF_NOBODY = (
    "practices",
    "payers",
    "items",
    "suppliers",
    "offers",
    "offer_tiers",
    "purchasing_rounds",
    "purchasing_shares",  # a practice's own, but they decide what others see of a round
    "connections",
)
COUNTED = frozenset((*OF_A_PRACTICE, *OF_NOBODY))
"""The tables that have epochs. Patients' and payroll's have none, as no answer about them may be
kept, and neither have the hub's own records, which change all the time: their writers pay
nothing."""
NOBODY = ""
"""The practice of rows that belong to none."""

_STEPS = 1 << 20
_STEP = {
    "sqlite": f"1 + abs(random() % {_STEPS})",
    "postgresql": f"1 + floor(random() * {_STEPS})::bigint",
}
_GROWS = (
    " ON CONFLICT (noun, practice_id, writer) DO UPDATE SET epoch = epochs.epoch + excluded.epoch"
)


class Epoch(Base):
    """What one writing connection has added to the epoch of a noun in a practice."""

    __tablename__ = "epochs"

    noun: Mapped[str] = mapped_column(primary_key=True)
    practice_id: Mapped[str] = mapped_column(primary_key=True)
    writer: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    epoch: Mapped[int] = mapped_column(BigInteger)


def statements(dialect: str) -> Iterator[str]:
    """What makes the triggers; may be run again."""
    if dialect == "postgresql":
        yield _function("epoch_of_practice", "(SELECT DISTINCT practice_id FROM changed)")
        yield _function(
            "epoch_of_nobody", f"(SELECT '{NOBODY}' AS practice_id WHERE EXISTS (TABLE changed))"
        )
    for table in (*OF_A_PRACTICE, *OF_NOBODY):
        for kind in ("insert", "update", "delete"):
            make = _per_statement if dialect == "postgresql" else _per_row
            yield make(table, kind)


def drop_statements(dialect: str) -> Iterator[str]:
    """The opposite of `statements`."""
    for table in (*OF_A_PRACTICE, *OF_NOBODY):
        for kind in ("insert", "update", "delete"):
            on = f" ON {table}" if dialect == "postgresql" else ""
            yield f"DROP TRIGGER IF EXISTS {table}_epoch_{kind}{on}"
    if dialect == "postgresql":
        yield "DROP FUNCTION IF EXISTS epoch_of_practice()"
        yield "DROP FUNCTION IF EXISTS epoch_of_nobody()"


def _function(name: str, practices: str) -> str:
    return (
        f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS "  # noqa: S608
        "$$ BEGIN INSERT INTO epochs (noun, practice_id, writer, epoch) "
        f"SELECT TG_TABLE_NAME, practice_id, pg_backend_pid(), {_STEP['postgresql']} "
        f"FROM {practices} touched{_GROWS}; RETURN NULL; END $$"
    )


def _per_statement(table: str, kind: str) -> str:
    rows = "OLD" if kind == "delete" else "NEW"
    function = "epoch_of_practice" if table in OF_A_PRACTICE else "epoch_of_nobody"
    return (
        f"CREATE OR REPLACE TRIGGER {table}_epoch_{kind} AFTER {kind.upper()} ON {table} "
        f"REFERENCING {rows} TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION {function}()"
    )


def _per_row(table: str, kind: str) -> str:
    row = "OLD" if kind == "delete" else "NEW"
    practice = f"{row}.practice_id" if table in OF_A_PRACTICE else f"'{NOBODY}'"
    return (
        f"CREATE TRIGGER IF NOT EXISTS {table}_epoch_{kind} "  # noqa: S608
        f"AFTER {kind.upper()} ON {table} FOR EACH ROW BEGIN "
        "INSERT INTO epochs (noun, practice_id, writer, epoch) "
        f"VALUES ('{table}', {practice}, 0, {_STEP['sqlite']}){_GROWS}; END"
    )
