"""Running a dead job again: under its id, once, by the MSO, for a reason."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select, update

from hub.domain.agreements import unrestricted_scope
from hub.domain.jobs import Job
from hub.storage import queue
from hub.storage.reads.write import global_id
from hub.storage.tables import AuditEvent, JobRow

SCOPE = unrestricted_scope("test")
RETRY = """mutation($input: RetryJobInput!) { retryJob(input: $input) { __typename
  ... on RetryJobPayload { job { id state } } ... on UserErrors { errors { code } } } }"""


@pytest.fixture
def dead(world: Any) -> str:
    """The global id of a job that was given up."""

    def work(session: Any) -> int:
        job_id = queue.add(session, Job.SYNC_ALL, {}, now=world.now)
        session.execute(update(JobRow).values(state="dead"))
        return int(job_id)

    return global_id("Job", str(world.database.transaction(SCOPE, work)))


def retry(api: Any, job: str, reason: str = "the vendor is back") -> Any:
    return api.data(RETRY, input={"jobId": job, "reason": reason})["retryJob"]


def test_a_dead_job_runs_again_once_and_it_is_audited(world: Any, dead: str) -> None:
    mso = world.mso(name="desk")
    assert retry(mso, dead)["job"] == {"id": dead, "state": "READY"}
    (event,) = world.read(lambda s: s.scalars(select(AuditEvent)).all())
    assert (event.principal_name, event.action) == ("desk", "write")
    assert event.reason == "retryJob: the vendor is back"
    assert retry(mso, dead)["errors"] == [{"code": "CONFLICT"}]


def test_only_the_msos_apps_retry_and_they_say_why(world: Any, dead: str) -> None:
    practice = world.app(world.practice("Mine"))
    assert practice.code(RETRY, input={"jobId": dead, "reason": "x"}) == "FORBIDDEN"
    assert retry(world.mso(), dead, " ")["errors"] == [{"code": "BAD_INPUT"}]
    assert retry(world.mso("other"), global_id("Job", "999"))["errors"] == [{"code": "NOT_FOUND"}]
