"""`mso-hub message`: what arrived, how reading it ended, and reading it again."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from hub.entrypoints.cli import common
from hub.entrypoints.cli.common import SCOPE, AsJson, Limit, Reason
from hub.services import messages
from hub.services.messages import Listed, Shown

app = typer.Typer(no_args_is_help=True, help="Messages that arrived.")

_LISTED = (
    "id", "received_at", "kind", "message_type", "control_id", "state", "fault_code", "fault_path",
    "fault_text", "issue_count", "duplicates", "size",
)  # fmt: skip
_COLUMNS = {
    "id": "id", "received": "received_at", "kind": "kind", "type": "message_type",
    "connection": "connection", "practice": "practice", "state": "state", "fault": "fault_text",
}  # fmt: skip


@app.command("list")
def list_messages(
    state: Annotated[str | None, typer.Option(help=f"{', '.join(messages.STATES)}.")] = None,
    kind: Annotated[str | None, typer.Option(help=f"{', '.join(messages.KINDS)}.")] = None,
    connection: Annotated[str | None, typer.Option(help="Name or id of a connection.")] = None,
    message_type: Annotated[
        str | None, typer.Option("--type", help="As the sender wrote it, like ADT^A01.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="An age like 24h, or a time like 2026-03-01T08:00Z.")
    ] = None,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """List messages, newest first, without their content."""
    common.one_of(state, messages.STATES, "--state")
    common.one_of(kind, messages.KINDS, "--kind")
    with common.opened() as hub, hub.database.read(SCOPE) as session:
        found = messages.find(
            session,
            state=state,
            kind=kind,
            connection=connection,
            message_type=message_type,
            since=common.moment(since, hub.now(), "--since"),
            limit=limit,
        )
        rows = [_row(listed) for listed in found]
    if as_json:
        common.print_json({"messages": rows})
    else:
        common.print_rows(rows, _COLUMNS)


@app.command()
def show(
    id: Annotated[str, typer.Argument(help="The message's id, as `list` shows it.")],
    raw: Annotated[
        bool, typer.Option("--raw", help="Write the bytes as received to stdout; audited.")
    ] = False,
    reason: Annotated[
        str | None, typer.Option(help="Why --raw is needed, for the audit trail.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show one message: headers, state, fault, issues and jobs; its content only with --raw."""
    if raw:
        _write_raw(id, reason)
        return
    with common.opened() as hub, hub.database.read(SCOPE) as session:
        facts = _facts(messages.show(session, id))
    if as_json:
        common.print_json(facts)
    else:
        common.print_facts(facts)


@app.command()
def replay(
    ids: Annotated[list[str], typer.Argument(help="Ids of messages, as `list` shows them.")],
    reason: Reason,
    as_json: AsJson = False,
) -> None:
    """Read stored messages again; what was refused at the door stays refused. Audited."""
    with common.opened() as hub:
        who, now = common.operator(), hub.now()
        count = hub.database.transaction(
            SCOPE,
            lambda session: messages.replay(session, ids, operator=who, reason=reason, now=now),
        )
    if as_json:
        common.print_json({"named": len(ids), "replayed": count})
    else:
        typer.echo(f"{count} of {len(ids)} messages will be read again.")


def _write_raw(inbox_id: str, reason: str | None) -> None:
    if reason is None:
        raise typer.BadParameter("is required with --raw.", param_hint="--reason")
    with common.opened() as hub:
        who, now = common.operator(), hub.now()
        content = hub.database.transaction(
            SCOPE,
            lambda session: messages.read_raw(
                session, hub.crypto, inbox_id, operator=who, reason=reason, now=now
            ),
        )
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


def _row(listed: Listed) -> dict[str, Any]:
    return {
        **common.fields_of(listed.message, *_LISTED),
        "connection": listed.connection,
        "practice": listed.practice,
    }


def _facts(shown: Shown) -> dict[str, Any]:
    message = shown.listed.message
    return {
        **_row(shown.listed),
        **common.fields_of(message, "source", "content_type", "processed_at", "headers"),
        "issues": [common.fields_of(issue, "code", "path", "text") for issue in shown.issues],
        "jobs": [
            common.fields_of(
                job, "id", "kind", "state", "attempt", "max_attempts", "run_at", "done_at",
                "error_code", "error_text",
            )
            for job in shown.jobs
        ],
    }  # fmt: skip
