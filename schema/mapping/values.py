"""Values of a request as the reads take them, and what they may not be."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from hub.errors import Rejected
from hub.storage.reads.write import read_global_id
from schema.mapping.inputs import Read
from schema.mapping.types import PAGE_SIZE

LARGEST_PAGE = 100
LONGEST_LIST = 500


def then(read: Read, convert: Callable[[Any], Any]) -> Read:
    return lambda variables: convert(read(variables))


def page_size(value: int | None) -> int:
    if value is None:
        return PAGE_SIZE
    if not 1 <= value <= LARGEST_PAGE:
        raise Rejected(f"`first` must be between 1 and {LARGEST_PAGE}.", path="first")
    return value


def each(convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def values(listed: Sequence[Any]) -> tuple[Any, ...]:
        if len(listed) > LONGEST_LIST:
            raise Rejected(f"`in` takes at most {LONGEST_LIST} values.", path="where")
        return tuple(map(convert, listed))

    return values


def row_id(type_name: str, text: str) -> str:
    """The row's id; a global id that is malformed or of another type matches no row."""
    found = read_global_id(text)
    return found[1] if found is not None and found[0] == type_name else ""


def id_of(text: str) -> str:
    found = read_global_id(text)
    return found[1] if found is not None else ""


def place_of(sought: str, given: Any) -> str | None:
    """Where an input holds an id, of a row or as it was sent: as `lines[0].itemId`; None if
    nowhere."""
    places = (place for place, text in _texts(given) if sought in (text, id_of(text)))
    return next(places, None) if sought else None


def _texts(given: Any, place: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(given, str):
        yield place, given
    elif isinstance(given, Mapping):
        for name, value in given.items():
            yield from _texts(value, f"{place}.{name}" if place else name)
    elif isinstance(given, list):
        for at, value in enumerate(given):
            yield from _texts(value, f"{place}[{at}]")


def plain(value: Any) -> Any:
    return value.value if isinstance(value, enum.Enum) else value


def words(value: Any) -> Any:
    """An input with the words of its enums: whether they come as such or as members depends on what
    a credential may see of the schema."""
    if isinstance(value, Mapping):
        return {name: words(each) for name, each in value.items()}
    return list(map(words, value)) if isinstance(value, list) else plain(value)
