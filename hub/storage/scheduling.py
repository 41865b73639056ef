"""Queries on a practice's providers and what its appointments take up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import or_, select

from hub.storage import known
from hub.storage.session import ScopedSession
from hub.storage.tables import AppointmentResource, Provider
from hub.storage.upsert import insert_once


def find_provider(
    session: ScopedSession, practice_id: str, external_id: str, npi: str
) -> Provider | None:
    """The provider with this key, else the one with this National Provider Identifier."""
    ahead = known.of(session, practice_id)
    if ahead is not None and (met := ahead.provider(external_id)) is not None:
        return met
    same = [Provider.external_id == external_id]
    if npi:
        same.append(Provider.npi == npi)
    wanted = select(Provider).where(Provider.practice_id == practice_id, or_(*same))
    with session.no_autoflush:  # a new provider is inserted at once
        rows = session.scalars(wanted.order_by(Provider.id)).all()
    return next((row for row in rows if row.external_id == external_id), rows[0] if rows else None)


def resources_of(
    session: ScopedSession, practice_id: str, appointment_id: str
) -> Sequence[AppointmentResource]:
    """What an appointment takes up, in order."""
    return session.scalars(
        select(AppointmentResource)
        .where(
            AppointmentResource.practice_id == practice_id,
            AppointmentResource.appointment_id == appointment_id,
        )
        .order_by(AppointmentResource.position, AppointmentResource.id)
    ).all()


def listed_providers(
    session: ScopedSession, practice_id: str, connection_id: str
) -> Sequence[Provider]:
    """The active providers that a connection's master file has listed."""
    return session.scalars(
        select(Provider)
        .where(
            Provider.practice_id == practice_id,
            Provider.connection_id == connection_id,
            Provider.content_hash != "",
            Provider.status == "active",
        )
        .order_by(Provider.id)
    ).all()


def add_provider(session: ScopedSession, practice_id: str, external_id: str, values: Any) -> bool:
    """Insert a provider unless another transaction just did; True if inserted."""
    row = {"practice_id": practice_id, "external_id": external_id, "content_hash": "", **values}
    return insert_once(session, Provider, row)
