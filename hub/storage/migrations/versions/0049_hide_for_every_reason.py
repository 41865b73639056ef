"""Records that were labelled for two reasons that differ, while a record had the first one's label.

What belongs to a patient, visit, order, appointment, charge or coverage with another label than its
own gets `R`, as does a patient into whom one with another label was merged. A consent to one kind
of records would show them otherwise.

Revision 0049, after 0048. There is no way back: which reason came first is not known any more.
"""

from __future__ import annotations

from alembic import op

revision = "0049"
down_revision = "0048"
branch_labels = None
depends_on = None

PATIENT, VISIT, ORDER = (
    ("patient_id", "patients"),
    ("encounter_id", "encounters"),
    (
        "order_id",
        "clinical_orders",
    ),
)
ABOVE = {
    "patient_identifiers": (PATIENT,),
    "coverages": (PATIENT,),
    "appointments": (PATIENT,),
    "encounters": (PATIENT,),
    "clinical_orders": (PATIENT, VISIT),
    "observations": (PATIENT, VISIT, ORDER),
    "clinical_documents": (PATIENT, VISIT, ORDER),
    "immunizations": (PATIENT, VISIT),
    "diagnoses": (PATIENT, VISIT),
    "charges": (PATIENT, VISIT),
    "procedures": (PATIENT, VISIT, ("charge_id", "charges")),
    "eligibility_checks": (
        PATIENT,
        ("appointment_id", "appointments"),
        ("coverage_id", "coverages"),
    ),
}
"""Tables in an order in which what is above comes first, and what their rows belong to."""
_MERGED = """
    UPDATE patients SET sensitivity = 'R'
    WHERE sensitivity NOT IN ('', 'R')
    AND id IN (SELECT merged_into_id FROM patients
        WHERE merged_into_id IS NOT NULL AND sensitivity <> '')
    AND EXISTS (SELECT 1 FROM patients AS prior
        WHERE prior.practice_id = patients.practice_id AND prior.merged_into_id = patients.id
        AND prior.sensitivity NOT IN ('', patients.sensitivity))
"""


def upgrade() -> None:
    connection = op.get_bind()
    while connection.exec_driver_sql(_MERGED).rowcount:  # a merged one may have merged others
        pass
    for table, above in ABOVE.items():
        connection.exec_driver_sql(_below(table, above))


def _below(table: str, above: tuple[tuple[str, str], ...]) -> str:
    others = " OR ".join(
        f"EXISTS (SELECT 1 FROM {name} AS above WHERE above.practice_id = {table}.practice_id"  # noqa: S608 - names of tables
        f" AND above.id = {table}.{column}"
        f" AND above.sensitivity NOT IN ('', {table}.sensitivity))"
        for column, name in above
    )
    return f"UPDATE {table} SET sensitivity = 'R' WHERE sensitivity NOT IN ('', 'R') AND ({others})"  # noqa: S608


def downgrade() -> None:
    """Nothing: a label that hides more than it has to tells nobody anything."""
