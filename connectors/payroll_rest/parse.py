"""One page of the Wagewright API to records; pure. The field map is in mapping.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from connectors.payroll_rest import mapping
from connectors.sdk.incremental import Answer
from connectors.sdk.rows import Issues, Row, read_rows
from hub.errors import ContractDrift

_SHAPES: Final[Mapping[str, tuple[type[Row], Callable[[str, Any, Issues], object]]]] = {
    "workers": (mapping.WorkerRow, mapping.worker),
    "employments": (mapping.EmploymentRow, mapping.employment),
    "pay_periods": (mapping.PayPeriodRow, mapping.pay_period),
    "payroll_runs": (mapping.PayrollRow, mapping.payroll_run),
    "pay_statements": (mapping.StatementRow, mapping.pay_statement),
}


def parse_page(stream: str, entity: str, document: Any) -> Answer:
    """Read a decoded page (numbers as Decimal) of `entity`, the vendor's company id.

    A row that cannot be read is rejected alone; an answer that is no page raises ContractDrift.
    """
    rows = document.get("data") if isinstance(document, dict) else None
    if not isinstance(rows, list):
        raise ContractDrift("The answer holds no list of rows.", reason="page_shape", path="$.data")
    model, read = _SHAPES[stream]
    return read_rows(rows, model, partial(read, entity), document.get("next_cursor") or None)


def company_page(document: Any) -> tuple[list[str], str | None]:
    """The company ids of a page and the token of the next."""
    try:
        return [str(row["id"]) for row in document["data"]], document.get("next_cursor") or None
    except (TypeError, KeyError) as error:
        text = "The list of companies has another form."
        raise ContractDrift(text, reason="page_shape", path="$.data") from error
