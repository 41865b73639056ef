"""Patients, their identifiers, providers and merges."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from hub.domain.agreements import Domain
from hub.storage.tables.base import Base, Labelled, PracticeOwned, Sourced, same_practice


class Patient(PracticeOwned, Sourced, Labelled, Base):
    """A person as one practice knows them; never shared between practices."""

    __tablename__ = "patients"
    domain = Domain.CLINICAL
    of_patient = "id"

    family_name: Mapped[str] = mapped_column(default="")
    given_name: Mapped[str] = mapped_column(default="")
    middle_name: Mapped[str] = mapped_column(default="")
    birth_date: Mapped[date | None]
    birth_date_stated: Mapped[str] = mapped_column(default="", server_default="")
    sex: Mapped[str] = mapped_column(default="unknown")
    phone: Mapped[str] = mapped_column(default="")
    email: Mapped[str] = mapped_column(default="")
    line1: Mapped[str] = mapped_column(default="")
    line2: Mapped[str] = mapped_column(default="")
    city: Mapped[str] = mapped_column(default="")
    state: Mapped[str] = mapped_column(default="")
    postal_code: Mapped[str] = mapped_column(default="")
    language: Mapped[str] = mapped_column(default="")
    deceased_at: Mapped[datetime | None]
    deceased_at_precision: Mapped[str | None]
    status: Mapped[str] = mapped_column(default="active")
    merged_into_id: Mapped[str | None]
    primary_provider_id: Mapped[str | None]
    deceased: Mapped[bool | None]
    race: Mapped[str] = mapped_column(default="", server_default="")
    ethnicity: Mapped[str] = mapped_column(default="", server_default="")
    marital_status: Mapped[str] = mapped_column(default="", server_default="")
    publicity_code: Mapped[str] = mapped_column(default="", server_default="")
    protected: Mapped[bool | None]
    details_hash: Mapped[str] = mapped_column(default="", server_default="")

    __table_args__ = (
        Index(None, "practice_id", "family_name", "given_name", "id"),
        Index(None, "practice_id", "birth_date", "id"),
        same_practice("merged_into_id", "patients"),
        same_practice("primary_provider_id", "providers"),
    )


class PatientIdentifier(PracticeOwned, Labelled, Base):
    """One identifier of a patient, unique within the practice."""

    __tablename__ = "patient_identifiers"
    domain = Domain.CLINICAL

    patient_id: Mapped[str]
    authority: Mapped[str]
    type: Mapped[str]
    value: Mapped[str]
    effective_on: Mapped[date | None]
    expires_on: Mapped[date | None]

    __table_args__ = (
        UniqueConstraint("practice_id", "value", "authority", "type"),
        Index(None, "practice_id", "patient_id", "id"),
        same_practice("patient_id", "patients"),
    )


class PatientMerge(PracticeOwned, Base):
    """A merge as a link: no row is deleted, so that it can be undone.

    `moved` lists by table the ids of the rows that went from the prior patient to the survivor, and
    as ``ended_coverages`` those of coverages that the survivor had too.
    """

    __tablename__ = "patient_merges"
    domain = Domain.CLINICAL

    survivor_id: Mapped[str]
    prior_id: Mapped[str]
    inbox_id: Mapped[str | None]
    merged_at: Mapped[datetime]
    undone_at: Mapped[datetime | None]
    moved: Mapped[dict[str, Any]] = mapped_column(default=dict)

    __table_args__ = (
        Index(None, "practice_id", "prior_id", "merged_at", "id"),
        same_practice("survivor_id", "patients"),
        same_practice("prior_id", "patients"),
    )


class Provider(PracticeOwned, Sourced, Base):
    """A person who provides care at the practice.

    Those of a master file have a `content_hash`, those only named by other messages none.
    """

    __tablename__ = "providers"
    domain = Domain.SCHEDULE

    npi: Mapped[str] = mapped_column(default="")
    family_name: Mapped[str] = mapped_column(default="")
    given_name: Mapped[str] = mapped_column(default="")
    status: Mapped[str] = mapped_column(default="active", server_default="active")
    role: Mapped[str] = mapped_column(default="", server_default="")
    specialties: Mapped[list[str]] = mapped_column(default=list, server_default="[]")
    phone: Mapped[str] = mapped_column(default="", server_default="")
    email: Mapped[str] = mapped_column(default="", server_default="")
    starts_on: Mapped[date | None]
    ends_on: Mapped[date | None]

    __table_args__ = (
        UniqueConstraint("practice_id", "external_id"),
        Index(None, "practice_id", "family_name", "given_name", "id"),
    )
