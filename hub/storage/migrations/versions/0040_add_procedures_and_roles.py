"""Add procedures and roles in care.

Revision 0040, after 0039. Policies and triggers are made once the last revision has run (`env.py`).
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub.storage.tables import base as types

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None

PROCEDURES = (
    ("encounter_id", "performed_at"),
    ("patient_id", "performed_at"),
    ("performed_at",),
    ("charge_id", "position"),
)
OWNERS = {
    "patient_id": "patients",
    "encounter_id": "encounters",
    "order_id": "clinical_orders",
    "procedure_id": "procedures",
}


def upgrade() -> None:
    op.create_table(
        "procedures",
        sa.Column("practice_id", types.Text, nullable=False),
        sa.Column("id", types.Text, nullable=False),
        sa.Column("patient_id", types.Text, nullable=False),
        sa.Column("encounter_id", types.Text, nullable=True),
        sa.Column("charge_id", types.Text, nullable=True),
        sa.Column("provider_id", types.Text, nullable=True),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("code", types.Text, nullable=False),
        sa.Column("name", types.Text, nullable=False),
        sa.Column("code_system", types.Text, nullable=False),
        sa.Column("type", types.Text, nullable=False),
        sa.Column("priority", sa.Integer(), nullable=True),
        sa.Column("performed_at", types.Timestamp(), nullable=False),
        sa.Column("performed_at_precision", types.Text, nullable=True),
        sa.Column("minutes", sa.Integer(), nullable=True),
        sa.Column("modifiers", types.Json, nullable=False),
        sa.Column("diagnosis_code", types.Text, nullable=False),
        sa.Column("sensitivity", types.Text, server_default="", nullable=False),
        *_keys("procedures", encounter_id="encounters", charge_id="charges", patient_id="patients"),
    )
    op.create_table(
        "care_roles",
        sa.Column("practice_id", types.Text, nullable=False),
        sa.Column("id", types.Text, nullable=False),
        *(sa.Column(name, types.Text, nullable=True) for name in OWNERS),
        sa.Column("provider_id", types.Text, nullable=False),
        sa.Column("listed_in", types.Text, nullable=False),
        sa.Column("role", types.Text, nullable=False),
        sa.Column("role_name", types.Text, nullable=False),
        sa.Column("starts_at", types.Timestamp(), nullable=True),
        sa.Column("starts_at_precision", types.Text, nullable=True),
        sa.Column("ends_at", types.Timestamp(), nullable=True),
        sa.Column("ends_at_precision", types.Text, nullable=True),
        *_keys("care_roles", **OWNERS),
    )
    for columns in PROCEDURES:
        _index("procedures", *columns)
    for owner in OWNERS:
        _index("care_roles", owner, "role")


def _keys(table: str, **pointers: str) -> list[sa.Constraint]:
    return [
        sa.PrimaryKeyConstraint("practice_id", "id", name=op.f(f"pk_{table}")),
        sa.ForeignKeyConstraint(
            ["practice_id"], ["practices.id"], name=op.f(f"fk_{table}_practice_id")
        ),
        *(
            sa.ForeignKeyConstraint(
                ["practice_id", column],
                [f"{target}.practice_id", f"{target}.id"],
                name=op.f(f"fk_{table}_practice_id_{column}"),
            )
            for column, target in {**pointers, "provider_id": "providers"}.items()
        ),
    ]


def _index(table: str, *columns: str) -> None:
    name = f"ix_{table}_practice_id_{'_'.join(columns)}_id"
    op.create_index(op.f(name), table, ["practice_id", *columns, "id"])


def downgrade() -> None:
    op.drop_table("care_roles")
    op.drop_table("procedures")
