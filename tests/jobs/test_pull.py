"""Syncs of a payroll vendor: page by page, resumable, honest about what went wrong."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import delete

from hub.domain.agreements import unrestricted_scope
from hub.domain.jobs import Job
from hub.storage.session import ScopedSession
from hub.storage.tables import (
    Connection,
    ConnectionPractice,
    DataIssue,
    Employment,
    JobRow,
    PayStatement,
    PayStatementLine,
    SyncCursor,
    SyncRun,
    Worker,
)
from jobs import pull


def sync(office: Any, name: str = "payroll") -> Any:
    office.add(Job.SYNC_STREAMS, connection_id=office.connection(name))
    return office.step()


def runs(office: Any, stream: str) -> list[Any]:
    found = [run for run in office.all(SyncRun) if run.stream == stream]
    return sorted(found, key=lambda run: run.started_at)


def test_a_sync_brings_every_stream_and_money_to_the_cent(office: Any) -> None:
    assert sync(office).state == "done"
    assert {run.stream: run.state for run in office.all(SyncRun)} == {
        "workers": "done",
        "employments": "done",
        "pay_periods": "done",
        "payroll_runs": "done",
        "pay_statements": "done",
    }
    workers = office.all(Worker)
    assert {row.practice_id for row in workers} == {p.id for p in office.world.practices}
    assert len(office.all(Employment)) >= len(workers)
    lines: dict[str, list[Any]] = {}
    for line in office.all(PayStatementLine):
        lines.setdefault(line.pay_statement_id, []).append(line)
    sign = {"employee_tax": -1, "deduction": -1, "reimbursement": 1}
    for statement in office.all(PayStatement):
        own = [row for row in lines[statement.id] if not row.employer_paid]
        computed = statement.gross + sum(sign.get(row.kind, 0) * row.amount for row in own)
        assert computed == statement.net


def test_a_second_sync_writes_nothing(office: Any) -> None:
    sync(office)
    office.clock.forward(hours=1)
    sync(office)
    for stream in ("workers", "employments", "pay_periods", "payroll_runs", "pay_statements"):
        first, second = runs(office, stream)
        assert first.created > 0
        assert (second.created, second.changed, second.rejected) == (0, 0, 0)


def test_a_sync_killed_after_a_page_goes_on_from_there(
    office: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply = pull._apply
    pages = []

    def apply_two(*args: Any) -> None:
        if len(pages) == 2:
            raise KeyboardInterrupt
        pages.append(1)
        apply(*args)

    monkeypatch.setattr(pull, "_apply", apply_two)
    with pytest.raises(KeyboardInterrupt):
        sync(office)
    seen = len(office.all(Worker))
    assert seen > 0
    assert office.all(SyncCursor) != []
    monkeypatch.setattr(pull, "_apply", apply)
    office.clock.forward(hours=1)
    sync(office)
    assert len(office.all(Worker)) == 8 * len(office.world.practices)
    assert len({row.external_id for row in office.all(Worker)}) == len(office.all(Worker))


def test_a_sync_that_meets_a_bug_does_not_look_done(
    office: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise KeyError("a value of the page")

    monkeypatch.setattr(pull, "_apply", broken)
    assert sync(office).state == "ready"
    (run,) = office.all(SyncRun)
    assert (run.state, run.fault_code) == ("failed", "INTERNAL")
    assert run.fault_text == "An unexpected KeyError stopped the sync."


def test_an_html_page_instead_of_data_is_tried_again_and_told(office: Any) -> None:
    office.faults("payroll_rest", {"kind": "html", "match": "/workers", "times": 1})
    job = sync(office)
    assert (job.state, job.attempt) == ("ready", 1)
    (run,) = runs(office, "workers")
    assert run.state == "failed"
    assert "HTML" in run.fault_text
    office.clock.forward(hours=1)
    assert {row.state for row in office.drain()} == {"done"}
    assert office.all(Worker) != []


def test_refused_credentials_stop_the_connection_until_a_person_acts(office: Any) -> None:
    office.faults(
        "payroll_rest", {"kind": "status", "match": "/", "times": 99, "params": {"status": 401}}
    )
    assert sync(office).state == "dead"
    (row,) = [c for c in office.all(Connection) if c.connector_id == "payroll_rest"]
    assert row.status == "needs_reauth"
    assert row.status_reason


def test_stored_settings_that_no_longer_hold_are_shown_on_the_connection(office: Any) -> None:
    (payroll,) = [c for c in office.all(Connection) if c.connector_id == "payroll_rest"]

    def outdate(session: ScopedSession) -> None:
        row = session.get_one(Connection, payroll.id)
        row.config = {**row.config, "no_such_setting": 1}

    office.hub.database.transaction(unrestricted_scope("test"), outdate)
    assert sync(office).state == "dead"
    (row,) = [c for c in office.all(Connection) if c.id == payroll.id]
    assert row.status == "invalid_config"
    assert "no_such_setting" in row.status_reason


def test_a_rate_limit_parks_the_job_without_costing_an_attempt(office: Any) -> None:
    fault = {"status": 429, "retry_after": 120}
    office.faults(
        "payroll_rest", {"kind": "status", "match": "/workers", "times": 1, "params": fault}
    )
    job = sync(office)
    assert (job.state, job.attempt) == ("ready", 0)
    assert (job.run_at - office.clock()).total_seconds() == 120


def test_a_record_that_waits_for_another_holds_the_cursor(
    office: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Payslips read before their workers are not lost: the next run reads them again."""
    in_order = pull.in_order
    monkeypatch.setattr(pull, "in_order", lambda streams: in_order(streams)[::-1])
    sync(office)
    (run,) = runs(office, "pay_statements")
    assert (run.created, run.fault_code) == (0, "DEFERRED")
    assert run.deferred > 0
    office.clock.forward(hours=1)
    monkeypatch.setattr(pull, "in_order", in_order)
    sync(office)
    assert len(office.all(PayStatement)) == run.deferred


def test_a_company_of_no_practice_is_rejected_and_the_others_are_read(office: Any) -> None:
    lost = office.world.practices[0]
    office.hub.database.transaction(
        unrestricted_scope("test"),
        lambda s: s.execute(
            delete(ConnectionPractice).where(ConnectionPractice.code == lost.payroll_entity)
        ),
    )
    sync(office)
    assert lost.id not in {row.practice_id for row in office.all(Worker)}
    assert office.all(Worker) != []
    assert "unknown_entity" in {issue.code for issue in office.all(DataIssue)}


def test_the_hourly_round_asks_for_every_usable_source_once(office: Any) -> None:
    office.add(Job.SYNC_ALL)
    office.add(Job.SYNC_ALL)
    office.drain()
    synced = [row for row in office.all(JobRow) if row.kind == Job.SYNC_STREAMS]
    assert len(synced) == 3
    assert {row.args["connection_id"] for row in synced} == {
        office.connection(name) for name in ("payroll", "supply_rest", "supply_x12")
    }
