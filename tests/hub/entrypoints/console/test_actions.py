"""What is done to connections and jobs from the console: once, with the right, and audited."""

from __future__ import annotations

from typing import Any

import pytest

from hub.domain.agreements import unrestricted_scope
from hub.storage.tables import Connection
from tests.hub.entrypoints.console.conftest import KEY, dead_job

SCOPE = unrestricted_scope("test")


def is_paused(seeded: Any, connection_id: str) -> bool:
    with seeded.database.read(SCOPE) as session:
        return bool(session.get_one(Connection, connection_id).paused)


def test_a_connection_is_held_and_goes_on(seeded: Any) -> None:
    person, path = seeded.person("operator"), f"/console/connections/{seeded.ids['feed']}"
    assert person.post(f"{path}/pause").headers["location"] == f"{path}?done=paused"
    assert is_paused(seeded, "feed")
    shown = person.get(path, done="paused")
    assert "is paused" in shown.text
    assert "Disabled" in shown.text
    assert f"{path}/resume" in shown.text
    assert f"{path}/pause" not in shown.text
    assert person.post(f"{path}/resume").status_code == 303
    assert not is_paused(seeded, "feed")
    reasons = [one.reason for one in seeded.events() if one.principal_name == "operator"]
    assert [r for r in reasons if "Connection" in r] == ["pauseConnection", "resumeConnection"]


def test_a_practice_holds_its_own_connection_alone(seeded: Any) -> None:
    person = seeded.person("app A")
    own, other = (f"/console/connections/{seeded.ids[f'connection {one}']}" for one in "AB")
    assert person.post(f"{own}/pause").status_code == 303
    assert is_paused(seeded, "cA")
    assert person.post(f"{other}/pause").status_code in (404, 409)
    assert not is_paused(seeded, "cB")


def test_a_check_is_started(seeded: Any) -> None:
    path = f"/console/connections/{seeded.ids['connection B']}"
    person = seeded.person("operator")
    assert person.post(f"{path}/test").headers["location"] == f"{path}?done=test"
    assert "connections.check" in person.get("/console/jobs").text


def test_settings_are_for_who_may_change_them(seeded: Any) -> None:
    path = f"/console/connections/{seeded.ids['feed']}"
    assert 'id="settings"' in seeded.person("operator").get(path).text
    assert 'id="settings"' not in seeded.person("reader").get(path).text


def test_a_dead_job_runs_again_and_is_stopped(seeded: Any) -> None:
    person, path = seeded.person("operator"), f"/console/jobs/{dead_job(seeded)}"
    (key,) = KEY.findall(person.get(path).text)
    for _ in range(2):
        answer = person.post(f"{path}/retry", key=key, reason="the vendor is back")
        assert answer.headers["location"] == f"{path}?done=retried"
    assert "Ready" in person.get(path).text
    assert person.post(f"{path}/retry", reason="again").status_code == 409
    assert person.post(f"{path}/cancel", reason="not needed").status_code == 303
    assert "Cancelled" in person.get(path).text
    reasons = [one.reason for one in seeded.events() if "Job:" in one.reason]
    assert reasons == ["retryJob: the vendor is back", "cancelJob: not needed"]


def test_a_reason_is_wanted(seeded: Any) -> None:
    path = f"/console/jobs/{seeded.ids['dead']}/retry"
    assert seeded.person("operator").post(path, reason=" ").status_code == 409


@pytest.mark.parametrize("name", ["reader", "app A"])
def test_who_only_reads_changes_nothing(seeded: Any, name: str) -> None:
    person = seeded.person(name)
    jobs = f"/console/jobs/{seeded.ids['dead']}"
    assert person.post(f"{jobs}/retry", reason="x").status_code == 403
    if name == "reader":
        path = f"/console/connections/{seeded.ids['feed']}"
        assert person.post(f"{path}/pause").status_code == 403
        assert not is_paused(seeded, "feed")


@pytest.mark.parametrize(
    "path",
    ["connections/{feed}/pause", "jobs/{dead}/retry", "messages/{hostile}/replay",
     "messages/{hostile}/content", "messages"],
)  # fmt: skip
def test_no_form_is_taken_from_elsewhere(seeded: Any, path: str) -> None:
    person = seeded.person("operator")
    address = "/console/" + path.format(**seeded.ids)
    before = len([one for one in seeded.events() if one.action == "write"])
    assert person.post(address, token="", reason="x").status_code == 403
    foreign = {"origin": "https://evil.example"}
    assert person.post(address, foreign, reason="x").status_code == 403
    assert len([one for one in seeded.events() if one.action == "write"]) == before


@pytest.mark.parametrize("path", ["connections/{feed}/explode", "jobs/{dead}/explode"])
def test_an_unknown_action_is_not_found(seeded: Any, path: str) -> None:
    address = "/console/" + path.format(**seeded.ids)
    assert seeded.person("operator").post(address, reason="x").status_code == 404
