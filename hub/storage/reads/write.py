"""Stored values to JSON: one function per shape, each of which keeps null."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from hub.errors import HubError
from hub.storage.reads.parts import Shape

PLAIN_ID = "\x1c"
"""Around an id that is not yet a global one; JSON text never holds it unescaped."""


def timestamp(moment: datetime) -> str:
    """ISO 8601 in UTC with six decimals of a second, so that texts sort as moments do."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def money(amount: Decimal) -> str:
    return format(amount, ".2f")


def decimal(number: Decimal) -> str:
    return format(number, "f")


def iso_date(day: date) -> str:
    return day.isoformat()


def word(stored: str) -> str:
    """A stored word as an enum value."""
    return stored.upper()


WRITERS: dict[Shape, Callable[[Any], Any] | None] = {
    Shape.PLAIN: None,
    Shape.DATE: iso_date,
    Shape.TIMESTAMP: timestamp,
    Shape.MONEY: money,
    Shape.DECIMAL: decimal,
    Shape.WORD: word,
}


def global_id(type_name: str, row_id: object) -> str:
    """A Relay global id: base64 of ``Type:id``."""
    return base64.b64encode(f"{type_name}:{row_id}".encode()).decode()


def with_global_ids(text: str) -> str:
    """The text with its plain ids, ``Type:id`` between two `PLAIN_ID`, as global ids. To be called
    back for each of them takes SQLite longer than the statement, as it waits for the interpreter
    each time."""
    pieces = text.split(PLAIN_ID)
    if len(pieces) == 1:
        return text
    if len(pieces) % 2 == 0:
        raise HubError("A read returned an id without an end.")
    pieces[1::2] = [
        binascii.b2a_base64(plain.encode(), newline=False).decode() for plain in pieces[1::2]
    ]
    return "".join(pieces)


def read_global_id(text: str) -> tuple[str, str] | None:
    """Type name and row id of a global id, or None if it is not one."""
    try:
        plain = binascii.a2b_base64(text, strict_mode=True).decode("ascii")
    except (binascii.Error, ValueError):
        return None
    type_name, colon, row_id = plain.partition(":")
    well_formed = type_name and colon and row_id and plain.isprintable()
    return (type_name, row_id) if well_formed else None
