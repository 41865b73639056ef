"""Providers as a master file states them (HL7 v2.5.1 chapter 8)."""

from __future__ import annotations

from hub.domain.practitioners import PractitionerEntry, PractitionerList
from hub.domain.records import Record
from hub.errors import Rejected
from hub.services.providers import resolve_practitioner
from hub.services.records import (
    ApplyContext,
    Outcome,
    content_of,
    copy_stated,
    digest,
    judge,
    key_of,
    refuse_delete,
    stamp,
)
from hub.storage.scheduling import find_provider, listed_providers
from hub.storage.session import ScopedSession
from hub.storage.tables import Provider

FEWEST_HELD = 25
"""Up to so many, or a tenth of the list if that is more, become inactive without being asked."""

COPIED = ("status", "role", "phone", "email", "starts_on", "ends_on")


def apply_entry(session: ScopedSession, context: ApplyContext, record: Record) -> Outcome:
    """Create or update a provider from the file, which knows better than other messages."""
    refuse_delete(record)
    entry = content_of(record, PractitionerEntry)
    who = entry.practitioner
    row = find_provider(session, context.practice, key_of(record), who.npi)
    content = digest(record)
    outcome = judge(row, record, content)
    if outcome in (Outcome.UNCHANGED, Outcome.STALE):
        return outcome
    if row is None:
        resolve_practitioner(session, context, who)
        row = find_provider(session, context.practice, who.external_id, who.npi)
        if row is None:
            raise Rejected("The practitioner could not be stored.", reason="practitioner")
    if who.name is not None:
        row.family_name, row.given_name = who.name.family, who.name.given
    if who.npi or "practitioner.npi" in record.cleared:
        row.npi = who.npi
    copy_stated(row, entry, COPIED, record.cleared)
    if entry.specialties is not None:
        row.specialties = list(entry.specialties)
    key = row.external_id
    stamp(row, context, record, content)
    row.external_id = key
    return outcome


def apply_list(session: ScopedSession, context: ApplyContext, record: Record) -> Outcome:
    """Make inactive whom a full list leaves out; too many at once are held for an operator."""
    whole = content_of(record, PractitionerList)
    session.flush()
    before = listed_providers(session, context.practice, context.connection_id)
    kept = {
        row.id
        for row in (
            find_provider(session, context.practice, who.external_id, who.npi)
            for who in whole.members
        )
        if row is not None
    }
    left_out = [row for row in before if row.id not in kept and not _is_newer(row, record)]
    most = whole.most_deactivations
    if most is None:
        most = max(FEWEST_HELD, len(before) // 10)
    if len(left_out) > most:
        raise Rejected(
            "The full list leaves out more practitioners than may become inactive at once; nobody"
            " did. If the list is right, raise most_deactivations on the connection and replay the"
            " message.",
            reason="deactivations_held",
            path="MFI-3",
        )
    for row in left_out:
        row.status = "inactive"
        row.occurred_at = record.occurred_at or row.occurred_at
    return Outcome.CHANGED if left_out else Outcome.UNCHANGED


def _is_newer(row: Provider, record: Record) -> bool:
    stated, stored = record.occurred_at, row.occurred_at
    return stated is not None and stored is not None and stored > stated
