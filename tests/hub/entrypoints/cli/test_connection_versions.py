"""`mso-hub connection show`, `change` and `history`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hub.services.connections import SecretStore
from hub.storage.tables import Connection, ConnectionPractice, ConnectionSecret, ConnectionVersion
from tests.hub.entrypoints.cli.test_connection import EHR, add, file

SUPPLY = 'base_url = "https://api.brightwell.example"\nwebhook_secrets = ["secret://webhook"]\n'


def shown(desk: Any, *more: str) -> dict[str, Any]:
    ended = desk.run("connection", "show", "New", *more)
    assert (ended.code, ended.err) == (0, "")
    return dict(json.loads(ended.out))


def change(desk: Any, config: str, *more: str) -> Any:
    return desk.run(
        "connection", "change", "New", "--config", config, "--reason", "ticket 12", *more
    )


@pytest.fixture
def ehr(desk: Any, tmp_path: Path) -> Any:
    add(desk, "ehr_hl7v2", file(tmp_path, EHR), "--practice", "NORTH=north")
    return desk


def test_what_is_shown_can_be_edited_and_given_back(ehr: Any, tmp_path: Path) -> None:
    text = shown(ehr)
    assert text == {
        "zone": "America/Chicago",
        "routing": {
            "sending_application": "EHRB",
            "peers": ["10.1.0.0/16"],
            "receiving_facilities": {"NORTH": "HUBNORTH"},
        },
        "practices": {"NORTH": "north"},
    }
    same = change(ehr, file(tmp_path, json.dumps(text), "same.json"), "--json")
    assert json.loads(same.out) == {"changed": "New", "version": None}
    text["zone"] = "America/Denver"
    text["practices"] = {"N1": "north", "S1": "id-south"}
    text["routing"]["receiving_facilities"] = {"S1": "HUBSOUTH"}
    ended = change(ehr, file(tmp_path, json.dumps(text), "new.json"), "--json")
    assert json.loads(ended.out) == {"changed": "New", "version": 2}
    (row,) = ehr.rows(Connection, name="New")
    assert row.config == {"zone": "America/Denver"}
    named = {
        one.code: (one.practice_id, one.receiving_facility)
        for one in ehr.rows(ConnectionPractice, connection_id=row.id)
    }
    assert named == {"N1": ("id-north", ""), "S1": ("id-south", "HUBSOUTH")}
    assert shown(ehr) == {**text, "practices": {"N1": "north", "S1": "south"}}
    assert [event[0] for event in ehr.audited()][-1] == "connection change"


def test_earlier_settings_can_be_looked_at_and_taken_up_again(ehr: Any, tmp_path: Path) -> None:
    before = shown(ehr)
    later = EHR.replace("Chicago", "Denver")
    assert change(ehr, file(tmp_path, later, "later.toml")).code == 0
    assert shown(ehr)["practices"] == {"NORTH": "north"}  # the file says nothing of them
    assert shown(ehr, "--version", "1") == before
    again = file(tmp_path, json.dumps(before), "again.json")
    assert "version 3" in change(ehr, again).out
    assert shown(ehr) == before
    listed = json.loads(ehr.run("connection", "history", "New", "--json").out)["versions"]
    assert [(one["version"], one["reason"]) for one in listed] == [
        (3, "ticket 12"),
        (2, "ticket 12"),
        (1, ""),
    ]
    assert ehr.run("connection", "show", "New", "--version", "9").code == 1


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("zone = 5\n[routing]\nsending_application = 'E'", "zone"),
        (EHR + "[routing.nonsense]\n", "nonsense"),
        (EHR.replace("NORTH =", "WEST ="), "WEST"),
        (EHR + "[practices]\nNORTH = 'nobody'", "nobody"),
        (EHR + "[practices]\nNORTH = 5", "practices"),
    ],
)
def test_settings_that_do_not_hold_change_nothing(
    ehr: Any, tmp_path: Path, text: str, named: str
) -> None:
    before = shown(ehr)
    ended = change(ehr, file(tmp_path, text, "wrong.toml"))
    assert ended.code == 1
    assert named in ended.err
    assert shown(ehr) == before
    assert ehr.rows(ConnectionVersion) == []


@pytest.fixture
def vendor(desk: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A connection with two secrets."""
    monkeypatch.setenv("VENDOR_KEY", "key-of-the-vendor")
    monkeypatch.setenv("WEBHOOK", "whsec_c3VwcGx5LXJlc3QtdGVzdC1zZWNyZXQ=")
    given = ("--secret", "api_key=env:VENDOR_KEY", "--secret", "webhook=env:WEBHOOK")
    assert add(desk, "supply_rest", file(tmp_path, SUPPLY), *given).code == 0
    return desk


def test_secrets_stay_unless_they_are_given_anew_and_are_never_shown(
    vendor: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = shown(vendor)
    assert "key-of-the-vendor" not in str(text)
    monkeypatch.setenv("VENDOR_KEY", "another-key")
    path = file(tmp_path, json.dumps(text), "new.json")
    assert change(vendor, path).code == 0
    assert secret(vendor) == "key-of-the-vendor"
    assert change(vendor, path, "--secret", "api_key=env:VENDOR_KEY").code == 0
    assert secret(vendor) == "another-key"


def test_kept_secrets_are_not_sent_to_another_address(vendor: Any, tmp_path: Path) -> None:
    before = shown(vendor)
    moved = {**before, "base_url": "https://api2.brightwell.example"}
    ended = change(vendor, file(tmp_path, json.dumps(moved), "moved.json"))
    assert (ended.code, "api_key, webhook" in ended.err) == (1, True)
    assert shown(vendor) == before
    again = ("--secret", "api_key=env:VENDOR_KEY", "--secret", "webhook=env:WEBHOOK")
    assert change(vendor, file(tmp_path, json.dumps(moved), "moved.json"), *again).code == 0
    assert shown(vendor) == moved


def test_a_secret_that_was_left_out_when_the_address_changed_is_gone(
    vendor: Any, tmp_path: Path
) -> None:
    before = shown(vendor)
    moved = {**before, "base_url": "https://api2.brightwell.example", "webhook_secrets": []}
    path = file(tmp_path, json.dumps(moved), "moved.json")
    assert change(vendor, path, "--secret", "api_key=env:VENDOR_KEY").code == 0
    back = {**moved, "webhook_secrets": before["webhook_secrets"]}
    assert change(vendor, file(tmp_path, json.dumps(back), "back.json")).code == 0
    assert [one.name for one in vendor.rows(ConnectionSecret)] == ["api_key"]


def secret(desk: Any) -> str:
    (row,) = desk.rows(Connection, name="New")
    return SecretStore(desk.hub.database, desk.hub.crypto, row.id).get(row.config["api_key"])
