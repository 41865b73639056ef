"""A practice's word on a round, an item or a supplier: it owns its decision, the MSO proposes."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete

from hub.errors import Conflict, NotFound, Rejected
from hub.services.rounds import LONGEST_WHY, locked_round
from hub.storage import rounds as store
from hub.storage.session import ScopedSession
from hub.storage.tables import (
    Item,
    PurchasingExclusion,
    PurchasingParticipation,
    PurchasingRound,
    Supplier,
    new_id,
)


def set_participation(
    session: ScopedSession,
    *,
    practice_id: str,
    round_id: str,
    takes_part: bool,
    why: str = "",
    by: str,
    now: datetime,
) -> str:
    """Say whether a practice takes part; what it stated as demand is kept either way.

    Conflict once the round is locked.
    """
    _open(session, round_id)
    row = store.participation(session, practice_id, round_id)
    if row is None:
        row = PurchasingParticipation(id=new_id(), practice_id=practice_id, round_id=round_id)
        session.add(row)
    row.takes_part, row.why = takes_part, _short(why)
    row.decided_by, row.decided_at = by, now
    session.flush()
    return row.id


def exclude(
    session: ScopedSession,
    *,
    practice_id: str,
    round_id: str,
    item_id: str | None = None,
    supplier_id: str | None = None,
    why: str = "",
    by: str,
    now: datetime,
) -> str:
    """Keep an item, a supplier, or an item from a supplier (both named) out of a practice's part of
    the round; again changes nothing.

    Rejected unless one is named, NotFound where it does not exist, Conflict once the round is
    locked.
    """
    if item_id is None and supplier_id is None:
        raise Rejected("Name an item, a supplier, or both.", path="itemId")
    _open(session, round_id)
    if item_id is not None and session.get(Item, item_id) is None:
        raise NotFound(sought=item_id)
    if supplier_id is not None and session.get(Supplier, supplier_id) is None:
        raise NotFound(sought=supplier_id)
    for row in store.exclusions(session, round_id):
        key = (row.practice_id, row.item_id, row.supplier_id)
        if key == (practice_id, item_id, supplier_id):
            return row.id
    row = PurchasingExclusion(
        id=new_id(),
        practice_id=practice_id,
        round_id=round_id,
        item_id=item_id,
        supplier_id=supplier_id,
        why=_short(why),
        decided_by=by,
        decided_at=now,
    )
    session.add(row)
    session.flush()
    return row.id


def include_again(
    session: ScopedSession, *, practice_id: str, round_id: str, exclusion_id: str
) -> None:
    """Take an exclusion back; NotFound if the practice has none of this id in the round."""
    _open(session, round_id)
    row = session.get(PurchasingExclusion, (practice_id, exclusion_id))
    if row is None or row.round_id != round_id:
        raise NotFound(sought=exclusion_id)
    session.execute(
        delete(PurchasingExclusion).where(
            PurchasingExclusion.practice_id == practice_id, PurchasingExclusion.id == exclusion_id
        )
    )


def _open(session: ScopedSession, round_id: str) -> PurchasingRound:
    row = locked_round(session, round_id)
    if row.status != "open":
        raise Conflict("The round is locked; a practice may change its part again if it reopens.")
    return row


def _short(why: str) -> str:
    if len(why.strip()) > LONGEST_WHY:
        raise Rejected(f"A reason has at most {LONGEST_WHY} characters.", path="why")
    return why.strip()
