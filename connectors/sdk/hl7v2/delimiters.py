"""The separators a sender chose (HL7 v2.5.1 §2.5.4): MSH-1 and MSH-2, never assumed."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Delimiters:
    """`escape`, `subcomponent` and `truncation` are empty where the sender has none.

    `encoding_characters` is MSH-2 as these delimiters are written; the fields ending in ``_byte``
    are what splits bytes. `marks` is what a value is looked through for, in order: repetition,
    component, subcomponent, escape; NUL, which no message holds, where there is none.
    """

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    subcomponent: str = "&"
    truncation: str = ""
    encoding_characters: str = dataclasses.field(init=False, compare=False)
    marks: tuple[str, str, str, str] = dataclasses.field(init=False, compare=False)
    field_byte: bytes = dataclasses.field(init=False, compare=False)
    component_byte: bytes = dataclasses.field(init=False, compare=False)
    repetition_byte: bytes = dataclasses.field(init=False, compare=False)
    escape_byte: bytes = dataclasses.field(init=False, compare=False)
    subcomponent_byte: bytes = dataclasses.field(init=False, compare=False)

    def __post_init__(self) -> None:
        encoding = self.component + self.repetition + self.escape + self.subcomponent
        object.__setattr__(self, "encoding_characters", encoding + self.truncation)
        marks = self.repetition, self.component, self.subcomponent or "\0", self.escape or "\0"
        object.__setattr__(self, "marks", marks)
        object.__setattr__(self, "field_byte", self.field.encode())
        object.__setattr__(self, "component_byte", self.component.encode())
        object.__setattr__(self, "repetition_byte", self.repetition.encode())
        object.__setattr__(self, "escape_byte", self.escape.encode())
        object.__setattr__(self, "subcomponent_byte", self.subcomponent.encode())


@lru_cache(maxsize=256)
def read_delimiters(separator: bytes, encoding: bytes) -> Delimiters | None:
    """Delimiters from MSH-1 and MSH-2, or None if they cannot be used.

    MSH-2 holds three to five distinct printable characters that are no letters, digits or blanks.
    Of exactly three the last is the subcomponent separator unless it is a backslash (a sender
    without an escape character).
    """
    characters = separator + encoding
    usable = all(0x21 <= char <= 0x7E and not chr(char).isalnum() for char in characters)
    if not usable or len(set(characters)) != len(characters) or len(separator) != 1:
        return None
    field, rest = separator.decode("ascii"), encoding.decode("ascii")
    if len(rest) == 3 and rest[2] != "\\":
        return Delimiters(field, rest[0], rest[1], "", rest[2])
    if len(rest) == 3:
        return Delimiters(field, rest[0], rest[1], rest[2], "")
    if len(rest) in {4, 5}:
        return Delimiters(field, *rest)
    return None
