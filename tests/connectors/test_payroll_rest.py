"""The Wagewright connector against its simulator: every page, every cursor rule, every fault."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette

from connectors import registry
from connectors.payroll_rest.simulator import (
    CLIENT_ID,
    CLIENT_SECRET,
    Entity,
    build,
    demo_app,
)
from connectors.sdk.base import Source, Window
from connectors.sdk.ctx import Ctx
from connectors.sdk.http import Http
from connectors.sdk.simulator import Fault, FaultPlan, SimulatorServer, in_process
from hub.domain.payroll import PayPeriod, PayrollRun, PayStatement, statement_difference
from hub.domain.records import Cursor, Page
from hub.domain.workforce import Employment, Worker
from hub.errors import (
    AuthError,
    Cancelled,
    ConfigError,
    DeadlineNear,
    HubError,
    NotSupported,
    Permanent,
    RateLimited,
    Transient,
)

TODAY = date(2026, 3, 18)
NOW = datetime(2026, 3, 18, 12, tzinfo=UTC)
ENTITIES = (Entity("cmp_harbor", "Harbor"), Entity("cmp_north", "Northside"))
STREAMS = ("workers", "employments", "pay_periods", "payroll_runs", "pay_statements")

connector = registry.load("payroll_rest")
assert isinstance(connector, Source)


@dataclass
class Clock:
    time: datetime = NOW

    def now(self) -> datetime:
        return self.time


@dataclass
class Secrets:
    value: str = CLIENT_SECRET

    def get(self, reference: str) -> str:
        if reference != "env:PAYROLL":
            raise ConfigError("There is no such secret.", field="client_secret", hint="Store it.")
        return self.value


@dataclass
class Desk:
    """One connection to a vendor in this process, and how many rows it was told of."""

    vendor: Starlette | Callable[[httpx2.Request], httpx2.Response]
    settings: dict[str, Any] = field(default_factory=dict)
    secrets: Secrets = field(default_factory=Secrets)
    clock: Clock = field(default_factory=Clock)
    url: str = "https://api.wagewright.example"
    told: list[int] = field(default_factory=list)

    def ctx(self) -> Ctx:
        settings = {
            "base_url": self.url,
            "client_id": CLIENT_ID,
            "client_secret": "env:PAYROLL",
            "page_size": 5,
        }
        transport = (
            in_process(self.vendor)
            if isinstance(self.vendor, Starlette)
            else httpx2.MockTransport(self.vendor)
        )
        return Ctx(
            connection_id="con_1",
            config=registry.validate_config("payroll_rest", {**settings, **self.settings}),
            http=Http(
                egress=registry.get("payroll_rest").egress,
                clock=self.clock,
                transport=transport,
            ),
            secrets=self.secrets,
            clock=self.clock,
            deadline=NOW + timedelta(hours=1),
            progress=self.told.append,
            cancelled=lambda: False,
        )

    def read(
        self, stream: str, cursor: Cursor | None = None, until: datetime = NOW
    ) -> Iterator[Page]:
        assert isinstance(connector, Source)
        return connector.read(self.ctx(), stream, cursor, Window(until))

    def control(self, path: str, body: object) -> Any:
        assert isinstance(self.vendor, Starlette)
        return ask(self.vendor, "POST", f"/_control/{path}", json=body).json()

    def asked(self) -> list[dict[str, str]]:
        assert isinstance(self.vendor, Starlette)
        requests: list[dict[str, str]] = ask(self.vendor, "GET", "/_control/requests").json()
        return requests

    def requests(self, path: str) -> int:
        return sum(path in request["path"] for request in self.asked())


def ask(app: Starlette, method: str, path: str, **what: Any) -> httpx2.Response:
    with httpx2.Client(transport=in_process(app), base_url="http://vendor.example") as client:
        return client.request(method, path, **what).raise_for_status()


def desk(*faults: Fault, token_uses: int = 200, **settings: Any) -> Desk:
    app = build(
        seed=7,
        today=TODAY,
        entities=ENTITIES,
        plan=FaultPlan(faults),
        token_uses=token_uses,
    )
    return Desk(app, settings)


def state(pages: Sequence[Page]) -> dict[str, object]:
    """What an engine that upserts would hold."""
    return {record.external_id: record for page in pages for record in page.records}


def ids(pages: Sequence[Page]) -> list[str]:
    return [record.external_id for page in pages for record in page.records]


# The vendor's data


@pytest.mark.parametrize(
    ("stream", "record", "count"),
    [
        ("workers", Worker, 16),
        ("employments", Employment, 16),
        ("pay_periods", PayPeriod, 8),
        ("payroll_runs", PayrollRun, 8),
    ],
)
def test_every_row_of_every_company_is_read(stream: str, record: type, count: int) -> None:
    pages = list(desk().read(stream))

    assert len(ids(pages)) == len(state(pages)) == count
    assert all(isinstance(item.data, record) for page in pages for item in page.records)
    assert {item.data.entity for page in pages for item in page.records} == {  # type: ignore[attr-defined]
        "cmp_harbor",
        "cmp_north",
    }
    assert [page.complete for page in pages] == [False] * (len(pages) - 1) + [True]
    assert not any(page.rejected or r.issues for page in pages for r in page.records)


def test_the_simulators_staff_has_a_contractor_without_statements_a_leave_and_a_leaver() -> None:
    vendor = desk()
    jobs = [r.data for page in vendor.read("employments") for r in page.records]
    assert all(isinstance(job, Employment) for job in jobs)
    paid = {r.data.worker_external_id for p in vendor.read("pay_statements") for r in p.records}  # type: ignore[attr-defined]
    contractors = [job for job in jobs if isinstance(job, Employment) and job.is_contractor]

    assert {job.status for job in jobs if isinstance(job, Employment)} == {
        "active",
        "leave",
        "terminated",
    }
    assert len(contractors) == 2
    assert paid.isdisjoint(job.worker_external_id for job in contractors)


def test_statements_add_up_and_runs_are_the_sum_of_their_statements_to_the_cent() -> None:
    vendor = desk()
    statements = [r.data for page in vendor.read("pay_statements") for r in page.records]
    runs = {r.external_id: r.data for p in vendor.read("payroll_runs") for r in p.records}
    gross = dict.fromkeys(runs, Decimal(0))
    net = dict.fromkeys(runs, Decimal(0))
    own = dict.fromkeys(runs, Decimal(0))
    for item in statements:
        assert isinstance(item, PayStatement)
        assert statement_difference(item) == 0
        assert item.gross == sum(line.amount for line in item.lines if line.kind == "earning")
        gross[item.payroll_run_external_id] += item.gross
        net[item.payroll_run_external_id] += item.net
        own[item.payroll_run_external_id] += sum(
            line.amount for line in item.lines if line.employer_paid
        )

    for id, run in runs.items():
        assert isinstance(run, PayrollRun)
        assert (run.gross, run.net) == (gross[id], net[id])
        assert run.employer_cost == gross[id] + own[id]
        assert run.gross.as_tuple().exponent == -2


def test_the_check_date_is_the_date_as_written_whatever_its_zone() -> None:
    vendor = desk()
    periods = {r.external_id: r.data for p in vendor.read("pay_periods") for r in p.records}
    for page in vendor.read("payroll_runs"):
        for record in page.records:
            assert isinstance(record.data, PayrollRun)
            period = periods[record.data.pay_period_external_id]
            assert isinstance(period, PayPeriod)
            assert record.data.check_date == period.check_date
            assert record.occurred_at is not None
            assert record.occurred_at.utcoffset() == timedelta(hours=-6)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    def listing(seed: int) -> bytes:
        app = build(seed=seed, today=TODAY, entities=ENTITIES)
        form = {"grant_type": "client_credentials"}
        granted = ask(app, "POST", "/oauth/token", auth=(CLIENT_ID, CLIENT_SECRET), data=form)
        headers = {"authorization": f"Bearer {granted.json()['access_token']}"}
        return ask(app, "GET", "/v1/companies/cmp_north/pay-statements", headers=headers).content

    assert listing(7) == listing(7) != listing(8)


def test_only_the_companies_of_the_settings_are_read() -> None:
    vendor = desk(entities=["cmp_north"])

    assert len(ids(list(vendor.read("workers")))) == 8
    assert vendor.requests("cmp_harbor") == 0


def test_the_demo_vendor_has_three_companies() -> None:
    vendor = Desk(demo_app(seed=1, today=TODAY))

    assert len(ids(list(vendor.read("workers")))) == 24


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


# Faults


def test_a_worn_out_token_is_renewed_once_and_the_run_goes_on() -> None:
    vendor = desk(token_uses=2)

    assert len(ids(list(vendor.read("workers")))) == 16
    assert vendor.requests("/oauth/token") == 3


def test_a_401_that_stays_is_an_auth_error_after_exactly_one_refresh() -> None:
    vendor = desk(Fault("status", "/workers", times=9, params={"status": 401}))
    with pytest.raises(AuthError) as caught:
        list(vendor.read("workers"))

    assert caught.value.kind == "revoked"
    assert vendor.requests("/oauth/token") == 2
    assert vendor.requests("/workers") == 2


def test_a_wrong_client_secret_is_an_auth_error_without_a_second_try() -> None:
    vendor = desk()
    vendor.secrets.value = "wrong-canary"
    with pytest.raises(AuthError) as caught:
        list(vendor.read("workers"))

    assert caught.value.kind == "revoked"
    assert "canary" not in str(caught.value)
    assert vendor.requests("/") == 1


def test_a_missing_right_is_an_auth_error_of_kind_scope() -> None:
    vendor = desk(Fault("status", "/pay-statements", params={"status": 403}))
    with pytest.raises(AuthError) as caught:
        list(vendor.read("pay_statements"))

    assert caught.value.kind == "scope"


def test_credentials_that_see_no_company_lack_a_right() -> None:
    vendor = Desk(build(seed=1, today=TODAY, entities=()))
    with pytest.raises(AuthError, match="no company") as caught:
        list(vendor.read("workers"))

    assert caught.value.kind == "scope"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("30", 30), (None, 60), ("soon", 60)],
)
def test_a_429_says_when_to_come_back_and_is_not_retried_here(
    header: str | None, seconds: int
) -> None:
    params = {"status": 429} | ({"retry_after": header} if header else {})
    vendor = desk(Fault("status", "/workers", nth=2, params=params))
    with pytest.raises(RateLimited) as caught:
        list(vendor.read("workers"))

    assert caught.value.retry_at == NOW + timedelta(seconds=seconds)
    assert vendor.requests("/workers") == 2


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault("status", "/workers", params={"status": 410}), Permanent),
        (Fault("status", "/workers", params={"status": 404}), Permanent),
        (Fault("status", "/workers", params={"status": 501}), NotSupported),
    ],
)
def test_each_refusal_has_its_error_and_the_next_run_reads_everything(
    fault: Fault, error: type[HubError]
) -> None:
    vendor = desk(fault)
    with pytest.raises(error):
        list(vendor.read("workers"))

    assert len(ids(list(vendor.read("workers")))) == 16


def test_an_unknown_stream_is_not_supported() -> None:
    with pytest.raises(NotSupported):
        list(desk().read("time_off"))


# Check


@pytest.mark.parametrize(
    ("fault", "probe"),
    [
        (Fault("status", "/oauth", params={"status": 401}), "credentials"),
        (Fault("status", "/v1", params={"status": 503}), "credentials"),
        (Fault("html", "/v1/companies"), "credentials"),
        (Fault("status", "/payrolls", params={"status": 403}), "read payroll_runs"),
    ],
)
def test_a_check_names_what_fails_and_what_to_do(fault: Fault, probe: str) -> None:
    report = connector.check(desk(fault).ctx())

    assert not report.ok
    assert report.probes[-1].name == probe
    assert report.probes[-1].error
    assert report.probes[-1].hint


# Over a real socket


def test_a_first_and_a_second_run_over_loopback() -> None:
    app = build(seed=7, today=TODAY, entities=ENTITIES)
    with SimulatorServer(app) as server:
        base = desk(base_url=server.url)
        http = Http(egress=(), clock=base.clock, allow_loopback=True)
        ctx = replace(base.ctx(), http=http)
        assert isinstance(connector, Source)
        first = list(connector.read(ctx, "workers", None, Window(NOW)))
        order = {"resource": "workers", "set": {"email": "new@staff.example"}}
        changed = httpx2.post(f"{server.url}/_control/change", json=order).json()
        second = list(connector.read(ctx, "workers", first[-1].cursor, Window(NOW)))
        http.close()

    assert len(ids(first)) == 16
    assert changed["id"] in ids(second)
    assert len(ids(second)) < 8
