"""`mso-hub job`: what is queued, what failed, and trying or stopping it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from hub.domain.jobs import Job, JobState
from hub.entrypoints.cli import common
from hub.entrypoints.cli.common import SCOPE, AsJson, Limit, Reason
from hub.services import jobs
from hub.storage.tables import JobRow

app = typer.Typer(no_args_is_help=True, help="Jobs of the queue.")

Id = Annotated[int, typer.Argument(min=1, max=2**63 - 1, help="The job's id, as `list` shows it.")]
_STATES = [state.value for state in JobState]
_KINDS = [job.value for job in Job]
_LISTED = (
    "id", "kind", "state", "attempt", "max_attempts", "created_at", "run_at", "done_at",
    "error_code", "error_text",
)  # fmt: skip
_COLUMNS = {
    "id": "id", "kind": "kind", "state": "state", "attempt": "attempt", "due": "run_at",
    "error": "error_code", "text": "error_text",
}  # fmt: skip


@app.command("list")
def list_jobs(
    state: Annotated[str | None, typer.Option(help=f"{', '.join(_STATES)}.")] = None,
    kind: Annotated[str | None, typer.Option(help="Like ingest.process_message.")] = None,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """List jobs, newest first."""
    common.one_of(state, _STATES, "--state")
    common.one_of(kind, _KINDS, "--kind")
    with common.opened() as hub, hub.database.read(SCOPE) as session:
        found = jobs.find(session, state=state, kind=kind, limit=limit)
        rows = [common.fields_of(row, *_LISTED) for row in found]
    if as_json:
        common.print_json({"jobs": rows})
    else:
        common.print_rows(rows, _COLUMNS)


@app.command()
def show(id: Id, as_json: AsJson = False) -> None:
    """Show one job: its ids, state, attempts, lease and last error."""
    with common.opened() as hub, hub.database.read(SCOPE) as session:
        facts = _facts(jobs.show(session, id))
    if as_json:
        common.print_json(facts)
    else:
        common.print_facts(facts)


@app.command()
def retry(id: Id, reason: Reason, as_json: AsJson = False) -> None:
    """Run a dead job again under its id. Audited."""
    with common.opened() as hub:
        who, now = common.operator(), hub.now()
        hub.database.transaction(
            SCOPE, lambda session: jobs.retry(session, id, operator=who, reason=reason, now=now)
        )
    _told(id, "retried", f"Job {id} runs again.", as_json)


@app.command()
def cancel(
    id: Id,
    reason: Annotated[str, typer.Option(help="Why, for the audit trail.")] = "",
    as_json: AsJson = False,
) -> None:
    """Withdraw a waiting job, or ask a running one to stop. Audited."""
    with common.opened() as hub:
        who, now = common.operator(), hub.now()
        hub.database.transaction(
            SCOPE, lambda session: jobs.cancel(session, id, operator=who, reason=reason, now=now)
        )
    _told(id, "cancelled", f"Job {id} is cancelled, or stops at its next check.", as_json)


def _told(id: int, done: str, sentence: str, as_json: bool) -> None:
    if as_json:
        common.print_json({done: id})
    else:
        typer.echo(sentence)


def _facts(row: JobRow) -> dict[str, Any]:
    return common.fields_of(
        row, *_LISTED, "practice_id", "priority", "lease_until", "args", "progress", "cancel_at"
    )
