"""Webhooks whose body is one JSON event: its frame, and the record its data says; pure."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any, TypeVar

from pydantic import AwareDatetime, Field, ValidationError

from connectors.sdk.rows import Issues, Part, Row, read_rows
from hub.domain.records import Record
from hub.errors import DataError

R = TypeVar("R", bound=Row)
_ROW, _DATA = "$.data[0]", "$.data"


class Event(Part):
    """The frame: `data` is what the event is about, `created_at` when it happened (aware)."""

    id: str = Field(min_length=1)
    type: str = Field(min_length=1)
    created_at: AwareDatetime
    data: dict[str, Any]


def read_event(content: bytes) -> Event:
    """The event of a body, its numbers exact.

    Raises DataError with the path of the fault and without values.
    """
    try:
        body = json.loads(content, parse_float=Decimal, parse_constant=_refuse)
        return Event.model_validate(body)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        path = ".".join(["$", *map(str, fault["loc"])])
        raise DataError(
            f"The event is unreadable at {path}.", reason=fault["type"], path=path
        ) from None  # pydantic's text repeats the input
    except (ValueError, RecursionError) as error:
        raise DataError("The body is not JSON.", reason="not_json", path="$") from error


def record_of(event: Event, model: type[R], read: Callable[[R, Issues], object]) -> Record:
    """The record of an event whose data is a row, as `read_rows` reads one; the time is the row's
    own, or else the event's. Raises DataError by the path of what cannot be read."""
    answer = read_rows([event.data], model, read, None)
    if answer.rejected:
        fault = answer.rejected[0].issue
        path = fault.path.replace(_ROW, _DATA)
        raise DataError(f"The event is unreadable at {path}.", reason=fault.code, path=path)
    record = answer.records[0]
    issues = tuple(replace(one, path=one.path.replace(_ROW, _DATA)) for one in record.issues)
    return replace(record, occurred_at=record.occurred_at or event.created_at, issues=issues)


def _refuse(name: str) -> Decimal:
    raise ValueError(f"{name} is not a number in JSON")
