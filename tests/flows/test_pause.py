"""Pausing a connection: what arrives is stored and acknowledged, waits, and drains in order."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from hub.domain.agreements import unrestricted_scope
from hub.domain.jobs import Job
from hub.services import connections, sync
from hub.storage.tables import InboundMessage, JobRow, Patient, SyncRun
from tests.polling import wait_until

pytestmark = pytest.mark.end_to_end
SCOPE = unrestricted_scope("test")


def pause(flow: Any, name: str) -> None:
    flow.work(lambda session: connections.pause(session, name))


def resume(flow: Any, name: str) -> None:
    def work(session: Any) -> None:
        session.after_commit.append(flow.hub.database.bell.set)
        connections.resume(session, name, now=datetime.now(UTC))

    flow.work(work)


def test_what_arrives_while_paused_waits_and_is_read_in_order_on_resume(
    flow: Any, message: Callable[..., bytes]
) -> None:
    pause(flow, "EHR")
    assert [flow.send(message(number)).code for number in (1, 2)] == ["AA", "AA"]
    corrected = message(1).replace(b"|C1|", b"|C3|").replace(b"Testperson", b"Corrected")
    assert flow.send(corrected).code == "AA"
    # The third waits behind the first, in the lane of their patient.
    wait_until(lambda: len(flow.rows(JobRow, error_code="HELD", state="ready")) == 2)

    assert [row.state for row in flow.rows(InboundMessage)] == ["received"] * 3
    assert flow.rows(Patient) == []
    held = flow.rows(JobRow, kind=Job.PROCESS_MESSAGE)
    assert {row.state for row in held} == {"ready"}
    assert {row.attempt for row in held} == {0}
    first = min(held, key=lambda row: row.id)
    assert (first.error_code, first.error_text) == ("HELD", "The connection is paused.")
    with flow.hub.database.read(SCOPE) as session:
        count, since = connections.waiting(session)["ehr"]
    assert (count, since.tzinfo is not None) == (3, True)

    resume(flow, "EHR")
    wait_until(lambda: {r.state for r in flow.rows(InboundMessage)} == {"processed"})
    families = {row.family_name for row in flow.rows(Patient)}
    assert families == {"Testperson", "Corrected"}
    done = [row.id for row in sorted(flow.rows(JobRow, state="done"), key=lambda r: r.done_at)]
    same_patient = [job.id for job in sorted(held, key=lambda r: r.id) if job.lane == first.lane]
    assert [job_id for job_id in done if job_id in same_patient] == same_patient


def test_a_paused_connection_fetches_nothing_and_another_goes_on(
    flow: Any, message: Callable[..., bytes]
) -> None:
    pause(flow, "Payroll")
    now = datetime.now(UTC)
    flow.work(
        lambda session: sync.request_sync(
            session, connection_id="payroll", sources={"payroll_rest"}, now=now
        )
    )
    assert flow.send(message(1)).code == "AA"
    wait_until(lambda: {r.state for r in flow.rows(InboundMessage)} == {"processed"})
    flow.wait_until_idle()
    assert flow.rows(SyncRun) == []
    assert flow.faults.requests == []
