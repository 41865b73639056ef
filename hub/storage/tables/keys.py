"""The data keys everything secret is encrypted with, each wrapped by a key-encryption key."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from hub.storage.tables.base import Base


class DataKey(Base):
    """A key of one practice (null: the hub's own) and one class of data.

    `wrapped` is the key as the key-encryption key `kek_id` wrapped it, null once it was destroyed.
    `uses` counts the encryptions that processes have taken for themselves, in blocks.
    """

    __tablename__ = "data_keys"

    id: Mapped[str] = mapped_column(primary_key=True)
    practice_id: Mapped[str | None] = mapped_column(ForeignKey("practices.id"))
    data_class: Mapped[str]
    kek_id: Mapped[str]
    wrapped: Mapped[bytes | None] = mapped_column(LargeBinary)
    uses: Mapped[int] = mapped_column(BigInteger, default=0)
    created_at: Mapped[datetime]
    destroyed_at: Mapped[datetime | None]

    __table_args__ = (Index(None, "practice_id", "data_class"), Index(None, "kek_id"))
