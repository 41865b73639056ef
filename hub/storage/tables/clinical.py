"""Clinical orders, documents and immunizations."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import Index, LargeBinary, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from hub.domain.agreements import Domain
from hub.storage.tables.base import (
    Base,
    ExactDecimal,
    Labelled,
    PracticeOwned,
    Sourced,
    same_practice,
)


class ClinicalOrder(PracticeOwned, Sourced, Labelled, Base):
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


class ClinicalDocument(PracticeOwned, Sourced, Labelled, Base):
    __tablename__ = "clinical_documents"
    domain = Domain.CLINICAL

    patient_id: Mapped[str]
    encounter_id: Mapped[str | None]
    order_id: Mapped[str | None]
    author_id: Mapped[str | None]
    authenticator_id: Mapped[str | None]
    parent_id: Mapped[str | None]
    type_code: Mapped[str] = mapped_column(default="")
    type_name: Mapped[str] = mapped_column(default="")
    title: Mapped[str] = mapped_column(default="")
    file_name: Mapped[str] = mapped_column(default="")
    completion: Mapped[str | None]
    availability: Mapped[str | None]
    confidentiality: Mapped[str] = mapped_column(default="")
    activity_at: Mapped[datetime]
    originated_at: Mapped[datetime | None]
    text: Mapped[str] = mapped_column(default="")

    __table_args__ = (
        UniqueConstraint("practice_id", "connection_id", "external_id"),
        Index(None, "practice_id", "activity_at", "id"),
        Index(None, "practice_id", "patient_id", "activity_at", "id"),
        Index(None, "practice_id", "encounter_id", "activity_at", "id"),
        Index(None, "practice_id", "parent_id", "activity_at", "id"),
        same_practice("patient_id", "patients"),
        same_practice("encounter_id", "encounters"),
        same_practice("order_id", "clinical_orders"),
        same_practice("author_id", "providers"),
        same_practice("authenticator_id", "providers"),
        same_practice("parent_id", "clinical_documents"),
    )


class DocumentPart(PracticeOwned, Base):
    """A file of a document: `content` encrypted, or a `reference` that is never followed.

    `digest` is keyed (HMAC-SHA-256); `size` counts bytes before encryption.
    """

    __tablename__ = "document_parts"
    domain = Domain.CLINICAL

    document_id: Mapped[str]
    position: Mapped[int]
    media_type: Mapped[str]
    size: Mapped[int] = mapped_column(default=0)
    digest: Mapped[str] = mapped_column(default="")
    reference: Mapped[str] = mapped_column(default="")
    content: Mapped[bytes | None] = mapped_column(LargeBinary)

    __table_args__ = (
        UniqueConstraint("practice_id", "document_id", "position"),
        same_practice("document_id", "clinical_documents"),
    )


class Immunization(PracticeOwned, Sourced, Labelled, Base):
    __tablename__ = "immunizations"
    domain = Domain.CLINICAL

    patient_id: Mapped[str]
    encounter_id: Mapped[str | None]
    provider_id: Mapped[str | None]
    status: Mapped[str]
    administered_on: Mapped[date]
    administered_at: Mapped[datetime | None]
    administered_precision: Mapped[str | None]
    vaccine_code: Mapped[str]
    vaccine_system: Mapped[str] = mapped_column(default="")
    vaccine_name: Mapped[str] = mapped_column(default="")
    historical: Mapped[bool | None]
    amount: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    unit: Mapped[str] = mapped_column(default="")
    lot_number: Mapped[str] = mapped_column(default="")
    expires_on: Mapped[date | None]
    manufacturer_code: Mapped[str] = mapped_column(default="")
    manufacturer_name: Mapped[str] = mapped_column(default="")
    refusal_code: Mapped[str] = mapped_column(default="")
    refusal_reason: Mapped[str] = mapped_column(default="")
    route_code: Mapped[str] = mapped_column(default="")
    site_code: Mapped[str] = mapped_column(default="")
    funding_code: Mapped[str] = mapped_column(default="")
    note: Mapped[str] = mapped_column(default="")

    __table_args__ = (
        UniqueConstraint("practice_id", "connection_id", "external_id"),
        Index(None, "practice_id", "administered_on", "id"),
        Index(None, "practice_id", "patient_id", "administered_on", "id"),
        Index(None, "practice_id", "encounter_id", "administered_on", "id"),
        same_practice("patient_id", "patients"),
        same_practice("encounter_id", "encounters"),
        same_practice("provider_id", "providers"),
    )
