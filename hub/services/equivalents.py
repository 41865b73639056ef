"""What a practice takes in place of another item: its formulary, as data it owns."""

from __future__ import annotations

from datetime import datetime

from hub.errors import Conflict, NotFound, Rejected
from hub.services.rounds import LONGEST_WHY
from hub.storage import round_offers as store
from hub.storage.session import ScopedSession
from hub.storage.tables import ApprovedEquivalent, Item, new_id


def approve_equivalent(
    session: ScopedSession,
    *,
    practice_id: str,
    item_id: str,
    equivalent_id: str,
    why: str = "",
    by: str,
    now: datetime,
) -> str:
    """The practice takes `equivalent_id` for `item_id`, unit for unit, in rounds locked from now
    on; again changes nothing.

    NotFound for unknown items; Rejected for an item in place of itself, and where the two are
    counted in other base units.
    """
    item, other = session.get(Item, item_id), session.get(Item, equivalent_id)
    if item is None or other is None:
        raise NotFound(sought=item_id if item is None else equivalent_id)
    if item_id == equivalent_id:
        raise Rejected("An item is no equivalent of itself.", path="equivalentId")
    if item.base_unit != other.base_unit:
        raise Rejected(
            f"The items are counted in other units: {item.base_unit} and {other.base_unit}.",
            path="equivalentId",
        )
    if len(why.strip()) > LONGEST_WHY:
        raise Rejected(f"A reason has at most {LONGEST_WHY} characters.", path="why")
    for row in store.equivalents(session, [practice_id], None):
        if (row.item_id, row.equivalent_id) == (item_id, equivalent_id):
            return row.id
    row = ApprovedEquivalent(
        id=new_id(),
        practice_id=practice_id,
        item_id=item_id,
        equivalent_id=equivalent_id,
        why=why.strip(),
        approved_by=by,
        approved_at=now,
    )
    session.add(row)
    session.flush()
    return row.id


def withdraw_equivalent(
    session: ScopedSession, *, practice_id: str, approval_id: str, by: str, now: datetime
) -> None:
    """The practice no longer takes it in rounds locked from now on. NotFound, or Conflict if it was
    withdrawn before."""
    row = session.get(ApprovedEquivalent, (practice_id, approval_id), with_for_update=True)
    if row is None:
        raise NotFound(sought=approval_id)
    if row.withdrawn_at is not None:
        raise Conflict("The equivalent was withdrawn already.")
    row.withdrawn_by, row.withdrawn_at = by, now
    session.flush()
