"""Mutations on jobs: an operator stops one, or runs a dead one again."""

from __future__ import annotations

from hub.errors import NotFound
from hub.services import jobs
from hub.services.operators import stated_reason
from hub.storage.tables import JobRow
from schema.mapping.mutate import Call, Mutation, Payload, row_id

JOB_DIGITS = 18
"""Of the largest id of a job that fits into 63 bits, whatever its digits."""


def _cancel_job(call: Call) -> Payload:
    reason, row = stated_reason(call.input["reason"]), _job(call)
    jobs.stop(call.session, row, by=call.context.principal.name, reason=reason, now=call.now)
    return {"job": str(row.id)}


def _retry_job(call: Call) -> Payload:
    stated_reason(call.input["reason"])
    row = _job(call)
    jobs.start_again(call.session, row, by=call.context.principal.name, now=call.now)
    return {"job": str(row.id)}


def _job(call: Call) -> JobRow:
    job_id = row_id(call.input["jobId"], "Job")
    known = len(job_id) <= JOB_DIGITS and job_id.isdecimal()
    row = call.session.get(JobRow, int(job_id)) if known else None
    if row is None:
        raise NotFound(sought=job_id)
    return row


MUTATIONS: tuple[Mutation, ...] = (
    Mutation(
        "cancelJob",
        {"jobId": "ID", "reason": "str"},
        {"job": "Job"},
        _cancel_job,
        mso_only=True,
        reason="reason",
        help="Withdraw a job that waits, or ask a running one to stop: it is CANCELLED once it "
        "has. A CONFLICT if it is over. The reason is audited, so it names no patient.",
    ),
    Mutation(
        "retryJob",
        {"jobId": "ID", "reason": "str"},
        {"job": "Job"},
        _retry_job,
        mso_only=True,
        reason="reason",
        help="Run a DEAD job again under its id; a CONFLICT for one in another state. The reason "
        "is audited, so it names no patient.",
    ),
)
