"""A page of vendor rows to records: field types, oddities and the rejection of single rows; pure.

Amounts come as decimal strings or minor units and are exact; null and absent mean the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Final, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
)

from connectors.sdk.incremental import Answer
from hub.domain.records import Issue, Record, RejectedRecord

T = TypeVar("T")
CENT: Final = Decimal("0.01")


@dataclass(slots=True)
class Issues:
    """What looked odd in one row; `path` is where the row stands in the page."""

    path: str
    found: list[Issue] = field(default_factory=list)

    def add(self, code: str, key: str, text: str) -> None:
        self.found.append(Issue(code, f"{self.path}.{key}", text))

    def word(self, key: str, raw: str, table: Mapping[str, T], unknown: T) -> T:
        """The hub's word for the vendor's. A new word is an issue and quoted only if it has the
        form of a code, so that free text with a name in it stays out."""
        word = raw.strip().upper()
        if word and word not in table:
            quoted = f' "{word}"' if re.fullmatch(r"[A-Z0-9_]{1,40}", word) else ""
            self.add("unknown_value", key, f"The vendor's word{quoted} is not known here.")
        return table.get(word, unknown)


def _exact(value: Any) -> Any:
    if isinstance(value, float | bool):
        raise ValueError("must be exact: a decimal string or a decimal number")
    return value


def _of_cents(value: Any) -> Any:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError("must be a whole number of minor units")
    return Decimal(value) * CENT


Exact = Annotated[Decimal, BeforeValidator(_exact), Field(max_digits=14, allow_inf_nan=False)]
Text = Annotated[str, BeforeValidator(lambda value: "" if value is None else value)]
Key = Annotated[str, BeforeValidator(lambda v: str(v) if type(v) is int else v)]
"""A record's key; some vendors count theirs."""
Day = Annotated[date, BeforeValidator(lambda v: v[:10] if isinstance(v, str) else v)]
Amount = Annotated[Exact, Field(decimal_places=2), AfterValidator(lambda d: d.quantize(CENT))]
Cents = Annotated[Amount, BeforeValidator(_of_cents)]


class Part(BaseModel):
    """A piece of a vendor's payload; keys it does not name are left in the raw document."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Row(Part):
    """What the rows of most vendors carry; `updated_at` is the cursor value."""

    id: str = Field(min_length=1)
    updated_at: AwareDatetime | None = None
    version: int | None = None


R = TypeVar("R", bound=Row)


def read_rows(
    rows: Sequence[Any],
    model: type[R],
    read: Callable[[R, Issues], object],
    next_token: str | None,
) -> Answer:
    """Decode each row as `model` and let `read` say what it means; a bad row is rejected alone."""
    records: list[Record] = []
    rejected: list[RejectedRecord] = []
    for number, raw in enumerate(rows):
        issues = Issues(f"$.data[{number}]")
        try:
            row = model.model_validate(raw)
        except ValidationError as error:
            rejected.append(_rejected(raw, issues.path, error))
            continue
        data = read(row, issues)
        version = None if row.version is None else str(row.version)
        records.append(Record(row.id, data, row.updated_at, version, issues=tuple(issues.found)))
    return Answer(tuple(records), tuple(rejected), next_token)


def _rejected(raw: Any, path: str, error: ValidationError) -> RejectedRecord:
    """Names the first field and the rule it breaks; the value stays in `raw` only."""
    fault = error.errors(include_url=False, include_input=False)[0]
    where = path + "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in fault["loc"])
    issue = Issue(fault["type"], where, "The row is left out: this field is missing or malformed.")
    ref = raw.get("id") if isinstance(raw, dict) else None
    return RejectedRecord(str(ref or path), issue, json.dumps(raw, default=str).encode())
