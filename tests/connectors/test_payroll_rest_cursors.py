"""The payroll connector: where its runs begin and end, and what a stored cursor says."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from connectors.sdk.base import Source, Window
from connectors.sdk.simulator import Fault
from hub.domain.workforce import Employment
from hub.errors import (
    Cancelled,
    DeadlineNear,
    Transient,
)
from tests.connectors.test_payroll_rest import NOW, Desk, connector, desk, ids, state

STREAMS = ("workers", "employments", "pay_periods", "payroll_runs", "pay_statements")


# Cursors


@pytest.mark.parametrize("stream", STREAMS)
def test_reading_again_from_the_final_cursor_gives_only_ties(stream: str) -> None:
    vendor = desk()
    first = list(vendor.read(stream))
    latest = max(r.occurred_at for p in first for r in p.records if r.occurred_at)
    second = list(vendor.read(stream, first[-1].cursor))

    assert ids(second)
    assert {r.occurred_at for p in second for r in p.records} == {latest}
    assert state(second).items() <= state(first).items()
    assert second[-1].cursor == first[-1].cursor


def test_rows_with_equal_stamps_across_a_page_boundary_are_all_read() -> None:
    sizes = {size: state(list(desk(page_size=size).read("pay_statements"))) for size in (1, 2, 200)}

    assert sizes[1] == sizes[2] == sizes[200]
    assert len({r.occurred_at for r in sizes[200].values()}) == 4  # type: ignore[attr-defined]


def test_a_later_change_comes_with_the_next_run_and_only_it() -> None:
    vendor = desk()
    cursor = list(vendor.read("employments"))[-1].cursor
    changed = vendor.control(
        "change",
        {
            "resource": "employments",
            "entity": "cmp_north",
            "set": {"status": "SEPARATED"},
            "at": "2026-03-18T09:00:00Z",
        },
    )
    pages = list(vendor.read("employments", cursor))
    record = next(r for p in pages for r in p.records if r.external_id == changed["id"])

    assert isinstance(record.data, Employment)
    assert record.data.status == "terminated"
    assert record.source_version == "2"
    assert pages[-1].cursor is not None
    assert pages[-1].cursor.values["watermark"] == "2026-03-18T09:00:00+00:00"


def test_a_row_stamped_after_the_bound_waits_for_the_next_run_and_is_not_lost() -> None:
    vendor = desk()
    order = {"resource": "workers", "set": {"email": "new@staff.example"}}
    changed = vendor.control("change", {**order, "at": "2026-03-18T12:00:01Z"})
    first = list(vendor.read("workers", until=NOW))
    second = list(vendor.read("workers", first[-1].cursor, until=NOW + timedelta(seconds=1)))

    assert changed["id"] not in ids(first)
    assert changed["id"] in ids(second)


def test_a_resumed_run_keeps_the_bound_it_started_with() -> None:
    """Else a change in a company already read would fall below the new watermark unread."""
    vendor = desk()
    run = vendor.read("workers")
    harbor_done = [next(run), next(run)][-1].cursor
    later = NOW + timedelta(hours=1)
    order = {"resource": "workers", "set": {"email": "new@staff.example"}}
    harbor = vendor.control("change", {**order, "at": "2026-03-18T12:10:00Z"})
    vendor.control("change", {**order, "entity": "cmp_north", "at": "2026-03-18T12:30:00Z"})
    resumed = list(vendor.read("workers", harbor_done, until=later))
    following = list(vendor.read("workers", resumed[-1].cursor, until=later))

    assert harbor["id"] in ids(following)


def test_another_set_of_companies_reads_their_history_too() -> None:
    cursor = list(desk(entities=["cmp_north"]).read("workers"))[-1].cursor

    assert len(ids(list(desk().read("workers", cursor)))) == 16


def test_an_expired_page_token_restarts_its_company_from_the_watermark() -> None:
    whole = state(list(desk().read("workers")))
    vendor = desk(Fault("status", "/workers", nth=2, params={"status": 410}))
    pages = list(vendor.read("workers"))

    assert state(pages) == whole
    assert len(ids(pages)) > len(whole)
    assert vendor.requests("/workers") == 6


def test_a_stored_page_token_that_has_expired_restarts_from_the_watermark_too() -> None:
    vendor = desk()
    page = next(vendor.read("workers"))
    vendor.control("faults", [asdict(Fault("status", "/workers", params={"status": 410}))])

    assert len(ids(list(vendor.read("workers", page.cursor)))) == 16


def test_a_vendor_that_forgets_every_page_token_is_asked_again_later() -> None:
    with pytest.raises(Transient, match="forgets its page tokens"):
        list(Desk(forgetful).read("workers"))


def forgetful(request: httpx2.Request) -> httpx2.Response:
    return scripted(request, [row(1)], 410 if "cursor" in request.url.params else 200, token="t")


def scripted(
    request: httpx2.Request, rows: list[Any], status: int = 200, token: str | None = None
) -> httpx2.Response:
    if request.url.path == "/oauth/token":
        return httpx2.Response(200, json={"access_token": "t"})
    if request.url.path == "/v1/companies":
        return httpx2.Response(200, json={"data": [{"id": "cmp_1"}], "next_cursor": None})
    return httpx2.Response(status, json={"data": rows, "next_cursor": token})


def row(number: int, updated_at: str | None = "2026-03-01T10:00:00Z") -> dict[str, Any]:
    return {"id": f"wrk_{number}", "name": {"last": "Vale"}, "updated_at": updated_at}


def test_a_row_without_a_stamp_is_kept_and_moves_no_cursor() -> None:
    only_null = Desk(lambda request: scripted(request, [row(1, None)]))
    page = list(only_null.read("workers"))[-1]
    assert ids([page]) == ["wrk_1"]
    assert page.cursor is not None
    assert "watermark" not in page.cursor.values

    both = Desk(lambda request: scripted(request, [row(1, None), row(2)]))
    page = list(both.read("workers"))[-1]
    assert page.cursor is not None
    assert page.cursor.values["watermark"] == "2026-03-01T10:00:00+00:00"


def test_the_watermark_never_passes_the_bound_and_never_goes_back() -> None:
    ahead = Desk(lambda request: scripted(request, [row(1, "2031-01-01T00:00:00Z")]))
    page = list(ahead.read("workers"))[-1]
    assert page.cursor is not None
    assert page.cursor.values["watermark"] == NOW.isoformat()

    behind = Desk(lambda request: scripted(request, [row(1, "2020-01-01T00:00:00Z")]))
    again = list(behind.read("workers", page.cursor, until=NOW - timedelta(days=9)))[-1]
    assert again.cursor is not None
    assert again.cursor.values["watermark"] == NOW.isoformat()


def test_a_fraction_of_a_second_is_asked_for_again_rather_than_skipped() -> None:
    asked: list[httpx2.URL] = []

    def vendor(request: httpx2.Request) -> httpx2.Response:
        asked.append(request.url)
        return scripted(request, [row(1, "2026-03-01T10:00:00.750Z")])

    cursor = list(Desk(vendor).read("workers"))[-1].cursor
    list(Desk(vendor).read("workers", cursor))

    assert cursor is not None
    assert cursor.values["watermark"] == "2026-03-01T10:00:00+00:00"
    assert asked[-1].params["updated_since"] == "2026-03-01T09:58:00Z"
    assert asked[-1].params["updated_until"] == "2026-03-18T12:00:00Z"


def test_a_vendor_that_repeats_its_page_token_does_not_loop() -> None:
    with pytest.raises(Transient, match="repeats a page token"):
        list(Desk(lambda request: scripted(request, [row(1)], token="same")).read("workers"))


def test_a_company_without_rows_ends_at_once_with_an_unmoved_cursor() -> None:
    (page,) = Desk(lambda request: scripted(request, [])).read("workers")

    assert page.complete
    assert page.cursor is not None
    assert "watermark" not in page.cursor.values


def test_an_oversized_page_token_is_left_out_of_the_cursor() -> None:
    big = Desk(lambda request: scripted(request, [row(1)], token="x" * 5000))
    page = next(big.read("workers"))

    assert page.cursor is not None
    assert "token" not in page.cursor.values


def test_a_cursor_of_another_version_starts_from_the_beginning() -> None:
    vendor = desk()
    cursor = list(vendor.read("workers"))[-1].cursor
    assert cursor is not None

    assert len(ids(list(vendor.read("workers", replace(cursor, version=9))))) == 16


def test_a_run_stops_between_pages_when_told_and_when_its_time_is_up() -> None:
    assert isinstance(connector, Source)
    vendor = desk()
    for error, ctx in (
        (Cancelled, replace(vendor.ctx(), cancelled=lambda: bool(vendor.told))),
        (DeadlineNear, vendor.ctx()),
    ):
        vendor.told.clear()
        vendor.clock.time = NOW
        run = connector.read(ctx, "workers", None, Window(NOW))
        pages = [next(run)]
        if error is DeadlineNear:
            vendor.clock.time = NOW + timedelta(hours=2)
        with pytest.raises(error):
            next(run)
        vendor.clock.time = NOW
        rest = list(vendor.read("workers", pages[-1].cursor))

        assert len(state(pages + rest)) == 16


def test_progress_counts_the_rows() -> None:
    vendor = desk()
    list(vendor.read("workers"))

    assert sum(vendor.told) == 16
