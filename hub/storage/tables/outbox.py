"""The outbox: messages on their way to other systems, and what those answered."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, LargeBinary, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from hub.storage.tables.base import Base, new_id


class OutboundMessage(Base):
    """One message for one destination (`connection_id`).

    `state`: queued, accepted, parked, expired (its bytes were deleted after their time). A
    forwarded message has no bytes of its own: they are those of its `inbox_id`, and it is forwarded
    to a destination once. `raw` and `answer` (the last one received) are encrypted. `attempts`
    counts the sends.
    """

    __tablename__ = "outbox"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    connection_id: Mapped[str] = mapped_column(ForeignKey("connections.id"))
    practice_id: Mapped[str | None] = mapped_column(ForeignKey("practices.id"))
    inbox_id: Mapped[str | None] = mapped_column(ForeignKey("inbox.id"))
    message_type: Mapped[str]
    control_id: Mapped[str]
    size: Mapped[int]
    raw: Mapped[bytes | None] = mapped_column(LargeBinary)
    answer: Mapped[bytes | None] = mapped_column(LargeBinary)
    state: Mapped[str] = mapped_column(default="queued")
    attempts: Mapped[int] = mapped_column(default=0)
    answer_code: Mapped[str] = mapped_column(default="")
    fault_code: Mapped[str] = mapped_column(default="")
    fault_path: Mapped[str] = mapped_column(default="")
    fault_text: Mapped[str] = mapped_column(default="")
    queued_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("inbox_id", "connection_id"),
        Index(None, "queued_at", "id"),
        Index(None, "connection_id", "state", "queued_at", "id"),
        Index(None, "control_id"),
    )
