"""Cancelling a job: a waiting one at once, a running one when it looks, one that is over not."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from hub.domain.agreements import unrestricted_scope
from hub.domain.jobs import Job
from hub.storage import queue
from hub.storage.claiming import claim
from hub.storage.reads.write import global_id
from hub.storage.tables import AuditEvent, JobRow

SCOPE = unrestricted_scope("test")
CANCEL = """mutation($input: CancelJobInput!) { cancelJob(input: $input) { __typename
  ... on CancelJobPayload { job { state } } ... on UserErrors { errors { code } } } }"""


@pytest.fixture
def job_id(world: Any) -> int:
    return int(
        world.database.transaction(
            SCOPE, lambda s: queue.add(s, Job.SYNC_ALL, {}, now=world.now, max_attempts=1)
        )
    )


def cancel(api: Any, job: object, reason: str = "not needed") -> Any:
    found = api.data(CANCEL, input={"jobId": global_id("Job", str(job)), "reason": reason})
    return found["cancelJob"]


def test_a_waiting_job_is_withdrawn_once_and_audited(world: Any, job_id: int) -> None:
    mso = world.mso(name="desk")
    assert cancel(mso, job_id)["job"] == {"state": "CANCELLED"}
    (event,) = world.read(lambda s: s.scalars(select(AuditEvent)).all())
    assert (event.principal_name, event.action, event.outcome) == ("desk", "write", "success")
    assert event.reason.endswith("not needed")
    assert cancel(mso, job_id)["errors"] == [{"code": "CONFLICT"}]


def test_a_running_job_is_asked_to_stop(world: Any, job_id: int) -> None:
    (held,) = world.database.transaction(
        SCOPE, lambda s: claim(s, limit=1, lease=timedelta(minutes=1), now=world.now)
    )
    assert cancel(world.mso(), held.id)["job"] == {"state": "RUNNING"}
    assert world.read(lambda s: s.get(JobRow, job_id).cancel_at) == world.now


@pytest.mark.parametrize("job", [999_999, "none", 2**70])
def test_no_job_is_not_found(world: Any, job: object) -> None:
    assert cancel(world.mso(), job)["errors"] == [{"code": "NOT_FOUND"}]


def test_only_the_msos_apps_cancel_and_they_say_why(world: Any, job_id: int) -> None:
    practice = world.app(world.practice("Mine"))
    given = {"jobId": global_id("Job", str(job_id)), "reason": "x"}
    assert practice.code(CANCEL, input=given) == "FORBIDDEN"
    assert cancel(world.mso(), job_id, "")["errors"] == [{"code": "BAD_INPUT"}]
