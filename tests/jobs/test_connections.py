"""Checking a connection as a job: the report is kept, and a connection that is well says so."""

from __future__ import annotations

from typing import Any

from hub.domain.agreements import unrestricted_scope
from hub.domain.jobs import Job
from hub.errors import AuthError
from hub.services import checks, connections
from hub.storage.tables import Connection, ConnectionCheck, ConnectionProbe

ALL = unrestricted_scope("test")


def check(office: Any, connection_id: str) -> Any:
    database = office.hub.database
    job_id = database.transaction(
        ALL,
        lambda s: checks.request_check(s, connection_id=connection_id, now=office.clock()),
    )
    row = office.step()
    assert (row.id, row.kind) == (job_id, Job.CHECK_CONNECTION)
    return row


def test_a_check_keeps_every_probe_and_clears_a_fault_that_is_gone(office: Any) -> None:
    connection_id = office.connection("supply_rest")
    office.hub.database.transaction(
        ALL,
        lambda s: connections.note_failure(s, connection_id, AuthError("refused", kind="expired")),
    )
    row = check(office, connection_id)
    assert row.state == "done"
    [report] = office.all(ConnectionCheck)
    assert (report.ok, report.job_id, report.connection_id) == (True, row.id, connection_id)
    probes = office.all(ConnectionProbe)
    assert probes
    assert all(probe.ok and not probe.error for probe in probes)
    [stored] = [each for each in office.all(Connection) if each.id == connection_id]
    assert stored.status == "ok"


def test_a_vendor_that_refuses_is_reported_with_what_to_do(office: Any) -> None:
    connection_id = office.connection("supply_rest")
    office.faults("supply_rest", {"kind": "status", "times": 20, "params": {"status": 401}})
    row = check(office, connection_id)
    reports = office.all(ConnectionCheck)
    failed = [probe for probe in office.all(ConnectionProbe) if not probe.ok]
    assert row.state == "done"
    assert [report.ok for report in reports] == [False]
    assert failed
    assert all(probe.error for probe in failed)
