"""What a transaction that applies many messages has read ahead: who holds which identifiers, rows
by the keys of their source, and what belongs to those patients and visits. It answers as the
database would in that transaction, in which nobody else writes these rows unseen: unique keys stop
who would."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import event, select

from hub.domain.patients import Identifier
from hub.domain.patients_matching import Holder
from hub.storage.session import ScopedSession
from hub.storage.tables import Encounter, Patient, PatientIdentifier, Provider

Row = TypeVar("Row")
_SLOT = "known"
Key = tuple[str | None, str]
"""Connection and the source's key."""
Order = Sequence[Any]
"""Columns of a table, by which its rows are read."""


class Known:
    """Of one session and one practice."""

    def __init__(self, practice_id: str) -> None:
        self.practice_id = practice_id
        self.holders: dict[str, list[Holder]] = {}
        self.keys: dict[type[Any], dict[Key, Any]] = {}
        self.moving = False
        """Whether rows may go from one patient to another."""
        self.owned: dict[tuple[type[Any], str], dict[str, list[Any]]] = {}
        """By table and the column that points there, the rows of each owner until they are first
        asked for."""
        self._providers: dict[str, Provider] = {}
        self._seen = 0
        """How many of `kept` have been looked at for providers."""
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
                return True, other
        return True, None

    def owned_by(
        self, session: ScopedSession, table: type[Any], pointer: str, owner: str, order: Order
    ) -> list[Any] | None:
        """The rows of `table` whose column `pointer` says `owner`, an id; None where that is not
        known. The first question reads those of all owners."""
        if self.moving:
            return None
        rows = self.owned.get((table, pointer))
        if rows is None:
            rows = self.owned[table, pointer] = {each: [] for each in self._owners(pointer)}
            with session.no_autoflush:  # nobody wrote of these owners without having asked
                mine = table.practice_id == self.practice_id, getattr(table, pointer).in_(rows)
                found = session.scalars(select(table).where(*mine).order_by(*order)) if rows else ()
                for row in found:
                    rows[getattr(row, pointer)].append(row)
        return rows.pop(owner, None)

    def _owners(self, pointer: str) -> set[str]:
        if pointer == "patient_id":
            return {holder.patient_id for found in self.holders.values() for holder in found}
        if pointer == "encounter_id":
            return {row.id for row in self.keys.get(Encounter, {}).values() if row is not None}
        return set()

    def provider(self, external_id: str) -> Provider | None:
        """A provider that the session has met already."""
        for row in self.kept[self._seen :]:
            if type(row) is Provider:
                self._providers[row.external_id] = row
        self._seen = len(self.kept)
        return self._providers.get(external_id)


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
    providers: Collection[str] = (),
    moving: bool = False,
) -> None:
    """Read holders of identifiers with their patients, rows by their source's keys, and providers
    by theirs (those missing are looked for when they are met), for a whole transaction. What
    belongs to those is read when it is asked for, all of a table at once, unless the transaction is
    `moving` rows from patient to patient."""
    known = session.info.setdefault(_SLOT, Known(practice_id))
    known.moving = moving
    if not known.kept:
        for name in ("loaded_as_persistent", "pending_to_persistent"):
            event.listen(session, name, lambda _, row: known.kept.append(row))
    _read_holders(session, known, values)
    if providers:
        mine = Provider.practice_id == practice_id, Provider.external_id.in_(providers)
        session.scalars(select(Provider).where(*mine)).all()
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
    ids = known._owners("patient_id")
    if ids:
        mine = select(Patient).where(Patient.practice_id == known.practice_id, Patient.id.in_(ids))
        session.scalars(mine).all()


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


def owned_by(
    session: ScopedSession, table: type[Row], owner: Mapping[str, Any], *order: Any
) -> Sequence[Row]:
    """The rows of `table` that belong to `owner` (``practice_id`` and the column that points
    there), by the columns `order`."""
    pointers = [name for name in owner if name != "practice_id"]
    ahead = of(session, owner["practice_id"])
    if ahead is not None and len(pointers) == 1:
        found = ahead.owned_by(session, table, pointers[0], owner[pointers[0]], order)
        if found is not None:
            return found
    return session.scalars(select(table).filter_by(**owner).order_by(*order)).all()
