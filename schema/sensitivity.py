"""The sensitivity label of a record, shown to whoever may read labelled records."""

from __future__ import annotations

from hub.domain.agreements import DataClass
from schema.mapping.declare import col

SENSITIVITY = col(
    DataClass.PHI_SENSITIVE,
    help="Why the record needs more than a grant of its kind, as HL7 v3 ActCode (SUD is 42 CFR "
    "Part 2) or table 0177; empty for most. Records with a label are hidden and not counted where "
    "they are not granted.",
)
