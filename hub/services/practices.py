"""Practices as operators name, add and change them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import or_, select

from hub.domain.npi import is_npi
from hub.domain.times import zone_named
from hub.errors import Conflict, NotFound, Rejected
from hub.services.operators import Operator, record_change, stated_reason
from hub.storage.session import ScopedSession
from hub.storage.tables import Practice

DETAILS = ("npi", "care_model", "zone", "phone", "line1", "city", "state", "postal_code")
"""What is known of a practice beside its name and specialties; each is text."""
LONGEST = 200


def named(session: ScopedSession, practice: str) -> Practice:
    """The practice of an id or a unique name. Raises NotFound, also where several have the name."""
    found = session.scalars(
        select(Practice).where(or_(Practice.id == practice, Practice.name == practice))
    ).all()
    if len(found) != 1:
        text = f'"{practice}" is neither the id nor the unique name of a practice.'
        raise NotFound(text, sought=practice)
    return found[0]


def locked(session: ScopedSession, practice: str) -> Practice:
    """Like `named`, and nobody else changes the practice or its agreements meanwhile."""
    found = named(session, practice)
    session.refresh(found, with_for_update=True)
    return found


def listed(session: ScopedSession) -> Sequence[Practice]:
    """Every practice by name."""
    return session.scalars(select(Practice).order_by(Practice.name, Practice.id)).all()


def add(
    session: ScopedSession,
    name: str,
    details: Mapping[str, str],
    specialties: Sequence[str],
    *,
    operator: Operator,
    now: datetime,
) -> Practice:
    """Add a practice, whose `zone` must be given. Audited. The MSO sees nothing of it before an
    agreement says so. Raises Rejected, or Conflict where another has the name or the NPI."""
    practice = Practice(created_at=now, **_checked(session, {"name": name, **details}, None))
    practice.specialties = list(dict.fromkeys(specialties))
    session.add(practice)
    session.flush()
    record_change(session, operator, "practice add", "Practice", practice.id, now=now)
    return practice


def change(
    session: ScopedSession,
    practice: str,
    details: Mapping[str, str],
    specialties: Sequence[str] | None,
    *,
    operator: Operator,
    reason: str,
    now: datetime,
) -> Practice:
    """Give a practice (name or id) another name or other details. Audited. Raises as `add`."""
    found, stated = locked(session, practice), stated_reason(reason)
    for key, value in _checked(session, details, found).items():
        setattr(found, key, value)
    if specialties is not None:
        found.specialties = list(dict.fromkeys(specialties))
    session.flush()
    record_change(
        session, operator, "practice change", "Practice", found.id, reason=stated, now=now
    )
    return found


def _checked(
    session: ScopedSession, values: Mapping[str, str], known: Practice | None
) -> dict[str, str]:
    """The values without blanks around them. Raises Rejected or Conflict."""
    given = {key: value.strip() for key, value in values.items()}
    for key, value in given.items():
        if len(value) > LONGEST or (not value and key in ("name", "zone")):
            raise Rejected(f"{key} has 1 to {LONGEST} characters.", path=key)
    if "zone" in given and zone_named(given["zone"]) is None:
        raise Rejected("zone must be a name like America/Chicago.", path="zone")
    if (npi := given.get("npi")) and not is_npi(npi):
        raise Rejected("npi is no National Provider Identifier: its check digit.", path="npi")
    for key, column in (("name", Practice.name), ("npi", Practice.npi)):
        if not given.get(key):
            continue
        others = select(Practice.id).where(column == given[key])
        if set(session.scalars(others)) - {known.id if known else None}:
            raise Conflict(f"Another practice has this {key}.")
    return given
