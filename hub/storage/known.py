"""What a transaction that applies many messages has read ahead: who holds which identifiers, and
rows by the keys of their source. It answers as the database would in that transaction, in which
nobody else writes these rows unseen: unique keys stop who would."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import event, select

from hub.domain.patients import Identifier
from hub.domain.patients_matching import Holder
from hub.storage.session import ScopedSession
from hub.storage.tables import Coverage, Patient, PatientIdentifier, Provider

_SLOT = "known"
Key = tuple[str | None, str]
"""Connection and the source's key."""


class Known:
    """Of one session and one practice."""

    def __init__(self, practice_id: str) -> None:
        self.practice_id = practice_id
        self.holders: dict[str, list[Holder]] = {}
        self.keys: dict[type[Any], dict[Key, Any]] = {}
        self.coverages: dict[str, list[Coverage]] = {}
        """Of each patient who holds an identifier, until they are first asked for."""
        self.kept: list[Any] = []
        """Every row of the session: it would forget those nobody refers to."""

    def holders_of(self, values: Collection[str]) -> list[Holder] | None:
        """None where not all of the values were read ahead."""
        if not self.holders.keys() >= set(values):
            return None
        return [holder for value in values for holder in self.holders[value]]

    def learn(self, patient_id: str, identifiers: Iterable[Identifier]) -> None:
        """Identifiers the session gives to a patient."""
        for identifier in identifiers:
            if identifier.value in self.holders:
                self.holders[identifier.value].append(Holder(identifier, patient_id))

    def find(self, session: ScopedSession, table: type[Any], key: Key) -> tuple[bool, Any]:
        """Whether the key was read ahead, and its row."""
        if key not in self.keys.get(table, ()):
            return False, None
        row: Any = self.keys[table][key]
        if row is not None and (row.connection_id, row.external_id) == key:
            return True, row
        rows: Iterable[Any] = (*self.kept, *session.new)
        for other in rows:
            if isinstance(other, table) and (other.connection_id, other.external_id) == key:
                session.flush()  # a new row has its id then
                return True, other
        return True, None

    def provider(self, external_id: str) -> Provider | None:
        """A provider that the session has met already."""
        met = (row for row in self.kept if type(row) is Provider)
        return next((row for row in met if row.external_id == external_id), None)


def of(session: ScopedSession, practice_id: str) -> Known | None:
    """What the session has read ahead of a practice."""
    known: Known | None = session.info.get(_SLOT)
    return known if known is not None and known.practice_id == practice_id else None


def read_ahead(
    session: ScopedSession,
    practice_id: str,
    connection_id: str,
    *,
    values: Collection[str],
    keys: dict[type[Any], Collection[str]],
    with_coverages: bool = False,
) -> None:
    """Read holders of identifiers with their patients, and rows by their source's keys, for a whole
    transaction; `with_coverages` the patients' coverages too, where none of it moves them."""
    known = session.info.setdefault(_SLOT, Known(practice_id))
    if not known.kept:
        for name in ("loaded_as_persistent", "pending_to_persistent"):
            event.listen(session, name, lambda _, row: known.kept.append(row))
    _read_holders(session, known, values)
    if with_coverages:
        _read_coverages(session, known)
    for table, wanted in keys.items():
        if wanted:
            _read_rows(session, known, table, connection_id, wanted)


def _read_holders(session: ScopedSession, known: Known, values: Collection[str]) -> None:
    if not values:
        return
    known.holders.update({value: [] for value in values})
    stored = select(PatientIdentifier).where(
        PatientIdentifier.practice_id == known.practice_id, PatientIdentifier.value.in_(values)
    )
    for row in session.scalars(stored):
        held = Holder(Identifier(row.authority, row.type, row.value), row.patient_id)
        known.holders[row.value].append(held)
    ids = {holder.patient_id for found in known.holders.values() for holder in found}
    if ids:
        mine = select(Patient).where(Patient.practice_id == known.practice_id, Patient.id.in_(ids))
        session.scalars(mine).all()


def _read_coverages(session: ScopedSession, known: Known) -> None:
    holders = (holder for found in known.holders.values() for holder in found)
    known.coverages = {holder.patient_id: [] for holder in holders}
    if known.coverages:
        for row in coverages_of(session, known.practice_id, known.coverages):
            known.coverages[row.patient_id].append(row)


def coverages_of(
    session: ScopedSession, practice_id: str, patient_ids: Collection[str]
) -> Sequence[Coverage]:
    """Every coverage the patients have or had, by priority."""
    mine = Coverage.patient_id.in_(list(patient_ids))
    return session.scalars(
        select(Coverage)
        .where(Coverage.practice_id == practice_id, mine)
        .order_by(Coverage.status, Coverage.priority, Coverage.id)
    ).all()


def _read_rows(
    session: ScopedSession,
    known: Known,
    table: type[Any],
    connection_id: str,
    wanted: Collection[str],
) -> None:
    found = known.keys.setdefault(table, {})
    found.update({(connection_id, external_id): None for external_id in wanted})
    stored = select(table).where(
        table.practice_id == known.practice_id,
        table.connection_id == connection_id,
        table.external_id.in_(wanted),
    )
    for row in session.scalars(stored):
        found[(row.connection_id, row.external_id)] = row
