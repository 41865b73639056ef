"""The Wagewright connector against its simulator: every page and every fault."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
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
    ConfigError,
    HubError,
    NotSupported,
    Permanent,
    RateLimited,
)

TODAY = date(2026, 3, 18)
NOW = datetime(2026, 3, 18, 12, tzinfo=UTC)
ENTITIES = (Entity("cmp_harbor", "Harbor"), Entity("cmp_north", "Northside"))

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
