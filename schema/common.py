"""Scalars, the Node interface, pages and typed mutation errors: what every noun uses."""

from __future__ import annotations

import enum
from datetime import UTC, date, datetime
from decimal import Decimal as PythonDecimal
from decimal import InvalidOperation
from typing import Any, NewType

import strawberry
from strawberry.types.scalar import ScalarDefinition

from hub.domain.decimals import is_storable
from hub.storage.reads.write import decimal, iso_date, timestamp

Date = NewType("Date", date)
DateTime = NewType("DateTime", datetime)
Decimal = NewType("Decimal", PythonDecimal)


def _write_date(value: Any) -> str:
    return value if isinstance(value, str) else iso_date(value)


def _write_moment(value: Any) -> str:
    return value if isinstance(value, str) else timestamp(value)


def _write_decimal(value: Any) -> str:
    return value if isinstance(value, str) else decimal(value)


def _read_date(value: object) -> date:
    if not isinstance(value, str) or len(value) != 10:
        raise ValueError("a Date is written YYYY-MM-DD")
    return date.fromisoformat(value)


def _read_moment(value: object) -> datetime:
    if not isinstance(value, str):
        raise ValueError("a DateTime is text")
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError("a DateTime needs an offset")
    return moment.astimezone(UTC)


def _read_decimal(value: object) -> PythonDecimal:
    if not isinstance(value, str):
        raise ValueError("a Decimal is text")
    try:
        number = PythonDecimal(value)
    except InvalidOperation as error:
        raise ValueError("a Decimal is written with digits") from error
    if not is_storable(number):
        raise ValueError("a Decimal is finite, below 10^15 and has at most 30 decimals")
    return number


SCALARS: dict[object, ScalarDefinition] = {
    Date: strawberry.scalar(
        name="Date",
        description="A day, ISO 8601: `2026-03-02`.",
        serialize=_write_date,
        parse_value=_read_date,
    ),
    DateTime: strawberry.scalar(
        name="DateTime",
        description="A moment in UTC, ISO 8601: `2026-03-02T15:00:00.000000Z`.",
        serialize=_write_moment,
        parse_value=_read_moment,
    ),
    Decimal: strawberry.scalar(
        name="Decimal",
        description='An exact decimal as text; money has two decimals: `"12.50"`.',
        serialize=_write_decimal,
        parse_value=_read_decimal,
    ),
}


@strawberry.interface(description="Anything with a global id (Relay).")
class Node:
    id: strawberry.ID


@strawberry.type(description="Where a page lies in its list (Relay). Paging is forward only.")
class PageInfo:
    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


@strawberry.enum(description="What kind of expected failure it is.")
class UserErrorCode(enum.Enum):
    BAD_INPUT = "BAD_INPUT"
    NOT_FOUND = "NOT_FOUND"
    CONFLICT = "CONFLICT"


@strawberry.type(description="An expected failure: what is wrong, and at which input field.")
class UserError:
    code: UserErrorCode
    field: str | None
    message: str


@strawberry.type(description="The mutation changed nothing, for the reasons listed.")
class UserErrors:
    errors: list[UserError]
