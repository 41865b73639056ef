"""Patients' consents that records with a sensitivity label are disclosed to the MSO."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from hub.domain.agreements import Domain
from hub.storage.tables.base import Base, Labelled, PracticeOwned, same_practice


class Consent(PracticeOwned, Labelled, Base):
    """One patient's consent that the MSO sees records with one label, its own `sensitivity`, for
    one `purpose` (None: for every one).

    In force from `starts_at` until before `ends_at` (None: open) while not revoked. `reference`
    says where the practice keeps the signed document, and `revocation_reference` what revoked it;
    both are encrypted (`hub/services/consent_references.py`). Nothing of a row changes but its
    revocation, once: other terms are another consent.
    """

    __tablename__ = "consents"
    domain = Domain.CLINICAL

    patient_id: Mapped[str]
    purpose: Mapped[str | None]
    granted_on: Mapped[date]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime | None]
    reference: Mapped[str]
    recorded_at: Mapped[datetime]
    recorded_by: Mapped[str]
    revoked_at: Mapped[datetime | None]
    revoked_by: Mapped[str] = mapped_column(default="")
    revocation_reference: Mapped[str] = mapped_column(default="")

    __table_args__ = (
        Index(None, "practice_id", "granted_on", "id"),
        Index(None, "practice_id", "patient_id", "granted_on", "id"),
        same_practice("patient_id", "patients"),
    )
