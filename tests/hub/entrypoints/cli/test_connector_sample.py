"""`mso-hub connector new --sample`: a model of the vendor's rows, and the record they become."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.usefixtures("modules_forgotten")

Run = Callable[..., Any]

EMPLOYEES = {
    "meta": {"page": 1, "nextCursor": "abc"},
    "employees": [
        {
            "employeeId": 4711 + number,
            "companyId": "C-9",
            "name": {"first": "Quillon", "last": "Featherstone", "preferred": None},
            "email": "quillon@featherstone.example",
            "taxNumber": "078-05-1120",
            "hireDate": "2020-01-02",
            "lastModified": f"2026-01-0{number}T10:00:00Z",
            "tags": ["Featherstone"],
        }
        for number in (1, 2)
    ],
}
RUNS = [
    {
        "uuid": f"a-{number}",
        "company_id": "c1",
        "pay_date": "2026-03-13",
        "status": status,
        "totals": {"gross": 1200.5, "net": 800.25},
    }
    for number, status in enumerate(("VOIDED", "Awaiting approval"))
]
OFFERS = {
    "results": [
        {
            "sku_id": "X1",
            "GTIN": "00614141000074",
            "productName": "Gloves",
            "uom": "BX",
            "packSize": 100,
            "listPrice": "12.40",
            "updatedAt": "2026-02-01T00:00:00+00:00",
        }
    ],
    "next_page": None,
}
EVENT = {
    "event": "patient.updated",
    "data": {
        "patientId": "9",
        "mrn": "00412",
        "lastName": "Featherstone",
        "firstName": "Quillon",
        "dob": "1971-02-03",
        "gender": "F",
        "updatedAt": "2026-02-01T00:00:00Z",
    },
}
SAMPLES: dict[str, tuple[object, tuple[str, ...], str]] = {
    "employees": (EMPLOYEES, ("payroll",), "Worker"),
    "employees_pushed": (EMPLOYEES, ("payroll", "--webhook"), "Worker"),
    "runs": (RUNS, ("payroll", "--webhook"), "PayrollRun"),
    "offers": (OFFERS, ("supply",), "Offer"),
    "patients": (EVENT, ("ehr",), "Patient"),
}


def new(run: Run, place: Path, name: str) -> str:
    """A connector of a sample, written to `place`; its id."""
    content, choice, _ = SAMPLES[name]
    sample = place / "sample.json"
    sample.write_text(json.dumps(content))
    id = f"shown_{name}"
    options = ("--kind", *choice, "--sample", str(sample), "--into", str(place / "own"))
    ended = run("connector", "new", id, *options)
    assert ended.code == 0, ended.err
    return id


@pytest.mark.parametrize("name", SAMPLES)
def test_a_connector_of_a_sample_passes_every_check_at_once(
    run: Run, tmp_path: Path, name: str
) -> None:
    id = new(run, tmp_path, name)
    tested = run("connector", "test", id, "--from", str(tmp_path / "own"), "--json")
    outcomes = {check["check"]: check["outcome"] for check in tested.json["checks"]}

    assert tested.code == 0, tested.out
    assert "failed" not in outcomes.values()
    assert outcomes["record_matches_model"] == outcomes["missing_optional_fields"] == "passed"
    assert f" -> {SAMPLES[name][2]}:" in (tmp_path / "own" / id / "parse.py").read_text()


@pytest.mark.parametrize("name", SAMPLES)
def test_nothing_of_a_person_in_the_sample_is_written(run: Run, tmp_path: Path, name: str) -> None:
    new(run, tmp_path, name)
    written = [file for file in (tmp_path / "own").rglob("*.*") if file.is_file()]
    text = "".join(file.read_text() for file in written).lower()

    for value in ("quillon", "featherstone", "078-05-1120", "1971-02-03", "4712", "00412"):
        assert value not in text


def fixture_of(run: Run, place: Path, name: str, case: str) -> list[dict[str, Any]]:
    id = new(run, place, name)
    ended = run("connector", "fixture", id, case, "--from", str(place / "own"))
    records: list[dict[str, Any]] = ended.json["records"]
    return records


def test_keys_are_found_by_what_vendors_call_them_in_objects_too(run: Run, tmp_path: Path) -> None:
    first, second = fixture_of(run, tmp_path, "employees", "page.json")

    assert (first["external_id"], second["external_id"]) == ("1", "2")
    assert first["data"]["family_name"] == "Last 1"
    assert first["data"]["given_name"] == "First 1"
    assert first["data"]["entity"] == "Company id 1"


def test_words_are_mapped_where_one_of_ours_is_meant_and_unknown_elsewhere(
    run: Run, tmp_path: Path
) -> None:
    first, second = fixture_of(run, tmp_path, "runs", "page.json")
    parse = (tmp_path / "own" / "shown_runs" / "parse.py").read_text()

    assert (first["data"]["status"], second["data"]["status"]) == ("cancelled", "unknown")
    assert '# "AWAITING APPROVAL": not mapped yet' in parse
    assert first["data"]["gross"] == "100.00"


def test_what_nothing_fits_is_an_issue_of_every_record(run: Run, tmp_path: Path) -> None:
    sample = tmp_path / "sample.json"
    sample.write_text(json.dumps([{"id": "1", "family_name": "A"}]))
    own = ("--into", str(tmp_path / "own"))
    run("connector", "new", "shown_less", "--kind", "payroll", "--sample", str(sample), *own)
    there = ("--from", str(tmp_path / "own"))
    read = run("connector", "read", "shown_less", "workers", "--simulated", "--json", *there)
    issues = {(i["code"], i["path"]) for r in read.json["records"] for i in r["issues"]}

    assert {code for code, _ in issues} == {"not_mapped"}
    assert {path.rpartition(".")[2] for _, path in issues} == {"given_name"}


@pytest.mark.parametrize(
    ("content", "kind", "sentence"),
    [
        ("{", "payroll", "The sample is not JSON"),
        ("[1, 2]", "payroll", "no list of objects"),
        ('[{"name": "A"}, {"name": "B"}]', "payroll", "have no key of their own"),
        ('[{"id": "1"}]', "payer", "which a payer's answer has not"),
    ],
)
def test_what_shows_no_rows_is_refused_and_nothing_is_written(
    run: Run, tmp_path: Path, content: str, kind: str, sentence: str
) -> None:
    sample = tmp_path / "sample.json"
    sample.write_text(content)
    options = ("--kind", kind, "--sample", str(sample), "--into", str(tmp_path / "own"))
    ended = run("connector", "new", "shown_odd", *options)

    assert ended.code == 1
    assert sentence in ended.err
    assert not (tmp_path / "own").exists()
