"""What practices need from a round, in base units of items."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete

from hub.errors import Conflict, Rejected
from hub.services.rounds import locked_round, terms_of
from hub.services.supply import items_named
from hub.storage import purchasing
from hub.storage.requisitions import drop_entries, entries
from hub.storage.session import ScopedSession
from hub.storage.tables import (
    PurchasingRound,
    Requisition,
    RequisitionEntry,
    RequisitionLine,
    new_id,
)


def submit_requisition(
    session: ScopedSession,
    *,
    practice_id: str,
    round_id: str,
    lines: Sequence[tuple[str, int]],
    by: str,
    now: datetime,
) -> str:
    """State what a practice needs, as (item id, base units); replaces what it stated before.

    Raises NotFound for an unknown round or item, Conflict once the round is locked or its time for
    requisitions is over, Rejected for an empty list, a repeated item, a quantity below one or an
    item the round does not buy.
    """
    round_ = round_taking_demand(session, round_id, now)
    wanted = dict(lines)
    if not lines or len(wanted) != len(lines) or min(wanted.values()) < 1:
        raise Rejected(
            "A requisition needs lines, each item once, with at least one unit.",
            reason="lines",
            path="lines",
        )
    items = items_named(session, list(wanted))
    if not all(terms_of(round_).buys(item.category) for item in items):
        raise Rejected(
            f"This round buys only: {', '.join(round_.categories)}.", reason="lines", path="lines"
        )
    row = requisition_of(session, practice_id, round_id, by=by, now=now)
    drop_entries(session, practice_id, row.id)
    replace_lines(session, row, lines)
    return row.id


def add_units(
    session: ScopedSession,
    *,
    practice_id: str,
    round_id: str,
    item_id: str,
    more: int,
    why: str,
    by: str,
    now: datetime,
) -> None:
    """Add `more` base units of an item to what a practice needs from an open round, as an entry
    that says why. Demand stated by hand before becomes entries too, so that a later reading of the
    entries keeps it."""
    row = purchasing.requisition(session, practice_id, round_id)
    known = entries(session, practice_id, row.id) if row else []
    lines = purchasing.lines_of(session, practice_id, row.id) if row else []
    row = requisition_of(session, practice_id, round_id, by=by, now=now)
    number = max((entry.number for entry in known), default=0)
    stated = [] if known else [(line.item_id, line.units, "hand", "") for line in lines]
    for item, units, source, reason in [*stated, (item_id, more, "carried", why)]:
        number += 1
        session.add(
            RequisitionEntry(
                practice_id=practice_id,
                requisition_id=row.id,
                number=number,
                source=source,
                description=reason,
                quantity=str(units),
                state="matched",
                matched_by=source,
                item_id=item,
                units=units,
            )
        )
    wanted = {line.item_id: line.units for line in lines}
    wanted[item_id] = wanted.get(item_id, 0) + more
    replace_lines(session, row, sorted(wanted.items()))


def round_taking_demand(session: ScopedSession, round_id: str, now: datetime) -> PurchasingRound:
    """The round if requisitions may still change; NotFound or Conflict otherwise."""
    row = locked_round(session, round_id)
    if row.status != "open":
        raise Conflict("The round is locked; requisitions can no longer change.")
    if not terms_of(row).in_window(now):
        raise Conflict("The time for requisitions of this round is over.")
    return row


def requisition_of(
    session: ScopedSession, practice_id: str, round_id: str, *, by: str, now: datetime
) -> Requisition:
    """The practice's requisition of the round as just submitted, made if it is the first."""
    row = purchasing.requisition(session, practice_id, round_id)
    if row is None:
        row = Requisition(id=new_id(), practice_id=practice_id, round_id=round_id)
        session.add(row)
    row.status, row.submitted_at, row.submitted_by = "submitted", now, by
    session.flush()
    return row


def replace_lines(
    session: ScopedSession, row: Requisition, lines: Sequence[tuple[str, int]]
) -> None:
    """Make (item id, base units) the whole demand of a requisition."""
    session.execute(
        delete(RequisitionLine).where(
            RequisitionLine.practice_id == row.practice_id,
            RequisitionLine.requisition_id == row.id,
        )
    )
    session.add_all(
        RequisitionLine(
            practice_id=row.practice_id, requisition_id=row.id, item_id=item_id, units=units
        )
        for item_id, units in lines
    )
    session.flush()
