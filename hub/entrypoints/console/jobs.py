"""Jobs: what is queued, what was given up and why, trying again and stopping."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from hub.domain.jobs import JobState
from hub.entrypoints.console.asking import Desk
from hub.entrypoints.console.rendering import see_other
from hub.entrypoints.console.views import PAGE, cursor_of, done_of, view
from hub.errors import NotFound, Rejected

STATES = tuple(state.value.upper() for state in JobState)
_JOB = "id kind queue state attempt maxAttempts runAt errorCode errorText createdAt doneAt"
_LIST = f"""query console_jobs($first: Int!, $after: String, $where: JobFilter) {{
  jobs(first: $first, after: $after, where: $where) {{
    pageInfo {{ hasNextPage endCursor }} nodes {{ {_JOB} practice {{ name }} }} }} }}"""
_ONE = f"""query console_job($id: ID!) {{ node(id: $id) {{ ... on Job {{
  {_JOB} progress practice {{ name }} }} }} }}"""
_ACTIONS = {"retry": ("retryJob", "retried"), "cancel": ("cancelJob", "cancelled")}
"""Word in the address → mutation, word of what was done."""


async def jobs(desk: Desk, request: Request) -> Response:
    """The list, newest first."""
    given = {name: request.query_params.get(name, "") for name in ("state", "kind")}
    if given["state"] and given["state"] not in STATES:
        raise Rejected(f"A job is {', '.join(STATES)}.")
    where = {name: {"eq": value} for name, value in given.items() if value}
    asked = {"first": PAGE, "after": cursor_of(request), "where": where or None}
    found = (await desk.ask(_LIST, **asked))["jobs"]
    page_info, nodes = found["pageInfo"], found["nodes"]
    return view(desk, "jobs", given=given, states=STATES, page_info=page_info, nodes=nodes)


async def job(desk: Desk, request: Request) -> Response:
    """One of them."""
    row = await desk.node(_ONE, request.path_params["id"])
    may_retry = desk.may("retryJob") and row["state"] == "DEAD"
    may_cancel = desk.may("cancelJob") and row["state"] in ("READY", "RUNNING")
    done = done_of(request)
    return view(desk, "job", row=row, may_retry=may_retry, may_cancel=may_cancel, done=done)


async def act_on_job(desk: Desk, request: Request, fields: Mapping[str, str]) -> Response:
    """Run it again, or stop it."""
    row_id, action = request.path_params["id"], request.path_params["action"]
    if action not in _ACTIONS:
        raise NotFound
    mutation, done = _ACTIONS[action]
    stated = {"reason": fields.get("reason", ""), "idempotencyKey": fields.get("key") or None}
    await desk.change(mutation, "job { id }", jobId=row_id, **stated)
    return see_other(f"/console/jobs/{row_id}", done=done)
