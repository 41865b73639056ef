"""What changed, for whoever watches; written by triggers (`triggers`)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Identity, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from hub.storage.tables.base import Base, Sequence64


class Event(Base):
    """A row changed: which kind and which row, never what is in it.

    Written with the change; `sequence` is given once the change is durable, one by one, so that
    whoever reads on from a number misses none.
    """

    __tablename__ = "events"

    id: Mapped[int] = mapped_column(Sequence64, Identity(), primary_key=True)
    sequence: Mapped[int | None] = mapped_column(Sequence64)
    topic: Mapped[str]
    row_id: Mapped[str]
    parent_id: Mapped[str | None]
    practice_id: Mapped[str | None]
    recorded_at: Mapped[datetime]

    __table_args__ = (
        Index(
            "uq_events_sequence",
            "sequence",
            unique=True,
            sqlite_where=text("sequence IS NOT NULL"),
            postgresql_where=text("sequence IS NOT NULL"),
        ),
        Index(
            "ix_events_pending",
            "id",
            postgresql_where=text("sequence IS NULL"),
            info={"only": "postgresql"},
        ).ddl_if(dialect="postgresql"),
    )


class EventHead(Base):
    """The last number given to an event, and the last one whose event was deleted."""

    __tablename__ = "event_heads"

    name: Mapped[str] = mapped_column(primary_key=True)
    sequence: Mapped[int] = mapped_column(Sequence64)
    pruned: Mapped[int] = mapped_column(Sequence64)
