"""The connectors' guide is true: its example runs, and what it names exists."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx2
import pytest

import connectors
from connectors import registry
from connectors.sdk.base import Source, Window
from connectors.sdk.ctx import Ctx
from connectors.sdk.http import Http
from hub import errors
from hub.domain.payroll import PayPeriod

GUIDE = (Path(connectors.__file__).parent / "README.md").read_text()
NOW = datetime(2026, 3, 18, 12, tzinfo=UTC)


class Still:
    def now(self) -> datetime:
        return NOW

    def get(self, reference: str) -> str:
        return ""


@pytest.fixture
def example() -> Any:
    module = ModuleType("example_connector")
    found = re.search(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    assert found
    exec(compile(found.group(1), "example", "exec", dont_inherit=True), module.__dict__)
    return module


def context(example: Any, status: int = 200) -> Ctx:
    first = {"id": "per_1", "start": "2026-02-02", "end": "2026-02-15", "check_date": "2026-02-20"}
    stamped = {**first, "updated_at": "2026-02-02T06:00:00Z"}
    pages: dict[str | None, Any] = {
        None: {"data": [stamped], "next": "2"},
        "2": {"data": [{**stamped, "id": "per_2"}, {"id": "per_3"}]},
    }
    vendor = httpx2.MockTransport(
        lambda request: httpx2.Response(status, json=pages[request.url.params.get("page")])
    )
    return Ctx(
        connection_id="con_1",
        config=example.Config(base_url="https://api.vendor.example", company="cmp_1"),
        http=Http(egress=["*.vendor.example"], clock=Still(), transport=vendor),
        secrets=Still(),
        clock=Still(),
        deadline=NOW + timedelta(minutes=1),
        progress=lambda count: None,
        cancelled=lambda: False,
    )


def test_the_example_of_the_guide_reads_pages(example: Any) -> None:
    assert isinstance(example.connector, Source)
    first, second = example.connector.read(context(example), "pay_periods", None, Window(NOW))

    assert first.records[0].data == PayPeriod(
        "cmp_1", date(2026, 2, 2), date(2026, 2, 15), date(2026, 2, 20)
    )
    assert (first.complete, second.complete) == (False, True)
    assert [item.ref for item in second.rejected] == ["per_3"]
    assert second.cursor is not None
    assert second.cursor.values["watermark"] == "2026-02-02T06:00:00+00:00"


def test_the_example_of_the_guide_checks(example: Any) -> None:
    assert example.connector.check(context(example)).ok
    assert not example.connector.check(context(example, status=403)).ok


def test_the_guide_names_every_error_a_connector_may_raise() -> None:
    named = {
        name
        for name, kind in vars(errors).items()
        if isinstance(kind, type)
        and issubclass(kind, errors.VendorDown | errors.VendorRefused | errors.DataError)
        and kind not in {errors.VendorDown, errors.VendorRefused}
    }

    assert named
    assert all(f"`{name}`" in GUIDE for name in named)


def test_the_guide_names_every_key_of_a_manifest() -> None:
    keys = set(registry.Manifest.__dataclass_fields__) - {"broken", "webhook"}

    assert all(f"`{key}" in GUIDE for key in keys)
