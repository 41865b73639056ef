"""What Wagewright offers: one stream per resource of a company, all filtered by `updated_at`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Final

from connectors.sdk.base import StreamSpec
from hub.domain.payroll import PayPeriod, PayrollRun, PayStatement
from hub.domain.workforce import Employment, Worker

# Pages are sorted by updated_at within a company, not across companies: hence "unsorted", and the
# watermark moves after the last page. The vendor stamps rows before it commits them; the lookback
# covers its slowest commit.
_stream = partial(
    StreamSpec,
    mode="incremental",
    cursor_field="updated_at",
    granularity=timedelta(seconds=1),
    lookback=timedelta(minutes=2),
    order="unsorted",
    deletes="none",
)

STREAMS: Final = (
    _stream(
        "workers",
        Worker,
        pii=("family_name", "given_name", "preferred_name", "email", "npi", "tax_id_last4"),
    ),
    _stream("employments", Employment, pii=("compensation",), depends_on=("workers",)),
    _stream("pay_periods", PayPeriod),
    _stream("payroll_runs", PayrollRun, depends_on=("pay_periods",)),
    _stream(
        "pay_statements",
        PayStatement,
        pii=("gross", "net", "lines"),
        depends_on=("workers", "payroll_runs"),
    ),
)

RESOURCES: Final[Mapping[str, str]] = {
    "workers": "workers",
    "employments": "employments",
    "pay_periods": "pay-periods",
    "payroll_runs": "payrolls",
    "pay_statements": "pay-statements",
}
"""The last part of the vendor's address, by stream."""
