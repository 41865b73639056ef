"""The people who provide care, as nearly every message names them."""

from __future__ import annotations

from hub.domain.patients import Practitioner
from hub.domain.records import Record
from hub.errors import Rejected
from hub.services.records import ApplyContext, Outcome, content_of, refuse_delete
from hub.storage.scheduling import add_provider, find_provider
from hub.storage.session import ScopedSession


def apply_practitioner(session: ScopedSession, context: ApplyContext, record: Record) -> Outcome:
    """Create or complete a provider of the practice."""
    refuse_delete(record)
    return _provider(session, context, content_of(record, Practitioner))[1]


def resolve_practitioner(
    session: ScopedSession, context: ApplyContext, practitioner: Practitioner
) -> str | None:
    """The id of the provider a message names, created if unknown; None if it names nobody."""
    if not (practitioner.external_id or practitioner.npi):
        return None
    return _provider(session, context, practitioner)[0]


def assign_practitioner(
    session: ScopedSession,
    context: ApplyContext,
    record: Record,
    row: object,
    **columns: str,
) -> None:
    """Write into each column of a row the provider that a field of the record's data names, as in
    ``attending="provider_id"``. A field that is None changes nothing, unless the source cleared it.
    """
    for name, column in columns.items():
        practitioner: Practitioner | None = getattr(record.data, name)
        if practitioner is not None:
            setattr(row, column, resolve_practitioner(session, context, practitioner))
        elif name in record.cleared:
            setattr(row, column, None)


def _provider(
    session: ScopedSession, context: ApplyContext, practitioner: Practitioner
) -> tuple[str, Outcome]:
    """Found by key or NPI; written only if the message says something new.

    Providers are named by nearly every message: no freshness is kept, so that messages of different
    patients do not wait for each other's row.
    """
    key = practitioner.external_id or practitioner.npi
    if not key:
        raise Rejected(
            "The practitioner has neither a key nor an NPI.", reason="missing_key", path="STF-1"
        )
    said = {"npi": practitioner.npi}
    if practitioner.name is not None:
        said |= {
            "family_name": practitioner.name.family,
            "given_name": practitioner.name.given,
        }
    said = {name: value for name, value in said.items() if value}
    row = find_provider(session, context.practice, key, practitioner.npi)
    if row is None:
        source = {
            "connection_id": context.connection_id,
            "received_at": context.received_at,
            "inbox_id": context.inbox_id,
        }
        added = add_provider(session, context.practice, key, said | source)
        row = find_provider(session, context.practice, key, practitioner.npi)
        if row is None:
            raise Rejected("The practitioner could not be stored.", reason="practitioner")
        return row.id, Outcome.CREATED if added else Outcome.UNCHANGED
    if row.content_hash:  # a master file knows better: only what it left open is learned
        said = {name: value for name, value in said.items() if not getattr(row, name)}
    changed = {name: value for name, value in said.items() if getattr(row, name) != value}
    for name, value in changed.items():
        setattr(row, name, value)
    return row.id, Outcome.CHANGED if changed else Outcome.UNCHANGED
