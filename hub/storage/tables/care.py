"""What was done in visits, and who takes part in care."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from hub.domain.agreements import Domain
from hub.storage.tables.base import Base, Labelled, PracticeOwned, same_practice


class Procedure(PracticeOwned, Labelled, Base):
    """A procedure of a visit, whose messages state them whole, or of one charge."""

    __tablename__ = "procedures"
    domain = Domain.CLINICAL

    patient_id: Mapped[str]
    encounter_id: Mapped[str | None]
    charge_id: Mapped[str | None]
    provider_id: Mapped[str | None]
    position: Mapped[int]
    code: Mapped[str] = mapped_column(default="")
    name: Mapped[str] = mapped_column(default="")
    code_system: Mapped[str] = mapped_column(default="")
    type: Mapped[str] = mapped_column(default="")
    priority: Mapped[int | None]
    performed_at: Mapped[datetime]
    performed_at_precision: Mapped[str | None]
    minutes: Mapped[int | None]
    modifiers: Mapped[list[str]] = mapped_column(default=list)
    diagnosis_code: Mapped[str] = mapped_column(default="")

    __table_args__ = (
        Index(None, "practice_id", "performed_at", "id"),
        Index(None, "practice_id", "patient_id", "performed_at", "id"),
        Index(None, "practice_id", "encounter_id", "performed_at", "id"),
        Index(None, "practice_id", "charge_id", "position", "id"),
        same_practice("patient_id", "patients"),
        same_practice("encounter_id", "encounters"),
        same_practice("charge_id", "charges"),
        same_practice("provider_id", "providers"),
    )


class CareRole(PracticeOwned, Base):
    """A practitioner in one role of one patient, visit, order or procedure: one of the four ids."""

    __tablename__ = "care_roles"
    domain = Domain.CLINICAL

    patient_id: Mapped[str | None]
    encounter_id: Mapped[str | None]
    order_id: Mapped[str | None]
    procedure_id: Mapped[str | None]
    provider_id: Mapped[str]
    listed_in: Mapped[str] = mapped_column(default="")
    role: Mapped[str]
    role_name: Mapped[str] = mapped_column(default="")
    starts_at: Mapped[datetime | None]
    starts_at_precision: Mapped[str | None]
    ends_at: Mapped[datetime | None]
    ends_at_precision: Mapped[str | None]

    __table_args__ = (
        Index(None, "practice_id", "patient_id", "role", "id"),
        Index(None, "practice_id", "encounter_id", "role", "id"),
        Index(None, "practice_id", "order_id", "role", "id"),
        Index(None, "practice_id", "procedure_id", "role", "id"),
        same_practice("patient_id", "patients"),
        same_practice("encounter_id", "encounters"),
        same_practice("order_id", "clinical_orders"),
        same_practice("procedure_id", "procedures"),
        same_practice("provider_id", "providers"),
    )
