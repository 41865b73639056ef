"""`mso-hub job`: lists, one in full, retry of dead jobs and cancelling, both audited."""

from __future__ import annotations

from typing import Any

import pytest

from hub.storage.tables import JobRow


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--kind", "maintenance.prune"], ["ready", "done", "dead"]),
        (["--state", "dead"], ["dead"]),
        (["--state", "cancelled"], []),
        (["--limit", "1"], ["ready"]),
    ],
)
def test_jobs_are_listed_newest_first_and_filtered(
    desk: Any, options: list[str], expected: list[str]
) -> None:
    ended = desk.run("job", "list", "--json", *options)
    assert ended.code == 0
    assert [row["state"] for row in ended.json["jobs"]] == expected


def test_the_table_shows_the_last_error(desk: Any) -> None:
    ended = desk.run("job", "list")
    assert "UPSTREAM" in ended.out
    assert "It failed." in ended.out


def test_a_job_is_shown_with_its_ids_and_attempts(desk: Any) -> None:
    facts = desk.run("job", "show", str(desk.jobs["dead"]), "--json").json
    assert (facts["state"], facts["attempt"], facts["args"]) == ("dead", 1, {})
    assert "UPSTREAM" in desk.run("job", "show", str(desk.jobs["dead"])).out


def test_a_dead_job_is_retried_under_its_id_with_an_audit_event(desk: Any) -> None:
    dead = desk.jobs["dead"]
    ended = desk.run("job", "retry", str(dead), "--reason", "vendor is back")
    assert (ended.code, ended.out) == (0, f"Job {dead} runs again.\n")
    (row,) = desk.rows(JobRow, id=dead)
    assert (row.state, row.attempt) == ("ready", 0)
    assert [(event[0], event[2]) for event in desk.audited()] == [("job retry", "vendor is back")]


def test_a_waiting_job_is_cancelled_with_an_audit_event(desk: Any) -> None:
    ready = desk.jobs["ready"]
    assert desk.run("job", "cancel", str(ready), "--json").json == {"cancelled": ready}
    (row,) = desk.rows(JobRow, id=ready)
    assert row.state == "cancelled"
    assert [event[0] for event in desk.audited()] == ["job cancel"]


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("retry", "done", "--reason", "x"), 1, "is done; only a dead job is retried."),
        (("retry", "dead"), 2, "Missing option '--reason'"),
        (("retry", "dead", "--reason", ""), 1, "A reason has 1 to 200 characters"),
        (("cancel", "done"), 1, "is done already."),
        (("cancel", "dead"), 1, "is dead already."),
        (("show", "999999"), 1, "There is no job 999999; `mso-hub job list` shows the ids."),
        (("show", "x"), 2, "Invalid value for 'id'"),
        (("list", "--kind", "odd"), 2, "must be one of ingest.process_message"),
    ],
)
def test_a_refusal_is_one_sentence_and_changes_nothing(
    desk: Any, arguments: tuple[str, ...], code: int, sentence: str
) -> None:
    before = [(row.id, row.state) for row in desk.rows(JobRow)]
    named = [str(desk.jobs.get(word, word)) for word in arguments]
    ended = desk.run("job", *named)
    assert (ended.code, ended.out) == (code, "")
    assert sentence in ended.err
    assert ended.err.count("\n") == 1
    assert [(row.id, row.state) for row in desk.rows(JobRow)] == before
    assert desk.audited() == []
