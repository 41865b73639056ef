"""Telling another system of a clinical order: asked for here, written and sent by jobs."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from hub.domain.clinical_orders import ClinicalOrder
from hub.domain.jobs import Job
from hub.errors import NotFound
from hub.services import outbound
from hub.services.appointment_notices import patient_of, practitioner_of
from hub.storage.session import ScopedSession
from hub.storage.tables import ClinicalOrder as OrderRow


def request(
    session: ScopedSession, order_id: str, *, destination: str, is_new: bool, now: datetime
) -> int:
    """Add the job that writes a message about an order; its id. `destination` is a name or an id;
    NotFound for an order this scope may not read."""
    row = session.scalar(select(OrderRow).where(OrderRow.id == order_id))
    if row is None:
        raise NotFound(sought=order_id)
    connection = outbound.destination(session, destination)
    return outbound.ask_to_write(
        session,
        Job.WRITE_ORDER,
        {"order_id": row.id},
        practice_id=row.practice_id,
        connection_id=connection.id,
        is_new=is_new,
        now=now,
    )


def load(session: ScopedSession, *, practice_id: str, order_id: str) -> ClinicalOrder:
    """The order as it stands now, with the patient's numbers; NotFound if it is gone."""
    row = session.get(OrderRow, (practice_id, order_id))
    if row is None:
        raise NotFound
    return ClinicalOrder(
        patient=patient_of(session, practice_id, row.patient_id),
        placer_number=row.placer_number,
        filler_number=row.filler_number,
        status=row.status,  # type: ignore[arg-type]
        group_number=row.group_number,
        code=row.code,
        code_system=row.code_system,
        name=row.name,
        priority=row.priority,
        ordered_at=row.ordered_at,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        practitioner=practitioner_of(session, practice_id, row.provider_id),
        reason=row.reason,
    )
