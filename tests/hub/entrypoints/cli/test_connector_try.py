"""`mso-hub connector check` and `read`: a connector tried without a database."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from connectors import registry
from connectors.payroll_rest.simulator import CLIENT_SECRET, Entity, build
from connectors.sdk.simulator import SimulatorServer

Run = Callable[..., Any]
TODAY = date(2026, 3, 18)
SIMULATED = ("hl7v2_destination", "payer_x12", "payroll_rest", "supply_rest", "supply_x12")


@pytest.fixture
def vendor() -> Any:
    with SimulatorServer(build(seed=1, today=TODAY, entities=[Entity("cmp_1", "One")])) as server:
        yield server


@pytest.fixture
def config(tmp_path: Path, vendor: SimulatorServer) -> Callable[[str], Path]:
    """Settings for the running vendor, whose secret is this reference."""

    def write(reference: str) -> Path:
        file = tmp_path / "payroll.toml"
        file.write_text(
            f'base_url = "{vendor.url}"\nclient_id = "mso-hub-demo"\nclient_secret = "{reference}"'
        )
        return file

    return write


@pytest.mark.parametrize("id", SIMULATED)
def test_each_connector_finds_its_own_simulator_in_order(run: Run, id: str) -> None:
    ended = run("connector", "check", id, "--simulated", "--json")

    assert ended.code == 0, ended.err
    assert ended.json["ok"]
    assert ended.json["probes"]


def test_every_connector_that_calls_a_vendor_has_a_simulator_to_check() -> None:
    calls = {m.id for m in registry.manifests() if set(m.capabilities) - {"document_parser"}}

    assert calls == set(SIMULATED)


def test_a_check_asks_the_vendor_of_the_settings(
    run: Run, config: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KIT_SECRET", CLIENT_SECRET)
    kept = tmp_path / "secret"
    kept.write_text("another\n")
    good = run("connector", "check", "payroll_rest", "--config", str(config("env:KIT_SECRET")))
    bad = run("connector", "check", "payroll_rest", "--config", str(config(f"file:{kept}")))

    assert good.code == 0
    assert "read pay_statements" in good.out
    assert bad.code == 1
    assert "payroll_rest: The vendor refused the client id or its secret." in bad.err
    assert "another" not in bad.out + bad.err


def test_nothing_is_kept_and_a_stored_secret_is_refused_in_one_sentence(
    run: Run, config: Callable[[str], Path], tmp_path: Path
) -> None:
    file = config("secret://conn/payroll/client_secret")
    before = set(tmp_path.iterdir())
    checked = run("connector", "check", "payroll_rest", "--config", str(file))
    read = run("connector", "read", "payroll_rest", "workers", "--config", str(file))

    assert checked.code == read.code == 1
    assert "refer to the secret as env:NAME or file:PATH" in checked.err
    assert "refer to the secret as env:NAME or file:PATH" in read.err
    assert len(read.err.splitlines()) == 1
    assert set(tmp_path.iterdir()) == before


def test_one_of_settings_and_simulator_is_needed(run: Run) -> None:
    assert run("connector", "check", "payroll_rest").code == 2


def test_a_connector_without_a_vendor_to_call_has_no_simulator_to_use(run: Run) -> None:
    ended = run("connector", "check", "ehr_hl7v2", "--simulated")

    assert ended.code == 1
    assert "has no simulator that it could connect to" in ended.err


def read_all(run: Run, *more: str) -> list[dict[str, Any]]:
    """Every read until the stream's end, each from the cursor before."""
    found: list[dict[str, Any]] = []
    cursor = "null"
    while not found or not found[-1]["complete"]:
        options = ("--simulated", "--json", "--limit", "1", "--cursor", cursor, *more)
        found.append(run("connector", "read", "payroll_rest", *options).json)
        cursor = json.dumps(found[-1]["cursor"])
    return found


def test_a_stream_is_read_on_from_the_cursor_that_was_printed(run: Run) -> None:
    reads = read_all(run, "workers")
    names = [record["external_id"] for one in reads for record in one["records"]]

    assert len(reads) == 6  # two pages of each company: a page is never split
    assert len(names) == len(set(names)) == 24
    assert all(datetime.fromisoformat(r["occurred_at"]).tzinfo for r in reads[0]["records"])


def test_personal_fields_are_shown_only_when_asked_for(run: Run) -> None:
    hidden = run("connector", "read", "payroll_rest", "workers", "--simulated")
    shown = run("connector", "read", "payroll_rest", "workers", "--simulated", "--reveal")
    pay = run("connector", "read", "payroll_rest", "employments", "--simulated", "--json").json

    assert "Fairweather" not in hidden.out
    assert "family_name: ***" in hidden.out
    assert "family_name: Fairweather" in shown.out
    assert {record["data"]["compensation"] for record in pay["records"]} == {"***"}


def test_amounts_are_printed_exactly(run: Run) -> None:
    read = run("connector", "read", "supply_rest", "offers", "--simulated", "--json").json

    assert {type(tier["price"]) for r in read["records"] for tier in r["data"]["tiers"]} == {str}


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("payroll_rest", "wrokers", "--simulated"), 1, "it has workers, employments"),
        (("payer_x12", "any", "--simulated"), 1, "is no source"),
        (("payroll_rest", "workers", "--simulated", "--cursor", "3"), 2, "must be a cursor"),
        (("payroll_rest", "workers", "--simulated", "--cursor", "{"), 2, "must be a cursor"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_sentence(
    run: Run, arguments: tuple[str, ...], code: int, sentence: str
) -> None:
    ended = run("connector", "read", *arguments)

    assert ended.code == code
    assert sentence in ended.err


def test_a_rejected_row_is_told_and_shown_only_when_asked_for(
    run: Run,
    config: Callable[[str], Path],
    vendor: SimulatorServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    change = {"resource": "workers", "set": {"name": {"first": "Quillfeather"}}}
    httpx2.post(f"{vendor.url}/_control/change", json=change).raise_for_status()
    monkeypatch.setenv("KIT_SECRET", CLIENT_SECRET)
    command = ("connector", "read", "payroll_rest", "workers", "--config")
    hidden = run(*command, str(config("env:KIT_SECRET")))
    shown = run(*command, str(config("env:KIT_SECRET")), "--reveal")

    assert "7 records, 1 rejected" in hidden.out
    assert "name.last" in hidden.out
    assert "Quillfeather" not in hidden.out
    assert "Quillfeather" in shown.out


def test_a_connector_of_ones_own_is_tried_as_those_that_are_installed(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    there = ("--from", str(tmp_path))
    new = ("connector", "new", "supply_own", "--kind", "supply", "--into", str(tmp_path))
    assert run(*new).code == 0
    checked = run("connector", "check", "supply_own", "--simulated", *there)
    read = run("connector", "read", "supply_own", "offers", "--simulated", "--json", *there)
    page = run("connector", "docs", "supply_own", *there)

    assert checked.code == 0, checked.err
    assert len(read.json["records"]) == 12
    assert "| offers | Offer | incremental |" in page.out
    assert "| api_key | required | yes |" in page.out
