"""From lines as practices write them to demand in base units of items.

An entry is matched to an item, its quantity converted by the item's own packs; whatever is not
certain waits for a person with a sentence, and nothing is dropped. A requisition's lines are the
sums of its matched entries.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from hub.domain.gs1 import is_gtin
from hub.domain.jobs import Job
from hub.domain.purchasing import matching
from hub.domain.purchasing.requisition_file import FileLine
from hub.domain.supply_units import NoUnits, PackLevel, unit_code, units_in, whole_quantity
from hub.errors import Conflict, NotFound, Rejected
from hub.services.requisitions import replace_lines, requisition_of, round_taking_demand
from hub.services.rounds import terms_of
from hub.storage import queue
from hub.storage import requisitions as store
from hub.storage.session import ScopedSession
from hub.storage.tables import (
    Item,
    ItemMatch,
    ItemPack,
    MatchSuggestion,
    PurchasingRound,
    Requisition,
    RequisitionEntry,
    new_id,
)


def upload(
    session: ScopedSession,
    *,
    practice_id: str,
    round_id: str,
    lines: Sequence[FileLine],
    by: str,
    now: datetime,
) -> tuple[str, int]:
    """Keep every line of a file as an entry, in place of what the practice stated before, with the
    job that reads them; the requisition's and the job's id. Raises as `round_taking_demand`."""
    round_taking_demand(session, round_id, now)
    row = requisition_of(session, practice_id, round_id, by=by, now=now)
    keep_entries(session, row, lines, source="file")
    job_id = queue.add(
        session,
        Job.NORMALISE_REQUISITION,
        {"practice_id": practice_id, "requisition_id": row.id},
        now=now,
        practice_id=practice_id,
        unique_key=f"normalise:{row.id}",
    )
    return row.id, job_id


def keep_entries(
    session: ScopedSession, row: Requisition, lines: Sequence[FileLine], *, source: str
) -> None:
    """Make these lines all entries of a requisition; it has no demand until they are read."""
    store.drop_entries(session, row.practice_id, row.id)
    session.add_all(
        RequisitionEntry(
            id=new_id(),
            practice_id=row.practice_id,
            requisition_id=row.id,
            number=line.number,
            source=source,
            gtin=line.said.gtin,
            manufacturer=line.said.manufacturer,
            part=line.said.part,
            description=line.said.description,
            quantity=line.quantity,
            unit=line.unit,
            state="rejected" if line.issue else "received",
            issue=line.issue,
        )
        for line in lines
    )
    replace_lines(session, row, [])


@dataclass(frozen=True, slots=True)
class Counts:
    """Entries of a requisition by what became of them."""

    matched: int = 0
    needs_match: int = 0
    needs_units: int = 0
    rejected: int = 0


def read_entries(session: ScopedSession, *, practice_id: str, requisition_id: str) -> Counts:
    """Match and convert the entries of a requisition anew and make its lines of them.

    Nothing changes once the round is locked. NotFound for an unknown requisition.
    """
    row = session.get(Requisition, (practice_id, requisition_id))
    if row is None:
        raise NotFound
    round_ = session.get_one(PurchasingRound, row.round_id)
    found = store.entries(session, practice_id, requisition_id)
    if round_.status == "open":
        reader = _Reader(session, practice_id, round_)
        store.drop_suggestions(session, practice_id, [entry.id for entry in found])
        for entry in found:
            if entry.source == "file" and entry.state != "rejected":
                reader.read(entry)
        session.flush()
        _derive_lines(session, row, found)
    states = Counter(entry.state for entry in found)
    return Counts(*(states[name] for name in ("matched", "needs_match", "needs_units", "rejected")))


def _derive_lines(
    session: ScopedSession, row: Requisition, entries: Sequence[RequisitionEntry]
) -> None:
    units: Counter[str] = Counter()
    for entry in entries:
        if entry.state == "matched" and entry.item_id and entry.units:
            units[entry.item_id] += entry.units
    replace_lines(session, row, sorted(units.items()))


class _Reader:
    """Reads entries against the catalogue and what the practice decided before."""

    def __init__(self, session: ScopedSession, practice_id: str, round_: PurchasingRound) -> None:
        self._session = session
        self._terms = terms_of(round_)
        self._items = {item.id: item for item in store.catalogue(session)}
        self._packs: dict[str, list[PackLevel]] = {}
        for pack in store.packs(session):
            level = PackLevel(pack.unit, pack.quantity, pack.of_unit, pack.gtin)
            self._packs.setdefault(pack.item_id, []).append(level)
        self._sold: dict[str, list[PackLevel]] = {}
        for item_id, unit, units, _ in sorted(store.offered_packs(session)):
            base = self._items[item_id].base_unit
            self._sold.setdefault(item_id, []).append(PackLevel(unit_code(unit), units, base))
        self._catalogue = matching.Catalogue([self._known(item) for item in self._items.values()])
        decided = store.matches(session, practice_id)
        self._confirmed = {m.said: m.item_id for m in decided if m.decision == "confirmed"}
        self._refused = {(m.said, m.item_id) for m in decided if m.decision == "refused"}

    def _known(self, item: Item) -> matching.CatalogueItem:
        gtins = {level.gtin: level.unit for level in self._packs.get(item.id, []) if level.gtin}
        return matching.CatalogueItem(
            item.id, item.gtin, item.name, item.manufacturer, item.manufacturer_part, gtins
        )

    def read(self, entry: RequisitionEntry) -> None:
        """Set the entry's state, item, units and issue; add suggestions where it needs them."""
        said = said_of(entry)
        entry.item_id, entry.units, entry.issue, entry.matched_by = None, None, "", ""
        found = matching.identify(self._catalogue, said, self._confirmed, self._refused)
        if isinstance(found, matching.Unmatched):
            entry.state, entry.issue = "needs_match", found.issue
            self._suggest(entry, found.suggestions)
            return
        entry.item_id, entry.matched_by = found.item_id, found.how
        if not self._terms.buys(self._items[found.item_id].category):
            entry.state, entry.issue = "rejected", "The round does not buy items of this category."
            return
        units = self._units(entry, self._items[found.item_id], found.unit)
        if isinstance(units, NoUnits):
            entry.state, entry.issue = "needs_units", units.reason
        else:
            entry.state, entry.units = "matched", units

    def _units(self, entry: RequisitionEntry, item: Item, pack_unit: str) -> int | NoUnits:
        count = whole_quantity(entry.quantity)
        if isinstance(count, NoUnits):
            return count
        stated = unit_code(entry.unit)
        if pack_unit and stated not in {"", pack_unit}:
            return NoUnits(f"The GTIN is that of one {pack_unit}, the line says {stated}.")
        unit = pack_unit or stated
        if not unit:
            return NoUnits("The line states no unit.")
        own = self._packs.get(item.id, [])
        # the item's own packs decide; what suppliers sell it in counts where they say nothing
        known = own if any(level.unit == unit for level in own) else self._sold.get(item.id, [])
        each = units_in(known, unit, item.base_unit)
        return each if isinstance(each, NoUnits) else each * count

    def _suggest(self, entry: RequisitionEntry, suggestions: Sequence[matching.Suggestion]) -> None:
        self._session.add_all(
            MatchSuggestion(
                practice_id=entry.practice_id,
                entry_id=entry.id,
                item_id=suggestion.item_id,
                rank=rank,
                score=suggestion.score,
                reasons=list(suggestion.reasons),
            )
            for rank, suggestion in enumerate(suggestions, start=1)
        )


def said_of(entry: RequisitionEntry) -> matching.Said:
    """How the entry names its item."""
    return matching.Said(entry.gtin, entry.manufacturer, entry.part, entry.description)


def decide_match(
    session: ScopedSession,
    *,
    practice_id: str,
    entry_id: str,
    item_id: str,
    confirmed: bool,
    by: str,
    now: datetime,
) -> Counts:
    """Say that an entry means an item, or that it does not; remembered for the practice's next
    requisitions, and the entry's requisition is read again. NotFound for an unknown entry or
    item, Conflict for an entry that waits for no match."""
    entry = session.get(RequisitionEntry, (practice_id, entry_id))
    if entry is None:
        raise NotFound(sought=entry_id)
    if session.get(Item, item_id) is None:
        raise NotFound(sought=item_id)
    if entry.state != "needs_match":
        raise Conflict("The line waits for no match.")
    said = said_of(entry).key
    row = store.match(session, practice_id, said, item_id)
    if row is None:
        row = ItemMatch(practice_id=practice_id, said=said, item_id=item_id)
        session.add(row)
    row.decision = "confirmed" if confirmed else "refused"
    row.decided_by, row.decided_at = by, now
    session.flush()
    return read_entries(session, practice_id=practice_id, requisition_id=entry.requisition_id)


def set_pack(
    session: ScopedSession,
    *,
    item_id: str,
    unit: str,
    quantity: int,
    of_unit: str,
    gtin: str = "",
    now: datetime,
) -> str:
    """State a pack of an item: one `unit` holds `quantity` of `of_unit`; replaces what was stated
    of this unit. Requisitions that waited for it are read again by a job each.

    Rejected for a quantity below one, a unit of itself, the item's base unit or a bad GTIN.
    """
    item = session.get(Item, item_id)
    if item is None:
        raise NotFound(sought=item_id)
    unit, of_unit = unit_code(unit), unit_code(of_unit)
    if quantity < 1 or unit in {of_unit, "", item.base_unit} or not of_unit:
        raise Rejected(
            f"A pack holds at least one of a smaller unit, and is not {item.base_unit} itself.",
            path="quantity",
        )
    if gtin and not is_gtin(gtin):
        raise Rejected("The GTIN's length or check digit is wrong.", path="gtin")
    row = store.pack(session, item_id, unit)
    if row is None:
        row = ItemPack(id=new_id(), item_id=item_id, unit=unit)
        session.add(row)
    row.quantity, row.of_unit, row.gtin = quantity, of_unit, gtin
    session.flush()
    for waiting in store.open_requisitions(session, item_id):
        queue.add(
            session,
            Job.NORMALISE_REQUISITION,
            {"practice_id": waiting.practice_id, "requisition_id": waiting.id},
            now=now,
            practice_id=waiting.practice_id,
            unique_key=f"normalise:{waiting.id}",
        )
    return row.id
