"""Where a visit's patient was when: a history written by admissions, moves, leaves and discharges.

Each stay ends where the next begins. A message that arrives late finds its place by its time; of
two stated for one moment the one that arrived later is the later one, which their ids say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from hub.domain.encounters import Encounter
from hub.domain.times import TimePrecision
from hub.storage import encounters as store
from hub.storage.session import ScopedSession
from hub.storage.tables import Encounter as EncounterRow
from hub.storage.tables import EncounterStay
from hub.storage.tables.base import new_ordered_id

_TAKES_BACK: dict[str, str] = {
    "cancel_transfer": "location",
    "cancel_return": "location",
    "cancel_leave": "leave",
}


@dataclass
class _NewStay:
    """A stay that is not stored yet, by column."""

    id: str
    practice_id: str
    encounter_id: str
    kind: str
    location: str
    starts_at: datetime
    starts_at_precision: str | None
    ends_at: datetime | None = None
    ends_at_precision: str | None = None
    cancelled: bool = False


_Stay = EncounterStay | _NewStay


def note(
    session: ScopedSession,
    encounter: EncounterRow,
    said: Encounter,
    moment: datetime,
    *,
    received_at: datetime,
    is_new: bool = False,
) -> None:
    """Enter what a message received at `received_at` said at `moment` (both aware); the same again
    enters nothing. `is_new`: the visit is not stored yet."""
    rows: list[_Stay] = []
    if not is_new:
        rows += sorted(store.stays(session, encounter.practice_id, encounter.id), key=_order)
    taken_back = _TAKES_BACK.get(said.movement or "")
    if taken_back:
        _take_back(rows, taken_back, said)
    else:
        before = next(
            (row for row in reversed(rows) if not row.cancelled and row.starts_at <= moment), None
        )
        if before is None and _came_from(encounter, said, moment):
            before = _NewStay(
                new_ordered_id(received_at),
                encounter.practice_id,
                encounter.id,
                "location",
                said.prior_location or "",
                encounter.starts_at,
                encounter.starts_at_precision,
            )
            rows.append(before)
        kind = _kind(said, before)
        place = said.location or (before.location if before else "")
        how = _precision(said, moment)
        if (place or kind == "leave") and not _knows(rows, kind, place, moment, how):
            own = new_ordered_id(received_at), encounter.practice_id, encounter.id
            rows.append(_NewStay(*own, kind, place, moment, how))
    _chain(rows, encounter)
    new = [dict(vars(row)) for row in rows if isinstance(row, _NewStay)]
    session.add_new(EncounterStay, new)


def _came_from(encounter: EncounterRow, said: Encounter, moment: datetime) -> bool:
    """Whether a move says where the patient was since the visit began."""
    return (
        bool(said.prior_location and said.location)
        and said.prior_location != said.location
        and encounter.starts_at < moment
    )


def _take_back(rows: Sequence[_Stay], kind: str, said: Encounter) -> None:
    """Cancel the last stay if it is what the message takes back; the one before it goes on."""
    valid = [row for row in rows if not row.cancelled]
    if len(valid) < 2 or valid[-1].kind != kind:
        return
    if kind == "location" and valid[-2].kind == kind and valid[-1].location == said.location:
        return  # the patient is where the message says: the move was never heard of
    valid[-1].cancelled = True


def _kind(said: Encounter, before: _Stay | None) -> str:
    if said.movement in {"leave", "return"}:
        return "leave" if said.movement == "leave" else "location"
    return before.kind if before else "location"


def _precision(said: Encounter, moment: datetime) -> TimePrecision | None:
    """How exactly the moment a stay begins was stated, by the visit's start or by the message."""
    begins = moment == said.starts_at
    return said.starts_at_precision if begins else said.stated_at_precision


def _knows(
    rows: Sequence[_Stay],
    kind: str,
    place: str,
    moment: datetime,
    precision: TimePrecision | None,
) -> bool:
    """Whether the stay is the one at that time, or was cancelled since, or only begins earlier than
    was known."""
    if any((row.starts_at, row.kind, row.location) == (moment, kind, place) for row in rows):
        return True
    valid = [row for row in rows if not row.cancelled]
    earlier = [row for row in valid if row.starts_at <= moment]
    if earlier and (earlier[-1].kind, earlier[-1].location) == (kind, place):
        return True
    later = valid[len(earlier) :]
    if later and (later[0].kind, later[0].location) == (kind, place):
        later[0].starts_at, later[0].starts_at_precision = moment, precision
        return True
    return False


def _order(stay: _Stay) -> tuple[datetime, bool, str]:
    """Random ids, which stays had once, say nothing and are older than those that do."""
    return stay.starts_at, stay.id[14] == "7", stay.id


def _chain(rows: Sequence[_Stay], encounter: EncounterRow) -> None:
    valid = sorted((row for row in rows if not row.cancelled), key=_order)
    for row, after in pairwise(valid):
        row.ends_at, row.ends_at_precision = after.starts_at, after.starts_at_precision
    if valid:
        valid[-1].ends_at = encounter.ends_at
        valid[-1].ends_at_precision = encounter.ends_at_precision
