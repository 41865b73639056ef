"""Par levels, counts and usage of a practice, and the requisition they suggest.

A suggestion is a draft: it counts as demand only after the practice submitted it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from hub.domain import par_levels
from hub.errors import Conflict, NotFound, Rejected
from hub.services.requisitions import replace_lines, requisition_of, round_taking_demand
from hub.services.rounds import terms_of
from hub.services.supply import items_named
from hub.storage import purchasing
from hub.storage import requisitions as store
from hub.storage.session import ScopedSession
from hub.storage.tables import ItemUsage, ParLevel, Requisition, RequisitionEntry

LONGEST_COVER = 400


@dataclass(frozen=True, slots=True)
class Level:
    """A practice's par level of an item and what it last counted, in base units."""

    item_id: str
    par_units: int
    on_hand_units: int | None = None
    counted_on: date | None = None


def set_levels(
    session: ScopedSession, *, practice_id: str, levels: Sequence[Level], now: datetime
) -> int:
    """State par levels and counts, each item once; returns how many are new or changed."""
    _check_items(session, [level.item_id for level in levels])
    changed = 0
    for level in levels:
        if level.par_units < 0 or (level.on_hand_units or 0) < 0:
            raise Rejected("Par levels and counts are not negative.", path="levels")
        row = store.par_level(session, practice_id, level.item_id)
        if row is None:
            row = ParLevel(practice_id=practice_id, item_id=level.item_id)
            session.add(row)
        said = (level.par_units, level.on_hand_units, level.counted_on)
        if (row.par_units, row.on_hand_units, row.counted_on) != said:
            row.par_units, row.on_hand_units, row.counted_on = said
            row.updated_at, changed = now, changed + 1
    session.flush()
    return changed


def record_usage(
    session: ScopedSession, *, practice_id: str, usages: Sequence[par_levels.Usage]
) -> int:
    """Keep what was used in a period; the same item and first day again replaces it."""
    _check_items(session, sorted({usage.item_id for usage in usages}))
    for usage in usages:
        if usage.days < 1 or usage.units < 0:
            raise Rejected("A period has at least a day, and usage is not negative.", path="usages")
        row = store.usage(session, practice_id, usage.item_id, usage.starts_on)
        if row is None:
            row = ItemUsage(
                practice_id=practice_id, item_id=usage.item_id, starts_on=usage.starts_on
            )
            session.add(row)
        row.days, row.units = usage.days, usage.units
        session.flush()
    return len(usages)


def _check_items(session: ScopedSession, ids: Sequence[str]) -> None:
    if len(set(ids)) != len(ids):
        raise Rejected("Each item stands once.", path="itemId")
    items_named(session, ids)


def suggest(
    session: ScopedSession,
    *,
    practice_id: str,
    round_id: str,
    cover_days: int,
    by: str,
    now: datetime,
) -> str:
    """Draft a requisition from par levels, counts, open orders and usage; its id.

    Each entry says how its quantity came about. Conflict if the practice has submitted one already
    or the round takes no demand; Rejected if nothing is short.
    """
    round_ = round_taking_demand(session, round_id, now)
    if not 1 <= cover_days <= LONGEST_COVER:
        raise Rejected(f"Stock is to last 1 to {LONGEST_COVER} days.", path="coverDays")
    row = purchasing.requisition(session, practice_id, round_id)
    if row is not None and row.status == "submitted":
        raise Conflict("The practice has submitted its requisition of this round already.")
    needs = _needs(session, practice_id, cover_days, now.date())
    known = {item.id: item for item in purchasing.items(session, [n.item_id for n in needs])}
    wanted = [n for n in needs if terms_of(round_).buys(known[n.item_id].category)]
    if not wanted:
        raise Rejected("Nothing is short; there is nothing to suggest.", path="roundId")
    row = requisition_of(session, practice_id, round_id, by=by, now=now)
    row.status = "draft"
    store.drop_entries(session, practice_id, row.id)
    for number, need in enumerate(wanted, start=1):
        item = known[need.item_id]
        session.add(
            RequisitionEntry(
                practice_id=practice_id,
                requisition_id=row.id,
                number=number,
                source="par_level",
                gtin=item.gtin,
                description=need.why,
                quantity=str(need.units),
                unit=item.base_unit,
                state="matched",
                matched_by="par_level",
                item_id=item.id,
                units=need.units,
            )
        )
    replace_lines(session, row, [(need.item_id, need.units) for need in wanted])
    return row.id


def _needs(
    session: ScopedSession, practice_id: str, cover_days: int, today: date
) -> list[par_levels.Need]:
    levels = {row.item_id: row for row in store.par_levels(session, practice_id)}
    usages: dict[str, list[par_levels.Usage]] = {}
    for row in store.usages(session, practice_id):
        usage = par_levels.Usage(row.item_id, row.starts_on, row.days, row.units)
        usages.setdefault(row.item_id, []).append(usage)
    on_order = store.units_on_order(session, practice_id)
    smallest: dict[str, int] = {}
    for item_id, _, units, multiple in store.offered_packs(session):
        smallest[item_id] = min(smallest.get(item_id, units * multiple), units * multiple)
    found = []
    for item_id in sorted(levels.keys() | usages.keys()):
        level = levels.get(item_id)
        stock = par_levels.Stock(
            item_id,
            None if level is None else level.par_units,
            None if level is None else level.on_hand_units,
            on_order.get(item_id, 0),
            smallest.get(item_id, 1),
        )
        need = par_levels.suggest(
            stock, usages.get(item_id, []), today=today, cover_days=cover_days
        )
        found += [] if need is None else [need]
    return found


def submit_draft(
    session: ScopedSession, *, practice_id: str, requisition_id: str, by: str, now: datetime
) -> str:
    """The practice has reviewed a suggestion: it becomes demand of the round; the round's id."""
    row = session.get(Requisition, (practice_id, requisition_id))
    if row is None:
        raise NotFound(sought=requisition_id)
    round_taking_demand(session, row.round_id, now)
    if row.status != "draft":
        raise Conflict(f"The requisition is {row.status}.")
    row.status, row.submitted_at, row.submitted_by = "submitted", now, by
    session.flush()
    return row.round_id
