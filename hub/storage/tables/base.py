"""Column types and mixins every table is made of."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    String,
    TypeDecorator,
    event,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column

from hub.domain.agreements import Domain
from hub.random_bytes import random_bytes
from hub.storage.tables.attributes import make_expressions_late

make_expressions_late()

# Text compares by code point on both databases, so that keyset pages agree.
Text = String().with_variant(String(collation="C"), "postgresql")
Json = JSON().with_variant(JSONB(), "postgresql")
Sequence64 = BigInteger().with_variant(Integer(), "sqlite")


def new_id() -> str:
    """A random identifier: 36 characters, never sequential, says nothing about its row."""
    return _uuid(bytearray(random_bytes(16)), 4)


def new_ordered_id(now: datetime) -> str:
    """An identifier like `new_id`, for rows that come by the thousand and say when they came: it
    begins with the time to the microsecond, so that neighbours in time are neighbours in every
    index, and rows of one moment of their own sort as they came (RFC 9562 §6.2, method 3)."""
    milliseconds, rest = divmod(round(now.timestamp() * 1_000_000), 1000)
    fraction = rest * 4096 // 1000
    digits = milliseconds.to_bytes(6) + fraction.to_bytes(2) + random_bytes(8)
    return _uuid(bytearray(digits), 7)


def _uuid(digits: bytearray, version: int) -> str:
    """RFC 9562 §5.4 and §5.7: the version and the variant among bits that are otherwise given."""
    digits[6], digits[8] = digits[6] & 0x0F | version << 4, digits[8] & 0x3F | 0x80
    text = digits.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


@lru_cache(maxsize=64)
def _as_text(value: datetime) -> str:
    """Kept, because many rows are written with the same moment."""
    return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


class Timestamp(TypeDecorator[datetime]):
    """An aware moment. SQLite stores fixed-width UTC text, which sorts as time does."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(String(27))
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a timestamp needs a time zone")
        return _as_text(value) if dialect.name == "sqlite" else value.astimezone(UTC)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if isinstance(value, str):
            return datetime.fromisoformat(value)
        moment: datetime = value
        return moment.astimezone(UTC)


class Money(TypeDecorator[Decimal]):
    """An amount with two decimals, stored as integer cents; a third decimal is an error."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> int | None:
        if value is None:
            return None
        cents = value * 100
        if cents != cents.to_integral_value():
            raise ValueError("an amount of money has at most two decimals")
        return int(cents)

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        return None if value is None else Decimal(int(value)).scaleb(-2)


class ExactDecimal(TypeDecorator[Decimal]):
    """A decimal kept exactly as stated (rates, quantities, lab values), stored as text."""

    impl = String(64)
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> str | None:
        return None if value is None else format(value, "f")

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        return None if value is None else Decimal(value)


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: Text,
        datetime: Timestamp,
        dict[str, Any]: Json,
        list[str]: Json,
    }
    # Every default is known before the row is: asking for what was written would cost a statement
    # with all values of all rows.
    __mapper_args__ = {"eager_defaults": False}  # noqa: RUF012 - SQLAlchemy declares it so


class PracticeOwned:
    """A row that belongs to one practice: key ``(practice_id, id)``, scoped by `domain`."""

    domain: ClassVar[Domain]

    @declared_attr
    def practice_id(cls) -> Mapped[str]:
        return mapped_column(ForeignKey("practices.id"), primary_key=True, sort_order=-2)

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id, sort_order=-1)


@event.listens_for(PracticeOwned, "init", propagate=True)
def _with_id(_: object, __: object, values: dict[str, Any]) -> None:
    """A new object has its id at once, so that nobody has to ask the database for it."""
    values.setdefault("id", new_id())


class Sourced:
    """Where a row came from and how fresh it is.

    `external_id` is the source's key, `content_hash` of the canonical record (equal: nothing is
    written), `occurred_at` the source's own time by which stale updates are recognised.
    """

    connection_id: Mapped[str | None] = mapped_column(ForeignKey("connections.id"))
    external_id: Mapped[str] = mapped_column(default="")
    content_hash: Mapped[str] = mapped_column(default="")
    occurred_at: Mapped[datetime | None]
    received_at: Mapped[datetime | None]
    inbox_id: Mapped[str | None]


class Labelled:
    """A record that may need more than a grant of its kind (42 CFR Part 2 and its like).

    `sensitivity` is its label, of `hub.domain.sensitivity`; empty for most. A row with a label is
    shown to, and counted for, those alone whose rights include such rows. `of_patient` is the
    column that names whom it is about.
    """

    of_patient: ClassVar[str] = "patient_id"

    sensitivity: Mapped[str] = mapped_column(default="", server_default="")


def same_practice(column: str, target: str) -> ForeignKeyConstraint:
    """A foreign key that cannot leave the practice: ``(practice_id, column) -> target``."""
    return ForeignKeyConstraint(["practice_id", column], [f"{target}.practice_id", f"{target}.id"])
