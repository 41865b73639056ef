"""Wagewright's rows: fixtures, missing keys, unknown words, exact money, single bad rows."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from connectors import registry
from connectors.payroll_rest.parse import parse_page
from connectors.sdk.base import Source
from hub.errors import ContractDrift

FIXTURES = Path(__file__).parents[2] / "fixtures" / "payroll_rest"

connector = registry.load("payroll_rest")
assert isinstance(connector, Source)
STREAMS = tuple(spec.name for spec in connector.streams())


@pytest.mark.parametrize("document", [[], {}, {"data": {}}, {"data": None}, "x", None])
def test_an_answer_that_is_no_page_is_drift(document: object) -> None:
    with pytest.raises(ContractDrift):
        parse_page("workers", "cmp_1", document)


def fixture_cases() -> list[str]:
    return sorted(path.name.removesuffix(".meta.toml") for path in FIXTURES.glob("*.meta.toml"))


def meta_of(case: str) -> dict[str, Any]:
    return tomllib.loads((FIXTURES / f"{case}.meta.toml").read_text())


def document_of(case: str) -> Any:
    return json.loads((FIXTURES / f"{case}.json").read_bytes(), parse_float=Decimal)


def plain(case: str, document: Any) -> Any:
    """Records as JSON: the type beside its fields, decimals and dates as text."""
    meta = meta_of(case)
    answer = parse_page(meta["stream"], meta["entity"], document)
    found: dict[str, Any] = {
        "records": [
            {"type": type(record.data).__name__, **asdict(record)} for record in answer.records
        ],
        "rejected": [
            {"ref": item.ref, "issue": asdict(item.issue)} for item in answer.rejected
        ],
        "next_token": answer.next_token,
    }  # fmt: skip
    for record in found["records"]:
        del record["sensitivity"], record["cleared"]  # of clinical records
    return json.loads(json.dumps(found, default=str))


@pytest.mark.parametrize("case", fixture_cases())
def test_a_fixture_reads_as_expected(case: str) -> None:
    expected = json.loads((FIXTURES / f"{case}.expected.json").read_text())

    assert plain(case, document_of(case)) == expected


@pytest.mark.parametrize("case", fixture_cases())
def test_a_fixture_says_where_it_comes_from(case: str) -> None:
    meta = meta_of(case)
    raw = (FIXTURES / f"{case}.json").read_bytes()

    assert meta["origin"] == "synthetic"
    assert meta["author"] == "mso-hub"
    assert meta["document"]
    assert meta["sha256"] == hashlib.sha256(raw).hexdigest()


def test_every_stream_has_a_fixture() -> None:
    assert {meta_of(case)["stream"] for case in fixture_cases()} == set(STREAMS)


REQUIRED = {
    "workers": {"id", "name"},
    "employments": {"id", "worker_id"},
    "pay_periods": {"id", "start", "end", "check_date"},
    "payroll_runs": {"id", "period_id", "check_date"},
    "pay_statements": {"id", "payroll_id", "worker_id", "gross", "net"},
}


@pytest.mark.parametrize("value", ["absent", "null"])
@pytest.mark.parametrize("case", STREAMS)
def test_each_optional_key_may_be_absent_or_null_and_each_required_one_rejects_its_row(
    case: str, value: str
) -> None:
    whole = document_of(case)
    for key in whole["data"][0]:
        document = document_of(case)
        del document["data"][0][key]
        if value == "null":
            document["data"][0][key] = None
        answer = parse_page(case, "cmp_1", document)
        if key in REQUIRED[case]:
            assert len(answer.rejected) == 1
            assert answer.rejected[0].issue.path.startswith(f"$.data[0].{key}")
        else:
            assert not answer.rejected
            assert len(answer.records) == len(whole["data"])


@pytest.mark.parametrize("case", STREAMS)
def test_keys_the_connector_does_not_know_change_nothing(case: str) -> None:
    document = document_of(case)
    for raw in document["data"]:
        raw["colour"] = {"shade": ["new"]}

    assert plain(case, document) == plain(case, document_of(case))


def one(stream: str, **changes: Any) -> Any:
    document = document_of(stream)
    raw = {**document["data"][0], **changes}
    return parse_page(stream, "cmp_1", {"data": [raw]})


@pytest.mark.parametrize(
    ("stream", "changes", "attribute", "value"),
    [
        ("employments", {"status": "SABBATICAL"}, "status", "unknown"),
        ("employments", {"schedule": "GIG"}, "type", "unknown"),
        ("employments", {"engagement": "K1"}, "is_contractor", False),
        ("employments", {"pay": {"rate": "9", "unit": "FORTNIGHT"}}, "compensation", None),
        ("payroll_runs", {"type": "HOLIDAY"}, "kind", "unknown"),
        ("payroll_runs", {"state": "ON_HOLD"}, "status", "unknown"),
    ],
)
def test_an_unknown_word_survives_as_an_issue_that_quotes_it(
    stream: str, changes: dict[str, Any], attribute: str, value: object
) -> None:
    (record,) = one(stream, **changes).records
    (issue,) = record.issues

    assert getattr(record.data, attribute) == value
    assert issue.code == "unknown_value"
    assert re.search("SABBATICAL|GIG|K1|FORTNIGHT|HOLIDAY|ON_HOLD", issue.text)


def test_an_unknown_word_that_is_free_text_is_not_quoted() -> None:
    (record,) = one("employments", schedule="Ask Amara Fairweather").records

    assert "AMARA" not in record.issues[0].text.upper()


def test_words_are_read_in_any_case_and_the_vendors_own_is_kept() -> None:
    (record,) = one("employments", status="on_Leave").records

    assert record.data.status == "leave"
    assert record.data.status_text == "on_Leave"
    assert not record.issues


def test_an_unknown_line_category_is_kept_and_shows_as_a_difference() -> None:
    line = {"category": "GARNISHMENT", "code": "G1", "amount": "75.00"}
    lines = [*document_of("pay_statements")["data"][0]["lines"], line]
    (record,) = one("pay_statements", lines=lines).records

    assert record.data.lines[-1].kind == "unknown"
    assert record.data.lines[-1].amount == Decimal("75.00")
    assert [issue.code for issue in record.issues] == ["unknown_value"]


@pytest.mark.parametrize(("off", "issues"), [("0.00", 0), ("0.01", 0), ("-0.01", 0), ("0.02", 1)])
def test_net_pay_may_differ_by_one_cent_and_no_more(off: str, issues: int) -> None:
    net = Decimal(document_of("pay_statements")["data"][0]["net"]) + Decimal(off)
    (record,) = one("pay_statements", net=str(net)).records

    assert [issue.code for issue in record.issues] == ["statement_difference"] * issues
    assert all(str(net) not in issue.text for issue in record.issues)


@pytest.mark.parametrize(
    "amount", ["NaN", "Infinity", "1e400", "12.345", 12.5, True, "", "1,200.00", None, [], "9" * 15]
)
def test_an_amount_that_is_not_exact_rejects_its_row_without_quoting_it(amount: object) -> None:
    answer = one("pay_statements", gross=amount)
    (rejected,) = answer.rejected

    assert not answer.records
    assert rejected.ref == document_of("pay_statements")["data"][0]["id"]
    assert rejected.issue.path == "$.data[0].gross"
    assert json.loads(rejected.raw)["worker_id"]


@pytest.mark.parametrize("cents", [1.5, Decimal("1.5"), True, "100"])
def test_minor_units_are_whole_numbers(cents: object) -> None:
    totals = {"gross_cents": cents, "net_cents": 1, "employer_cost_cents": 1}

    assert one("payroll_runs", totals=totals).rejected


def test_a_bad_row_is_rejected_alone() -> None:
    document = document_of("workers")
    document["data"][1] = {"id": "wrk_bad", "name": {"last": ""}}
    document["data"].append("nonsense")
    answer = parse_page("workers", "cmp_1", document)

    assert len(answer.records) == len(document["data"]) - 2
    assert [item.ref for item in answer.rejected] == [
        "wrk_bad",
        f"$.data[{len(document['data']) - 1}]",
    ]


def test_only_four_digits_of_a_tax_identifier_are_ever_kept() -> None:
    (record,) = one("workers", tax_identifier="900-12-3456").records

    assert record.data.tax_id_last4 == "3456"
    assert "900" not in repr(record)


def test_a_naive_time_is_refused() -> None:
    assert one("workers", updated_at="2026-03-01T10:00:00").rejected
