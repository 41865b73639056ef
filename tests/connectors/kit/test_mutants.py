"""The proof of the kit: for each check a connector that fails it and no other."""

from __future__ import annotations

import copy
import shutil
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from connectors import registry
from connectors.sdk.kit.conformance import CHECKS, conformance
from connectors.sdk.kit.model import Result
from connectors.sdk.kit.settings_schema import SCHEMA_FILE, breaking, write_committed
from connectors.sdk.scaffold.writing import Choice, write_connector
from hub.errors import ConfigError

TODAY = date(2026, 3, 18)
REQUEST = 'read_json(self._ctx.http.request("GET", url, params=params, headers=headers))'
PROBES = "run_probes(ctx, {"
ADDRESS = 'f"{client._config.base_url}/v1/payroll_runs"'
READ_ROWS = "return read_rows(rows, RunRow, to_record, str(token) if token else None)"
PAGES = 'yield from read_pages(ctx, STREAM, ("all",), cursor, window, fetch)'
FETCH = "return parse_page(client.page(ask))"
WITH_CURSOR = """import dataclasses
        for page in read_pages(ctx, STREAM, ("all",), cursor, window, fetch):
            values = dict(page.cursor.values)
            {change}
            yield dataclasses.replace(page, cursor=Cursor(1, values))"""
REPEATED = """from hub.errors import {error}
        for left in range(5, -1, -1):
            try:
                return {request}
            except {error}:
                if not left:
                    raise"""
ON_LIMIT = """from hub.errors import RateLimited
        try:
            return {request}
        except RateLimited as error:
            {react}"""

FORGIVING = """class RunRow(Row):
    @field_validator("company", "period", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> str:
        return str(value)
"""

# check: the changes of the sound connector (file, what stands there, what comes in its place)
MUTANTS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "manifest_valid": (("connector.toml", 'version = "0.1.0"', 'version = "first"'),),
    "import_is_pure": (("parse.py", "from typing import", "import threading\nfrom typing import"),),
    "config_rejects_unknown_keys": (
        ("config.py", "(ConnectorConfig):\n", '(ConnectorConfig, extra="ignore"):\n'),
    ),
    "secret_fields_marked": (("config.py", "api_key: Secret", "api_key: str"),),
    "list_without_import": (
        (
            "__init__.py",
            "payroll_runs over REST.\"\"\"",
            'payroll_runs over REST."""\n\nimport {package}.config  # noqa: F401',
        ),
    ),
    "config_schema_committed": (
        ("config.py", "ge=1, le=200", "ge=1, le=100"),
    ),
    "readme_headings_complete": (("README.md", "## Known gaps", "## Gaps"),),
    "fixture_provenance": (("../fixtures/{id}/page.json", "10432.18", "10432.19"),),
    "streams_static": (
        ("streams.py", "lookback=timedelta(minutes=2),", 'pii=("salary",),'),
    ),
    "no_secret_in_repr_logs_errors": (
        ("client.py", f"return {REQUEST}", f'params["key"] = key\n        return {REQUEST}'),
    ),
    "check_good": (("connector.py", PROBES, f'{PROBES}"plan": lambda: 1 // 0, '),),
    "check_bad_auth": (
        (
            "connector.py",
            "parse_page(client.page(first))",
            f'ctx.http.request("GET", {ADDRESS}, accept_statuses=(401,))',
        ),
    ),
    "check_missing_scope": (
        (
            "connector.py",
            "parse_page(client.page(first))",
            f'ctx.http.request("GET", {ADDRESS}, headers={{"authorization": "Bearer " +'
            " ctx.secrets.get(ctx.config.api_key)}, accept_statuses=(403,))",
        ),
    ),
    "check_unreachable": (
        (
            "connector.py",
            f"return {PROBES}",
            f'ctx.http.request("GET", {ADDRESS}, accept_statuses=(401, 403))\n'
            f"        return {PROBES}",
        ),
    ),
    "check_is_read_only": (
        (
            "connector.py",
            PROBES,
            f'{PROBES}"post": lambda: ctx.http.request('
            f'"POST", {ADDRESS}, accept_statuses=(405,)), ',
        ),
    ),
    "egress_allow_list": (
        ("client.py", 'f"{self._config.base_url}/v1', 'f"https://api.{{host}}/v1'),
    ),
    "retry_after_honoured": (
        (
            "client.py",
            f"return {REQUEST}",
            ON_LIMIT.format(
                request=REQUEST,
                react="from datetime import timedelta\n"
                "            soon = self._ctx.clock.now() + timedelta(seconds=5)\n"
                '            raise RateLimited("Limited.", retry_at=soon) from error',
            ),
        ),
    ),
    "429_never_sleeps": (
        (
            "client.py",
            f"return {REQUEST}",
            ON_LIMIT.format(
                request=REQUEST,
                react="import time as pause\n"
                "            pause.sleep(0.001)\n"
                "            raise error",
            ),
        ),
    ),
    "401_maps_to_auth_and_stops": (
        ("client.py", f"return {REQUEST}", REPEATED.format(request=REQUEST, error="AuthError")),
    ),
    "5xx_timeout_reset_bounded": (
        ("client.py", f"return {REQUEST}", REPEATED.format(request=REQUEST, error="Transient")),
    ),
    "malformed_body_is_data_or_transient": (
        (
            "client.py",
            f"return {REQUEST}",
            f"answer = {REQUEST[len('read_json('):-1]}\n"
            '        return read_json(answer) if answer.content else {"data": []}',
        ),
    ),
    "keys_present_unique_stable": (
        (
            "parse.py",
            READ_ROWS,
            "import dataclasses\n"
            f"    answer = {READ_ROWS.removeprefix('return ')}\n"
            "    keyed = [dataclasses.replace(r, external_id=r.external_id[:-1])"
            " for r in answer.records]\n"
            "    return dataclasses.replace(answer, records=tuple(keyed))",
        ),
    ),
    "read_twice_is_noop": (
        (
            "connector.py",
            FETCH,
            "import dataclasses\n"
            "            answer = parse_page(client.page(ask))\n"
            '            how = "all" if ask.since is None else "new"\n'
            "            told = [dataclasses.replace(r, source_version=how)"
            " for r in answer.records]\n"
            "            return dataclasses.replace(answer, records=tuple(told))",
        ),
    ),
    "pagination_terminates": (
        (
            "connector.py",
            FETCH,
            "import dataclasses\n"
            "            answer = parse_page(client.page(ask))\n"
            '            marks = "#" * ((ask.token or "").count("#") + 1)\n'
            "            token = answer.next_token and answer.next_token + marks\n"
            "            return dataclasses.replace(answer, next_token=token)",
        ),
        ("client.py", '= ask.token\n', '= ask.token.rstrip("#")\n'),
    ),
    "cursor_round_trip_bounded": (
        ("connector.py", PAGES, WITH_CURSOR.format(change='values["keys"] = "run " * 2000')),
    ),
    "cursor_never_regresses": (
        (
            "connector.py",
            PAGES,
            WITH_CURSOR.format(
                change='bound = window.until.isoformat()\n'
                '            values |= {"watermark": min(values["watermark"], bound)}'
                ' if "watermark" in values else {}'
            ),
        ),
    ),
    "boundary_ties_not_lost": (
        ("streams.py", "lookback=timedelta(minutes=2),", ""),
        ("client.py", "_stamp(ask.since)", "_stamp(ask.since + timedelta(seconds=1))"),
        ("client.py", "import datetime\n", "import datetime, timedelta\n"),
    ),
    "late_arrival_within_lookback": (
        ("connector.py", "ctx, STREAM, (", "ctx, replace(STREAM, lookback=timedelta(0)), ("),
        ("connector.py", "from collections.abc", "from dataclasses import replace\n"
         "from datetime import timedelta\nfrom collections.abc"),
    ),
    "deadline_checkpoints": (
        ("connector.py", PAGES, f"import dataclasses\n"
         "        ctx = dataclasses.replace(ctx, cancelled=lambda: False)\n"
         f"        {PAGES}"),
    ),
    "delete_guard_and_complete_flag": (
        (
            "connector.py",
            FETCH,
            "from hub.errors import Permanent\n"
            "            try:\n"
            f"                {FETCH}\n"
            "            except Permanent:\n"
            "                if ask.token is None:\n"
            "                    raise\n"
            "                return Answer(())",
        ),
    ),
    "kill_at_every_page_resumes": (
        (
            "connector.py",
            PAGES,
            WITH_CURSOR.format(
                change='values |= {"token": "10"} if "token" in values else {}'
            ),
        ),
    ),
    "unknown_enum_survives": (
        ("parse.py", 'state: Text = ""', "state: Literal['DRAFT', 'PAID', 'VOIDED']"),
        ("parse.py", "import Any, Final", "import Any, Final, Literal"),
    ),
    "extra_fields_ignored": (
        ("parse.py", "class RunRow(Row):", 'class RunRow(Row, extra="forbid"):'),
    ),
    "missing_optional_fields": (
        (
            "parse.py",
            READ_ROWS,
            'assert all(row["version"] for row in rows if row.get("id"))\n'
            f"    {READ_ROWS}",
        ),
    ),
    "bad_row_is_rejected_alone": (
        (
            "parse.py",
            READ_ROWS,
            f"answer = {READ_ROWS.removeprefix('return ')}\n"
            '    if any(not {"id", "company"} & set(row) for row in rows):\n'
            '        raise ContractDrift("A row has no id.", reason="row", path="$.data.id")\n'
            "    return answer",
        ),
    ),
    "drift_names_the_path": (
        ("parse.py", "class RunRow(Row):", FORGIVING),
        ("parse.py", "import Field\n", "import Field, field_validator\n"),
    ),
    "webhook_golden_signature": (("connector.toml", '"standard"', '"svix"'),),
    "webhook_hostile_headers": (
        ("webhook.py", "except (ValueError, RecursionError)", "except RecursionError"),
    ),
    "webhook_no_secret_means_reject": (
        ("config.py", "Field(\n        (),", 'Field(\n        ("env:BRIGHTWELL_WEBHOOK",),'),
    ),
    "webhook_two_secrets": (("config.py", "max_length=2", "max_length=1"),),
    "webhook_duplicate_and_out_of_order": (
        ("parse.py", 'f"{event.entity}/{document}"', "event.entity"),
        ("parse.py", "occurred_at=event.occurred_at", "occurred_at=None"),
    ),
    "webhook_stale_future_replay": (
        ("connector.toml", '"standard"', '"standard"\ntolerance = 31536000'),
    ),
    "order_submit_idempotent": (
        (
            "connector.py",
            "return None if answer is None else _receipt(order, answer)",
            "return None if answer is None else None",
        ),
    ),
    "pii_fields_declared": (("streams.py", '"email", "npi", ', '"npi", '),),
    "record_matches_model": (("parse.py", 'kind="regular"', 'kind="ordinary"'),),
    "money_decimal_exact": (("parse.py", "gross=row.gross", "gross=float(row.gross)"),),
    "dates_vs_datetimes_tz": (
        (
            "parse.py",
            "check_date=row.check_date",
            "check_date=__import__('datetime').datetime(2026, 3, 18)",
        ),
    ),
}  # fmt: skip


# the connector whose copy is changed, where a new one has nothing to change
STALE = {"config_schema_committed"}
COPIES = {
    "pii_fields_declared": "payroll_rest",
    "order_submit_idempotent": "supply_rest",
    **{name: "supply_rest" for name in MUTANTS if name.startswith("webhook_")},
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of packages that is forgotten afterwards."""
    before = set(sys.modules)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.startswith("mutant"):
            del sys.modules[name]


def results(
    place: Path,
    *changes: tuple[str, str, str],
    expected: bool = False,
    stale: bool = False,
    of: str = "",
) -> dict[str, Result]:
    """What the kit says of a sound connector with these changes: of a new one, or of a copy of the
    connector `of`. Its fixture is `expected` to read as the sound one does, or nothing is said of
    it. The committed schema of its settings is `stale`, or that of the change."""
    id = f"mutant_{abs(hash(changes))}"
    if of:
        copied(of, id, place)
    else:
        write_connector(id, Choice("payroll"), into=place, package=id)
    host = id.replace("_", "-") + ".example"
    if not expected:
        for file in (place / "fixtures" / id).glob("*.expected.json"):
            file.unlink()
    for name, old, new in changes:
        file = place / id / name.format(id=id)
        text = file.read_text()
        assert text.count(old) == 1, f"{name} no longer holds {old}"
        file.write_text(text.replace(old, new.replace("{{host}}", host).replace("{package}", id)))
    found = registry.at(place, id)
    if not stale and any(name == "config.py" for name, _, _ in changes):
        (place / id / SCHEMA_FILE).unlink()
        write_committed(place / id, 1, found.config_schema(id))
    return {r.check: r for r in conformance(found, id, today=TODAY)}


def copied(of: str, id: str, place: Path) -> None:
    """A connector of ours as a package of its own, with its fixtures."""
    folder = registry.folder(of)
    shutil.copytree(folder, place / id, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(folder.parents[1] / "fixtures" / of, place / "fixtures" / id)
    for file in (place / id).rglob("*.*"):
        if file.suffix in {".py", ".toml"}:
            text = file.read_text().replace(f"connectors.{of}", id)
            file.write_text(text.replace(f'id = "{of}"', f'id = "{id}"'))


def failed(found: dict[str, Result]) -> set[str]:
    return {name for name, result in found.items() if result.outcome == "failed"}


@pytest.mark.parametrize("check", MUTANTS)
def test_each_check_finds_its_mutant_and_no_other_does(place: Path, check: str) -> None:
    found = results(place, *MUTANTS[check], of=COPIES.get(check, ""), stale=check in STALE)

    assert failed(found) == {check}, {name: found[name].what for name in failed(found)}
    assert all(found[check].what)
    assert found[check].proves
    assert found[check].mend


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        (
            "employer_cost=row.cost",
            "employer_cost=row.net",
            "data.employer_cost is not as expected: 7302.52 instead of 11475.39",
        ),
        ("state: Text", "state: int", "0 records instead of 1"),
    ],
)
def test_a_fixture_is_read_as_a_page_of_the_vendor_and_compared(
    place: Path, old: str, new: str, finding: str
) -> None:
    found = results(place, ("parse.py", old, new), expected=True)

    assert found["record_matches_model"].what == (f"fixture page.json: {finding}",)


SETTINGS = {
    "properties": {"host": {"type": "string", "title": "Host"}, "port": {"type": "integer"}},
    "required": ["host"],
    "$defs": {"Tls": {"properties": {"name": {"$ref": "#/$defs/Name"}}}, "Name": {"enum": ["a"]}},
}


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        (("properties", "host", "title"), "Its name", []),
        (("properties", "more"), {"type": "string"}, []),
        (("properties",), {"host": {"type": "string"}}, ["port is gone"]),
        (("required",), ["host", "port"], ["port is required"]),
        (("properties", "port", "maximum"), 65535, ["port takes other values"]),
        (("$defs", "Tls", "properties"), {}, ["Tls.name is gone"]),
        (("$defs", "Name", "enum"), ["b"], ["Name takes other values"]),
    ],
)
def test_a_change_of_the_settings_is_told_where_it_may_break_stored_ones(
    path: tuple[str, ...], value: object, told: list[str]
) -> None:
    new = copy.deepcopy(SETTINGS)
    place: Any = new
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value

    assert list(breaking(SETTINGS, new)) == told


def test_every_check_has_a_mutant() -> None:
    assert sorted(MUTANTS) == sorted(check.name for check in CHECKS)


FLOAT = MUTANTS["money_decimal_exact"][0]
EXEMPT = '[[exempt]]\ncheck = "{check}"\nreason = "The vendor sends none."\nuntil = {until}\n'


def exempting(check: str, until: str) -> tuple[str, str, str]:
    old = 'capabilities = ["source"]\n'
    return "connector.toml", old, old + EXEMPT.format(check=check, until=until)


def test_an_exempt_check_is_told_with_its_reason_and_never_as_passed(place: Path) -> None:
    found = results(place, FLOAT, exempting("money_decimal_exact", "2026-03-18"))

    assert failed(found) == set()
    assert found["money_decimal_exact"].outcome == "exempt"
    assert found["money_decimal_exact"].what == ("The vendor sends none. (until 2026-03-18)",)


def test_an_exemption_that_has_ended_fails(place: Path) -> None:
    found = results(place, FLOAT, exempting("money_decimal_exact", "2026-03-17"))

    assert failed(found) == {"money_decimal_exact"}
    assert found["money_decimal_exact"].what[0] == "its exemption ended on 2026-03-17"


def test_an_exemption_of_what_is_no_check_is_refused(place: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean money_decimal_exact"):
        results(place, exempting("money_decimal_exakt", "2026-03-18"))
