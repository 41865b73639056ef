"""Figures across practices, as published."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import BigInteger, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from hub.storage.tables.base import Base, Money, new_id


class MetricFigure(Base):
    """A metric of a month, never changed. A suppressed one has neither figure nor practices;
    `left_out` are practices whose agreements allow no data aggregation."""

    __tablename__ = "metric_figures"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    metric: Mapped[str]
    month: Mapped[date]
    suppressed: Mapped[bool]
    count: Mapped[int | None] = mapped_column(BigInteger)
    amount: Mapped[Decimal | None] = mapped_column(Money)
    practices: Mapped[int | None]
    left_out: Mapped[list[str]]
    published_at: Mapped[datetime]

    __table_args__ = (UniqueConstraint("metric", "month"), Index(None, "month", "id"))
