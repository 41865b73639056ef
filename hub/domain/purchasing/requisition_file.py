"""A requisition as a CSV file: one line per item, headings in the first line.

Every line of the file becomes a line of the answer, with a sentence where it cannot be used; only a
file that is no such table at all is refused as a whole.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hub.domain.purchasing.matching import Said
from hub.errors import Rejected

LARGEST_FILE = 5_000_000
MOST_LINES = 20_000
LONGEST_VALUE = 500
_HEADINGS: Mapping[str, str] = {
    "gtin": "gtin", "upc": "gtin", "ean": "gtin",
    "manufacturer": "manufacturer", "maker": "manufacturer", "mfr": "manufacturer",
    "part": "part", "part number": "part", "mfr part": "part", "manufacturer part": "part",
    "catalog number": "part",
    "description": "description", "item": "description", "name": "description",
    "quantity": "quantity", "qty": "quantity",
    "unit": "unit", "uom": "unit", "unit of measure": "unit",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class FileLine:
    """One line as stated; `number` is its line in the file, `issue` why it cannot be used."""

    number: int
    said: Said
    quantity: str = ""
    unit: str = ""
    issue: str = ""


def read_requisition(content: bytes) -> list[FileLine]:
    """The lines of a file in UTF-8 (with or without byte order mark), comma or semicolon separated.

    Raises Rejected, saying what to change, for a file that is too large, is no text, or lacks the
    columns quantity and one of gtin, part and description.
    """
    if len(content) > LARGEST_FILE:
        raise Rejected(f"The file has more than {LARGEST_FILE} bytes; split it.", path="csv")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise Rejected(
            f"Line {line} is not in UTF-8; save the file as CSV UTF-8.", path="csv"
        ) from None
    rows = _rows(text)
    try:
        first = next(rows)[1]
    except StopIteration:
        raise Rejected("The file is empty.", path="csv") from None
    columns = _columns(first)
    lines = [_line(number, row, columns) for number, row in rows if any(c.strip() for c in row)]
    if not lines:
        raise Rejected("The file has headings and no lines.", path="csv")
    if len(lines) > MOST_LINES:
        raise Rejected(f"The file has more than {MOST_LINES} lines; split it.", path="csv")
    return lines


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """(line in the file, its values)."""
    first = text.partition("\n")[0]
    delimiter = ";" if first.count(";") > first.count(",") else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    started = 1
    try:
        for row in reader:
            yield started, row
            started = reader.line_num + 1
    except csv.Error:
        raise Rejected(
            f"Line {started} cannot be read as CSV; check its quotes.", path="csv"
        ) from None


def _columns(headings: list[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for place, heading in enumerate(headings):
        name = _HEADINGS.get(" ".join(heading.replace("_", " ").lower().split()))
        if name is not None:
            found.setdefault(name, place)
    if "quantity" not in found or not found.keys() & {"gtin", "part", "description"}:
        raise Rejected(
            "The first line must hold headings: quantity, and gtin, part or description; also "
            "manufacturer and unit.",
            path="csv",
        )
    return found


def _line(number: int, row: list[str], columns: Mapping[str, int]) -> FileLine:
    def value(name: str) -> str:
        place = columns.get(name)
        return row[place].strip() if place is not None and place < len(row) else ""

    values = {name: value(name)[:LONGEST_VALUE] for name in columns}
    said = Said(*(values.get(n, "") for n in ("gtin", "manufacturer", "part", "description")))
    line = FileLine(number, said, values.get("quantity", ""), values.get("unit", ""))
    if any(len(value(name)) > LONGEST_VALUE for name in columns):
        return _bad(line, f"A value is longer than {LONGEST_VALUE} characters.")
    if not any((said.gtin, said.part, said.description)):
        return _bad(line, "The line names no item.")
    return line


def _bad(line: FileLine, issue: str) -> FileLine:
    return FileLine(line.number, line.said, line.quantity, line.unit, issue)
