"""Appointments, encounters, observations and charges."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from hub.domain.agreements import Domain
from hub.storage.tables.base import (
    Base,
    ExactDecimal,
    Labelled,
    Money,
    PracticeOwned,
    Sourced,
    same_practice,
)


class Appointment(PracticeOwned, Sourced, Labelled, Base):
    __tablename__ = "appointments"
    domain = Domain.SCHEDULE

    patient_id: Mapped[str]
    provider_id: Mapped[str | None]
    status: Mapped[str]
    starts_at: Mapped[datetime]
    minutes: Mapped[int | None]
    location: Mapped[str] = mapped_column(default="")
    service_code: Mapped[str] = mapped_column(default="")
    reason: Mapped[str] = mapped_column(default="")
    type_code: Mapped[str] = mapped_column(default="", server_default="")
    note: Mapped[str] = mapped_column(default="", server_default="")

    __table_args__ = (
        UniqueConstraint("practice_id", "connection_id", "external_id"),
        Index(None, "practice_id", "starts_at", "id"),
        Index(None, "practice_id", "patient_id", "starts_at", "id"),
        Index(None, "practice_id", "provider_id", "starts_at", "id"),
        same_practice("patient_id", "patients"),
        same_practice("provider_id", "providers"),
    )


class AppointmentResource(PracticeOwned, Base):
    """A service, person, place or thing that an appointment takes up."""

    __tablename__ = "appointment_resources"
    domain = Domain.SCHEDULE

    appointment_id: Mapped[str]
    provider_id: Mapped[str | None]
    position: Mapped[int]
    kind: Mapped[str]
    code: Mapped[str] = mapped_column(default="")
    name: Mapped[str] = mapped_column(default="")
    role: Mapped[str] = mapped_column(default="")
    starts_at: Mapped[datetime | None]
    minutes: Mapped[int | None]

    __table_args__ = (
        Index(None, "practice_id", "appointment_id", "position", "id"),
        same_practice("appointment_id", "appointments"),
        same_practice("provider_id", "providers"),
    )


class Encounter(PracticeOwned, Sourced, Labelled, Base):
    __tablename__ = "encounters"
    domain = Domain.CLINICAL

    patient_id: Mapped[str]
    provider_id: Mapped[str | None]
    status: Mapped[str]
    encounter_class: Mapped[str] = mapped_column(default="other")
    location: Mapped[str] = mapped_column(default="")
    starts_at: Mapped[datetime]
    starts_at_precision: Mapped[str | None]
    ends_at: Mapped[datetime | None]
    ends_at_precision: Mapped[str | None]
    discharge_disposition: Mapped[str] = mapped_column(default="")
    admission_type: Mapped[str] = mapped_column(default="", server_default="")
    hospital_service: Mapped[str] = mapped_column(default="", server_default="")
    admit_source: Mapped[str] = mapped_column(default="", server_default="")
    reason: Mapped[str] = mapped_column(default="", server_default="")
    preceded_by_id: Mapped[str | None]

    __table_args__ = (
        UniqueConstraint("practice_id", "connection_id", "external_id"),
        Index(None, "practice_id", "starts_at", "id"),
        Index(None, "practice_id", "patient_id", "starts_at", "id"),
        same_practice("patient_id", "patients"),
        same_practice("provider_id", "providers"),
        same_practice("preceded_by_id", "encounters"),
    )


class EncounterStay(PracticeOwned, Base):
    """Where a visit's patient was, or that they were on leave, from one moment to the next.

    A move that was cancelled keeps its row.
    """

    __tablename__ = "encounter_stays"
    domain = Domain.CLINICAL

    encounter_id: Mapped[str]
    kind: Mapped[str]
    location: Mapped[str] = mapped_column(default="")
    starts_at: Mapped[datetime]
    starts_at_precision: Mapped[str | None]
    ends_at: Mapped[datetime | None]
    ends_at_precision: Mapped[str | None]
    cancelled: Mapped[bool] = mapped_column(default=False)

    __table_args__ = (
        Index(None, "practice_id", "encounter_id", "starts_at", "id"),
        same_practice("encounter_id", "encounters"),
    )


class Observation(PracticeOwned, Sourced, Labelled, Base):
    """One result; `external_id` joins the report's key with the observation's."""

    __tablename__ = "observations"
    domain = Domain.CLINICAL

    patient_id: Mapped[str]
    encounter_id: Mapped[str | None]
    report_key: Mapped[str]
    report_name: Mapped[str] = mapped_column(default="")
    code: Mapped[str]
    code_system: Mapped[str] = mapped_column(default="")
    name: Mapped[str] = mapped_column(default="")
    value_type: Mapped[str] = mapped_column(default="")
    value_text: Mapped[str] = mapped_column(default="")
    value_number: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    unit: Mapped[str] = mapped_column(default="")
    reference_range: Mapped[str] = mapped_column(default="")
    abnormal_flags: Mapped[str] = mapped_column(default="")
    status: Mapped[str]
    observed_at: Mapped[datetime]
    observed_at_precision: Mapped[str | None]
    note: Mapped[str] = mapped_column(default="")
    order_id: Mapped[str | None]
    value_code: Mapped[str] = mapped_column(default="", server_default="")
    value_code_system: Mapped[str] = mapped_column(default="", server_default="")
    method: Mapped[str] = mapped_column(default="", server_default="")
    specimen: Mapped[str] = mapped_column(default="", server_default="")
    performer: Mapped[str] = mapped_column(default="", server_default="")
    parent_report_key: Mapped[str] = mapped_column(default="", server_default="")
    parent_code: Mapped[str] = mapped_column(default="", server_default="")

    __table_args__ = (
        UniqueConstraint("practice_id", "connection_id", "external_id"),
        Index(None, "practice_id", "order_id", "observed_at", "id"),
        same_practice("order_id", "clinical_orders"),
        Index(None, "practice_id", "observed_at", "id"),
        Index(None, "practice_id", "patient_id", "observed_at", "id"),
        Index(None, "practice_id", "encounter_id", "observed_at", "id"),
        same_practice("patient_id", "patients"),
        same_practice("encounter_id", "encounters"),
    )


class ObservationVersion(PracticeOwned, Base):
    """What a result said before it was corrected or withdrawn."""

    __tablename__ = "observation_versions"
    domain = Domain.CLINICAL

    observation_id: Mapped[str]
    status: Mapped[str]
    value_text: Mapped[str] = mapped_column(default="")
    value_number: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    unit: Mapped[str] = mapped_column(default="")
    reference_range: Mapped[str] = mapped_column(default="")
    abnormal_flags: Mapped[str] = mapped_column(default="")
    note: Mapped[str] = mapped_column(default="")
    observed_at: Mapped[datetime]
    observed_at_precision: Mapped[str | None]
    received_at: Mapped[datetime | None]
    replaced_at: Mapped[datetime]
    inbox_id: Mapped[str | None]

    __table_args__ = (
        Index(None, "practice_id", "observation_id", "replaced_at", "id"),
        same_practice("observation_id", "observations"),
    )


class Charge(PracticeOwned, Sourced, Labelled, Base):
    __tablename__ = "charges"
    domain = Domain.BILLING

    patient_id: Mapped[str]
    encounter_id: Mapped[str | None]
    kind: Mapped[str]
    service_date: Mapped[date]
    procedure_code: Mapped[str]
    procedure_system: Mapped[str] = mapped_column(default="")
    modifiers: Mapped[list[str]] = mapped_column(default=list)
    quantity: Mapped[Decimal] = mapped_column(ExactDecimal)
    amount: Mapped[Decimal | None] = mapped_column(Money)
    currency: Mapped[str] = mapped_column(default="USD")
    diagnosis_codes: Mapped[list[str]] = mapped_column(default=list)
    performer_npi: Mapped[str] = mapped_column(default="")

    __table_args__ = (
        UniqueConstraint("practice_id", "connection_id", "external_id"),
        Index(None, "practice_id", "service_date", "id"),
        Index(None, "practice_id", "patient_id", "service_date", "id"),
        Index(None, "practice_id", "encounter_id", "service_date", "id"),
        same_practice("patient_id", "patients"),
        same_practice("encounter_id", "encounters"),
    )
