"""The lists of a patient: names, addresses, numbers, contacts, guarantors, allergies, diagnoses."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, declared_attr, mapped_column

from hub.domain.agreements import Domain
from hub.storage.tables.base import Base, Labelled, PracticeOwned, same_practice


class ListedOfPatient(PracticeOwned):
    """A row of a list that messages state whole, in the order stated."""

    domain = Domain.CLINICAL

    patient_id: Mapped[str]
    position: Mapped[int]

    @declared_attr.directive
    def __table_args__(cls) -> tuple[object, ...]:
        return (
            Index(None, "practice_id", "patient_id", "position", "id"),
            same_practice("patient_id", "patients"),
        )


class Located:
    """An address in columns."""

    line1: Mapped[str] = mapped_column(default="")
    line2: Mapped[str] = mapped_column(default="")
    city: Mapped[str] = mapped_column(default="")
    state: Mapped[str] = mapped_column(default="")
    postal_code: Mapped[str] = mapped_column(default="")
    country: Mapped[str] = mapped_column(default="")


class Named:
    """A person's name in columns."""

    family_name: Mapped[str] = mapped_column(default="")
    given_name: Mapped[str] = mapped_column(default="")
    middle_name: Mapped[str] = mapped_column(default="")
    suffix: Mapped[str] = mapped_column(default="")
    prefix: Mapped[str] = mapped_column(default="")


class PatientName(ListedOfPatient, Named, Base):
    __tablename__ = "patient_names"

    use: Mapped[str] = mapped_column(default="")


class PatientAddress(ListedOfPatient, Located, Base):
    __tablename__ = "patient_addresses"

    use: Mapped[str] = mapped_column(default="")


class PatientTelecom(ListedOfPatient, Base):
    __tablename__ = "patient_telecoms"

    kind: Mapped[str]
    value: Mapped[str]
    use: Mapped[str] = mapped_column(default="")


class PatientContact(ListedOfPatient, Named, Located, Base):
    __tablename__ = "patient_contacts"

    relationship: Mapped[str] = mapped_column(default="")
    role: Mapped[str] = mapped_column(default="")
    phone: Mapped[str] = mapped_column(default="")
    email: Mapped[str] = mapped_column(default="")
    starts_on: Mapped[date | None]
    ends_on: Mapped[date | None]


class Guarantor(ListedOfPatient, Named, Located, Base):
    __tablename__ = "guarantors"
    domain = Domain.BILLING

    number: Mapped[str] = mapped_column(default="")
    phone: Mapped[str] = mapped_column(default="")
    birth_date: Mapped[date | None]
    type: Mapped[str] = mapped_column(default="")
    relationship: Mapped[str] = mapped_column(default="")
    employer: Mapped[str] = mapped_column(default="")


class Allergy(ListedOfPatient, Base):
    __tablename__ = "allergies"

    type: Mapped[str] = mapped_column(default="")
    code: Mapped[str] = mapped_column(default="")
    name: Mapped[str] = mapped_column(default="")
    code_system: Mapped[str] = mapped_column(default="")
    severity: Mapped[str] = mapped_column(default="")
    reactions: Mapped[list[str]] = mapped_column(default=list)
    identified_on: Mapped[date | None]


class Diagnosis(PracticeOwned, Labelled, Base):
    """A diagnosis of a visit; the visit's messages state them whole."""

    __tablename__ = "diagnoses"
    domain = Domain.CLINICAL

    patient_id: Mapped[str]
    encounter_id: Mapped[str]
    position: Mapped[int]
    code: Mapped[str] = mapped_column(default="")
    name: Mapped[str] = mapped_column(default="")
    code_system: Mapped[str] = mapped_column(default="")
    type: Mapped[str] = mapped_column(default="")
    priority: Mapped[int | None]
    diagnosed_at: Mapped[datetime]
    diagnosed_at_precision: Mapped[str | None]

    __table_args__ = (
        Index(None, "practice_id", "diagnosed_at", "id"),
        Index(None, "practice_id", "patient_id", "diagnosed_at", "id"),
        Index(None, "practice_id", "encounter_id", "position", "id"),
        same_practice("patient_id", "patients"),
        same_practice("encounter_id", "encounters"),
    )
