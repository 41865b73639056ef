"""The audit trail."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Identity, Index
from sqlalchemy.orm import Mapped, mapped_column

from hub.storage.tables.base import Base, Sequence64, new_id


class AuditEvent(Base):
    """Who did what to which kind of data, for which purpose; no values. Chained by digest."""

    __tablename__ = "audit_events"

    sequence: Mapped[int] = mapped_column(Sequence64, Identity(), primary_key=True)
    id: Mapped[str] = mapped_column(unique=True, default=new_id)
    recorded_at: Mapped[datetime]
    principal_id: Mapped[str]
    principal_name: Mapped[str]
    purpose: Mapped[str]
    action: Mapped[str]
    outcome: Mapped[str]
    operation: Mapped[str] = mapped_column(default="")
    entities: Mapped[dict[str, Any]]
    practice_ids: Mapped[list[str]]
    subjects: Mapped[list[str]]
    reason: Mapped[str] = mapped_column(default="")
    digest: Mapped[str]

    __table_args__ = (
        Index(None, "recorded_at", "id"),
        Index(None, "principal_id", "recorded_at", "id"),
    )
    """By patient it is found through an index of its own kind; see audit_subjects.py."""


class AuditHead(Base):
    """The last digest of the audit chain; locked while an event is appended."""

    __tablename__ = "audit_heads"

    partition: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[str]
    count: Mapped[int]
