"""Clinical orders: what a practice asked others to do for a patient."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from hub.domain.agreements import Domain
from hub.storage.tables.base import Base, PracticeOwned, Sourced, same_practice


class ClinicalOrder(PracticeOwned, Sourced, Base):
    """Found again by the placer's or the filler's number, whichever a message gives."""

    __tablename__ = "clinical_orders"
    domain = Domain.CLINICAL

    patient_id: Mapped[str]
    encounter_id: Mapped[str | None]
    provider_id: Mapped[str | None]
    replaces_id: Mapped[str | None]
    placer_number: Mapped[str] = mapped_column(default="")
    filler_number: Mapped[str] = mapped_column(default="")
    group_number: Mapped[str] = mapped_column(default="")
    status: Mapped[str]
    code: Mapped[str] = mapped_column(default="")
    code_system: Mapped[str] = mapped_column(default="")
    name: Mapped[str] = mapped_column(default="")
    priority: Mapped[str] = mapped_column(default="")
    ordered_at: Mapped[datetime]
    starts_at: Mapped[datetime | None]
    ends_at: Mapped[datetime | None]
    reason: Mapped[str] = mapped_column(default="")
    note: Mapped[str] = mapped_column(default="")

    __table_args__ = (
        UniqueConstraint("practice_id", "connection_id", "external_id"),
        Index(None, "practice_id", "connection_id", "placer_number"),
        Index(None, "practice_id", "connection_id", "filler_number"),
        Index(None, "practice_id", "ordered_at", "id"),
        Index(None, "practice_id", "patient_id", "ordered_at", "id"),
        Index(None, "practice_id", "encounter_id", "ordered_at", "id"),
        same_practice("patient_id", "patients"),
        same_practice("encounter_id", "encounters"),
        same_practice("provider_id", "providers"),
        same_practice("replaces_id", "clinical_orders"),
    )
