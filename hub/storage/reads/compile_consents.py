"""Labelled rows that their patient's consent shows; by level: `hub/storage/consents.py`."""

from __future__ import annotations

from hub.storage.consents import CONSENTS
from hub.storage.reads import select as sql
from hub.storage.reads.binds import Binds
from hub.storage.reads.compile_base import Columns
from hub.storage.reads.fragments import (
    Sql,
    both,
    compare,
    either,
    equal,
    exists,
    is_null,
    number,
    rows_of,
    select,
)
from hub.storage.reads.parts import Source


def consented(
    source: Source, columns: Columns, binds: Binds, alias: str, *, has_row_security: bool
) -> Sql:
    """True of the rows of `source` that a consent shows, a consent itself while it is in force; its
    rows are read under `alias`. On PostgreSQL apart from the query around them: it would read the
    whole register instead of asking the index."""
    if sql.table_of(source) is CONSENTS:
        return _in_force(columns, binds)
    given = rows_of(CONSENTS, alias)
    wanted = [
        equal(given["practice_id"], columns["practice_id"]),
        equal(given["patient_id"], columns[sql.labelled_patient(source)]),
        equal(given[sql.LABEL], columns[sql.LABEL]),
        _in_force(given, binds),
    ]
    return exists(select(number(1), given, wanted, apart=has_row_security))


def _in_force(consent: Columns, binds: Binds) -> Sql:
    now = binds.consents_at()
    begun = both(is_null(consent["revoked_at"]), compare(consent["starts_at"], "<=", now))
    lasts = either(is_null(consent["ends_at"]), compare(consent["ends_at"], ">", now))
    for_it = either(is_null(consent["purpose"]), equal(consent["purpose"], binds.purpose()))
    return both(begun, both(lasts, for_it))
