"""Emergency accesses (break-glass): who opened the labelled records of a patient, when and why."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from hub.domain.agreements import Domain
from hub.storage.tables.base import Base, Labelled, PracticeOwned, same_practice


class EmergencyAccess(PracticeOwned, Labelled, Base):
    """`person` asked through the credential `opened_by` (its id in `client_id`) from `started_at`
    until before `ends_at`. `stopped_at` is kept once it is over; it is under review until
    `reviewed_at`. It has a label itself, as it tells of labelled records."""

    __tablename__ = "emergency_accesses"
    domain = Domain.CLINICAL

    patient_id: Mapped[str]
    client_id: Mapped[str]
    opened_by: Mapped[str]
    person: Mapped[str]
    reason: Mapped[str]
    started_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    stopped_at: Mapped[datetime | None]
    reviewed_at: Mapped[datetime | None]
    reviewed_by: Mapped[str] = mapped_column(default="")
    review_note: Mapped[str] = mapped_column(default="")

    __table_args__ = (
        Index(None, "practice_id", "started_at", "id"),
        Index(None, "practice_id", "patient_id", "started_at", "id"),
        Index(None, "stopped_at", "ends_at"),
        same_practice("patient_id", "patients"),
    )
