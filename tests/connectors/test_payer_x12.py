"""The answers of payers: every fixture, then a round over a real loopback server per transport."""

import json
import tomllib
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from connectors.payer_x12 import simulator
from connectors.payer_x12.config import Config
from connectors.payer_x12.connector import connector
from connectors.payer_x12.mapping import KINDS
from connectors.payer_x12.parse import read_answer
from connectors.sdk.ctx import Ctx
from connectors.sdk.http import Http
from connectors.sdk.simulator import Fault, FaultPlan, SimulatorServer
from hub.domain.eligibility import EligibilityQuery, EligibilityResult
from hub.domain.eligibility_codes import CODES
from hub.errors import (
    AuthError,
    ConfigError,
    DataError,
    DeadlineNear,
    HubError,
    RateLimited,
    Transient,
)

FIXTURES = Path(__file__).parents[2] / "fixtures" / "payer_x12"
CASES = sorted(path.stem for path in FIXTURES.glob("*.edi"))
NOW = datetime(2026, 3, 2, 16, 0, tzinfo=UTC)


def read_fixture(name: str) -> EligibilityResult:
    meta = tomllib.loads((FIXTURES / f"{name}.meta.toml").read_text())
    return read_answer(
        (FIXTURES / f"{name}.edi").read_bytes(),
        trace=meta["trace"],
        trace_company=meta["trace_company"],
        service_date=meta["service_date"],
    )


def plain(value: object) -> str:
    assert isinstance(value, Decimal | date)
    return str(value)


@pytest.mark.parametrize("name", CASES)
def test_each_fixture_reads_as_expected(name: str) -> None:
    try:
        found: dict[str, object] = asdict(read_fixture(name))
    except HubError as error:
        found = {
            "error": type(error).__name__,
            "reason": getattr(error, "reason", ""),
            "text": str(error),
        }
    expected = json.loads((FIXTURES / f"{name}.expected.json").read_text())
    assert json.loads(json.dumps(found, default=plain)) == expected


def test_every_benefit_kind_is_in_a_fixture_and_known() -> None:
    result = read_fixture("all_codes")
    assert {benefit.kind for benefit in result.benefits} == KINDS
    assert len(KINDS) == 35
    assert result.warnings == ()


def test_amounts_are_exact_and_the_used_deductible_is_derived() -> None:
    benefits = read_fixture("active").benefits
    derived = [item for item in benefits if item.derived and item.kind == "C"]
    assert [(item.period, item.amount) for item in derived] == [("24", Decimal("399.50"))]


def test_every_cut_of_an_answer_is_an_error_and_never_an_outcome() -> None:
    raw = (FIXTURES / "inactive.edi").read_bytes().rstrip()
    for length in range(len(raw) - 1):
        with pytest.raises(Transient):
            read_answer(raw[:length], trace="TRACE0001", trace_company="9MSOHUB000")


@pytest.mark.parametrize(
    ("trace", "company"), [("TRACE0002", "9MSOHUB000"), ("TRACE0001", "9OTHERHUB0"), ("", "")]
)
def test_an_answer_without_our_trace_is_refused(trace: str, company: str) -> None:
    raw = (FIXTURES / "active.edi").read_bytes()
    with pytest.raises(DataError) as caught:
        read_answer(raw, trace=trace, trace_company=company)
    assert caught.value.reason == "other_request"


def test_a_refusal_that_names_no_trace_is_matched_by_its_reference_only() -> None:
    raw = (FIXTURES / "rejected_provider.edi").read_bytes()
    with pytest.raises(DataError):
        read_answer(raw, trace="TRACE0002", trace_company="9MSOHUB000")


class Clock:
    def now(self) -> datetime:
        return NOW


class Secrets:
    def __init__(self, password: str) -> None:
        self.password = password

    def get(self, reference: str) -> str:
        if reference != "env:PAYER_PASSWORD":
            raise ConfigError("There is no such secret.", field="password")
        return self.password


PLAN = FaultPlan()


@pytest.fixture(scope="module")
def server() -> Iterator[SimulatorServer]:
    with SimulatorServer(simulator.build(PLAN, slow_seconds=1.5)) as running:
        yield running


@pytest.fixture(params=["soap", "raw"])
def ctx(request: pytest.FixtureRequest, server: SimulatorServer) -> Iterator[Ctx]:
    PLAN.faults = []
    yield from context(server, request.param)


def context(server: SimulatorServer, transport: str, **settings: object) -> Iterator[Ctx]:
    user, password = simulator.LOGIN
    path = simulator.SOAP_PATH if transport == "soap" else simulator.RAW_PATH
    config = Config.model_validate(
        {
            "base_url": server.url + path,
            "transport": transport,
            "sender_id": "MSOHUB",
            "receiver_id": "CLEARING",
            "trace_company": "9MSOHUB000",
            "username": user,
            "password": "env:PAYER_PASSWORD",
            "usage": "T",
            **settings,
        }
    )
    http = Http(egress=(), clock=Clock(), allow_loopback=True)
    deadline = NOW + timedelta(seconds=90)
    yield Ctx(
        "c1", config, http, Secrets(password), Clock(), deadline, lambda _: None, lambda: False
    )
    http.close()


def query(outcome: str = "active", payer: tuple[str, str] | None = None) -> EligibilityQuery:
    payer_id, payer_name = payer or simulator.payers()[0]
    return EligibilityQuery(
        payer_id=payer_id,
        payer_name=payer_name,
        provider_npi="1234567893",
        provider_name="Lake Clinic",
        member_id=simulator.member_id(outcome),
        subscriber_family="Roe",
        subscriber_given="Jane",
        subscriber_birth_date=date(1980, 5, 6),
        service_date=date(2026, 3, 4),
        trace="T0000000017",
        trace_company="9MSOHUB000",
        control_number=17,
        sent_at=NOW,
    )


@pytest.mark.parametrize("payer", simulator.payers()[:-1])
def test_each_payer_answers_in_its_dialect(ctx: Ctx, payer: tuple[str, str]) -> None:
    answer = connector.inquire(ctx, query(payer=payer))
    assert answer.result.outcome == "active"
    assert (answer.result.payer_name, answer.result.trace) == (payer[1], "T0000000017")
    kinds = {benefit.kind for benefit in answer.result.benefits}
    assert {"A", "B", "C", "G"} <= kinds
    assert {benefit.network for benefit in answer.result.benefits} >= {"Y", "N"}
    assert answer.raw.startswith(b"ISA")


def test_an_ended_coverage_is_inactive(ctx: Ctx) -> None:
    assert connector.inquire(ctx, query("inactive")).result.outcome == "inactive"


@pytest.mark.parametrize("code", ["42", "43", "72", "75", "T4", "AG", "62"])
def test_a_reject_is_an_answer_with_class_and_text(ctx: Ctx, code: str) -> None:
    result = connector.inquire(ctx, query(code)).result
    assert result.outcome == "rejected"
    assert [(item.code, item.klass) for item in result.rejects] == [(code, CODES[code].klass)]
    assert result.rejects[0].text


def test_a_payer_in_trouble_says_so(ctx: Ctx) -> None:
    result = connector.inquire(ctx, query("payer_down")).result
    assert result.rejects[0].klass == "payer_down"


def test_a_dependent_is_asked_and_answered(ctx: Ctx) -> None:
    asked = replace(
        query(),
        relationship="child",
        patient_family="Roe",
        patient_given="Max",
        patient_birth_date=date(2015, 9, 9),
    )
    assert connector.inquire(ctx, asked).result.outcome == "active"


@pytest.mark.parametrize("outcome", ["html", "cut"])
def test_no_answer_is_transient_and_never_an_outcome(ctx: Ctx, outcome: str) -> None:
    with pytest.raises(Transient):
        connector.inquire(ctx, query(outcome))


def test_a_payer_that_is_down_is_transient(ctx: Ctx) -> None:
    with pytest.raises(Transient):
        connector.inquire(ctx, query(payer=(simulator.PAYER_DOWN, "GRANITE")))


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        ("wrong_trace", "other_request"),
        ("refused_999", "rejected_999"),
        ("refused_ta1", "rejected_ta1"),
    ],
)
def test_a_refusal_or_foreign_answer_is_a_data_error(ctx: Ctx, outcome: str, reason: str) -> None:
    with pytest.raises(DataError) as caught:
        connector.inquire(ctx, query(outcome))
    assert caught.value.reason == reason
    assert "ROE" not in str(caught.value)


@pytest.mark.parametrize("kind", ["empty", "html"])
def test_an_empty_or_foreign_body_is_transient(ctx: Ctx, kind: str) -> None:
    PLAN.faults = [Fault(kind)]
    with pytest.raises(Transient):
        connector.inquire(ctx, query())


def test_a_rate_limit_is_parked_until_the_payers_time(ctx: Ctx) -> None:
    PLAN.faults = [Fault("status", params={"status": 429, "retry_after": 30})]
    with pytest.raises(RateLimited) as caught:
        connector.inquire(ctx, query())
    assert caught.value.retry_at == NOW + timedelta(seconds=30)


@pytest.mark.parametrize("keep", [0, 40, 700])
def test_a_body_cut_on_the_wire_is_transient(ctx: Ctx, keep: int) -> None:
    PLAN.faults = [Fault("truncate", params={"bytes": keep})]
    with pytest.raises(Transient):
        connector.inquire(ctx, query())


def test_a_refused_password_is_an_auth_error(ctx: Ctx) -> None:
    wrong = replace(ctx, secrets=Secrets("no"))
    with pytest.raises(AuthError):
        connector.inquire(wrong, query())


def test_a_check_finds_the_address(ctx: Ctx) -> None:
    assert connector.check(ctx).ok


def test_a_slow_payer_is_given_up_at_the_timeout(server: SimulatorServer) -> None:
    for ctx in context(server, "raw", timeout_seconds=0.2):
        with pytest.raises(Transient):
            connector.inquire(ctx, query("slow"))


def test_nothing_is_sent_when_the_deadline_is_near(ctx: Ctx) -> None:
    with pytest.raises(DeadlineNear):
        connector.inquire(replace(ctx, deadline=NOW), query())


def test_a_fault_of_the_gateway_is_transient(server: SimulatorServer) -> None:
    for ctx in context(server, "soap"):
        with pytest.raises(Transient):
            connector.inquire(ctx, query("soap_fault"))


def test_an_unknown_member_is_not_found(ctx: Ctx) -> None:
    result = connector.inquire(ctx, replace(query(), member_id="XYZ1")).result
    assert [item.code for item in result.rejects] == ["75"]
