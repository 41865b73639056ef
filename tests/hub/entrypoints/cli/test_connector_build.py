"""`mso-hub connector new` and `test`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.usefixtures("modules_forgotten")

Run = Callable[..., Any]

CHOICES = [
    ("payroll", "--auth", "api_key"),
    ("payroll", "--auth", "oauth2", "--webhook"),
    ("supply", "--auth", "oauth2"),
    ("supply", "--webhook"),
    ("payer",),
    ("payer", "--auth", "oauth2"),
    ("ehr",),
]


@pytest.mark.parametrize("choice", CHOICES, ids=" ".join)
def test_a_new_connector_passes_every_check_at_once(
    run: Run, tmp_path: Path, choice: tuple[str, ...]
) -> None:
    id = "new_kit_" + "_".join(word.strip("-") for word in choice)
    written = run("connector", "new", id, "--kind", *choice, "--into", str(tmp_path))
    tested = run("connector", "test", id, "--from", str(tmp_path), "--json")
    outcomes = {check["check"]: check["outcome"] for check in tested.json["checks"]}

    assert written.code == 0, written.err
    assert tested.code == 0, tested.out
    assert set(outcomes.values()) <= {"passed", "not applicable"}
    assert outcomes["record_matches_model"] == "passed"
    asked = {"webhook_golden_signature": "--webhook" in choice or choice[0] == "ehr"}
    asked |= {"pagination_terminates": choice[0] in {"payroll", "supply"}}
    assert {name: outcomes[name] == "passed" for name in asked} == asked
    assert "todo" not in "".join(f.read_text().lower() for f in (tmp_path / id).glob("*.*"))


@pytest.mark.parametrize(
    ("choice", "right", "wrong"),
    [
        (("payroll", "--webhook"), "net=row.net", "net=row.gross"),
        (("supply",), "vendor_part=row.id", "vendor_part=row.name"),
        (("payer",), "plan_name=answer.plan", "plan_name=answer.payer"),
        (("ehr",), "row.family, row.given", "row.given, row.family"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_the_test_that_comes_with_it_fails_once_its_mapping_is_wrong(
    run: Run, tmp_path: Path, choice: tuple[str, ...], right: str, wrong: str
) -> None:
    id = f"tested_kit_{choice[0]}"
    run("connector", "new", id, "--kind", *choice, "--into", str(tmp_path))
    sound = _pytest(tmp_path)
    parse = tmp_path / id / "parse.py"
    assert parse.read_text().count(right) == 1
    parse.write_text(parse.read_text().replace(right, wrong))
    broken = _pytest(tmp_path)

    assert (sound.returncode, "1 passed" in sound.stdout) == (0, True), sound.stdout
    assert broken.returncode == 1
    assert "is not as expected" in broken.stdout


def _pytest(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-vv", "-p", "no:cacheprovider", "tests"]
    root = str(Path(__file__).parents[4])
    environment = {**os.environ, "PYTHONPATH": root, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("choice", CHOICES, ids=" ".join)
def test_what_is_written_is_in_the_style_of_this_project(
    run: Run, tmp_path: Path, choice: tuple[str, ...]
) -> None:
    id = "style_kit"
    run("connector", "new", id, "--kind", *choice, "--into", str(tmp_path))
    settings = str(Path(__file__).parents[4] / "pyproject.toml")
    rules = ("--config", settings, "--extend-ignore", "S101,S311,INP001", str(tmp_path))
    linted = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--no-cache", *rules],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert linted.returncode == 0, linted.stdout


@pytest.mark.parametrize(
    ("choice", "sentence"),
    [
        (("ehr", "--auth", "oauth2"), "leave --auth out"),
        (("payer", "--webhook"), "leave --webhook out"),
    ],
)
def test_a_choice_that_fits_no_vendor_is_refused(
    run: Run, tmp_path: Path, choice: tuple[str, ...], sentence: str
) -> None:
    ended = run("connector", "new", "odd_kit", "--kind", *choice, "--into", str(tmp_path))

    assert ended.code == 1
    assert sentence in ended.err
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten(run: Run, tmp_path: Path) -> None:
    kept = tmp_path / "fixtures" / "payroll_kit_kept"
    kept.mkdir(parents=True)
    command = ("connector", "new", "payroll_kit_kept", "--kind", "payroll", "--into", str(tmp_path))
    ended = run(*command)

    assert ended.code == 1
    assert "is there already; nothing was written" in ended.err
    assert not (tmp_path / "payroll_kit_kept").exists()


@pytest.mark.parametrize(
    ("id", "kind", "code", "sentence"),
    [
        ("Payroll-Acme", "payroll", 1, "can be no id"),
        ("json", "payroll", 1, "can be no id"),
        ("class", "payroll", 1, "can be no id"),
        ("lab_acme", "lab", 2, "must be one of ehr, payer, payroll, supply"),
    ],
)
def test_what_cannot_be_written_is_said_in_one_sentence(
    run: Run, tmp_path: Path, id: str, kind: str, code: int, sentence: str
) -> None:
    ended = run("connector", "new", id, "--kind", kind, "--into", str(tmp_path / "there"))

    assert ended.code == code
    assert sentence in ended.err
    assert not (tmp_path / "there").exists()


def test_a_failed_check_says_what_why_and_how_to_mend_it(run: Run, tmp_path: Path) -> None:
    id = "payroll_kit_broken"
    run("connector", "new", id, "--kind", "payroll", "--into", str(tmp_path))
    parse = tmp_path / id / "parse.py"
    parse.write_text(parse.read_text().replace("net=row.net", "net=float(row.net)"))
    ended = run("connector", "test", id, "--from", str(tmp_path))

    assert ended.code == 1
    assert (
        "failed          money_decimal_exact\n    stream payroll_runs: net is a float" in ended.out
    )
    assert "Why: No amount has passed through a binary fraction" in ended.out
    assert "To mend it: Read amounts as Decimal" in ended.out
    assert " passed, 1 failed, " in ended.out
    assert f"{id} fails money_decimal_exact." in ended.err


def test_an_exempt_check_and_what_does_not_apply_are_not_called_passed(run: Run) -> None:
    ended = run("connector", "test", "payer_x12")

    assert ended.code == 0
    assert "exempt          check_bad_auth\n    CAQH CORE SOAP has no request" in ended.out
    assert "not applicable  pagination_terminates" in ended.out
    assert "passed          pagination_terminates" not in ended.out


def test_settings_are_kept_by_the_command_and_a_breaking_change_needs_a_version(
    run: Run, tmp_path: Path
) -> None:
    id = "payroll_kit_settings"
    run("connector", "new", id, "--kind", "payroll", "--into", str(tmp_path))
    config = tmp_path / id / "config.py"
    config.write_text(config.read_text().replace("le=200", "le=20"))
    command = ("connector", "schema", id, "--from", str(tmp_path), "--write")
    refused = run(*command)
    manifest = tmp_path / id / "connector.toml"
    manifest.write_text(manifest.read_text().replace("config_version = 1", "config_version = 2"))
    kept = run(*command)
    tested = run("connector", "test", id, "--from", str(tmp_path))

    assert refused.code == 1
    assert "page_size takes other values. Raise config_version" in refused.err
    assert kept.code == 0
    assert "passed          config_schema_committed" in tested.out


@pytest.mark.parametrize("choice", [("payroll", "--webhook"), ("payer",), ("ehr",)])
def test_what_a_fixture_is_read_as_can_be_kept_as_what_is_expected(
    run: Run, tmp_path: Path, choice: tuple[str, ...]
) -> None:
    id = f"fixture_kit_{choice[0]}"
    run("connector", "new", id, "--kind", *choice, "--into", str(tmp_path))
    there = ("--from", str(tmp_path))
    for case in sorted((tmp_path / "fixtures" / id).glob("*.json")):
        if case.name.endswith(".expected.json"):
            continue
        case.write_text(case.read_text().replace("2026-03-13", "2026-03-14") + "\n")
        stale = run("connector", "test", id, *there)
        kept = run("connector", "fixture", id, case.name, "--write", *there)
        sound = run("connector", "test", id, *there)
        again = run("connector", "fixture", id, case.name, *there)

        assert "its sha256 is" in stale.out
        assert kept.code == 0, kept.err
        assert sound.code == 0, sound.out
        assert again.json["records"]


def test_a_fixture_that_is_not_there_or_not_read_is_one_sentence(run: Run) -> None:
    lost = run("connector", "fixture", "payroll_rest", "worker.json")
    refused = run("connector", "fixture", "ehr_hl7v2", "settings.toml")

    assert "There is no fixture worker.json; there are: employments.json" in lost.err
    assert "Nothing is read from settings.toml" in refused.err
    assert lost.code == refused.code == 1


NEW_CASES = [
    (("payroll",), "page", ("--stream", "payroll_runs"), 'stream = "payroll_runs"'),
    (("payer",), "answer", (), 'answers = "inquiry"'),
    (("ehr",), "event", (), 'origin = "synthetic"'),
]


@pytest.mark.parametrize(("choice", "case", "options", "stated"), NEW_CASES)
def test_a_new_fixture_is_kept_with_what_it_follows(
    run: Run, tmp_path: Path, choice: tuple[str, ...], case: str, options: Any, stated: str
) -> None:
    id = f"case_kit_{choice[0]}"
    there = ("--from", str(tmp_path))
    run("connector", "new", id, "--kind", *choice, "--into", str(tmp_path))
    cases = tmp_path / "fixtures" / id
    (cases / "another.json").write_text((cases / f"{case}.json").read_text() + "\n")
    command = ("connector", "fixture", id, "another.json", "--write", *options, *there)
    unsaid = run(*command)
    kept = run(*command, "--document", "API reference 4.2")
    tested = run("connector", "test", id, *there)

    assert unsaid.code == 1
    assert "say with --document" in unsaid.err
    assert kept.code == 0, kept.err
    assert stated in (cases / "another.meta.toml").read_text()
    assert tested.code == 0, tested.out


def test_one_fault_that_stops_everything_is_told_once(run: Run, tmp_path: Path) -> None:
    id = "refused_kit"
    run("connector", "new", id, "--kind", "supply", "--into", str(tmp_path))
    client = tmp_path / id / "client.py"
    client.write_text(client.read_text().replace('"authorization"', '"x-api-key"'))
    ended = run("connector", "test", id, "--from", str(tmp_path), "--json")
    outcomes = {check["check"]: check for check in ended.json["checks"]}

    assert ended.code == 1
    assert [n for n, check in outcomes.items() if check["outcome"] == "failed"] == ["check_good"]
    assert outcomes["record_matches_model"]["outcome"] == "not run"
    assert outcomes["record_matches_model"]["what"] == ["check_good must pass first"]


def test_a_folder_without_the_package_is_named(run: Run, tmp_path: Path) -> None:
    ended = run("connector", "test", "lost_kit", "--from", str(tmp_path))

    assert ended.code == 1
    assert f"There is no lost_kit/connector.toml in {tmp_path}" in ended.err
