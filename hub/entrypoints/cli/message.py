"""`mso-hub message`: what arrived, how reading it ended, and reading it again."""

from __future__ import annotations

import getpass
import sys
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

import orjson
import typer

from hub.entrypoints.cli import common, message_copies
from hub.entrypoints.cli.common import SCOPE, AsJson, Limit, Reason
from hub.entrypoints.hl7_described import describe, dialect_of
from hub.entrypoints.hub import Hub
from hub.services import connections, issues, messages
from hub.services.messages import Listed, Shown, Wanted
from hub.storage.session import ScopedSession

app = typer.Typer(no_args_is_help=True, help="Messages that arrived.")
app.command()(message_copies.edit)
app.command()(message_copies.forward)

_LISTED = (
    "id", "received_at", "kind", "message_type", "control_id", "state", "fault_code", "fault_path",
    "fault_text", "issue_count", "duplicates", "size",
)  # fmt: skip
_COLUMNS = {
    "id": "id", "received": "received_at", "kind": "kind", "type": "message_type",
    "connection": "connection", "practice": "practice", "state": "state", "fault": "fault_text",
}  # fmt: skip


State = Annotated[str | None, typer.Option(help=f"{', '.join(messages.STATES)}.")]
Kind = Annotated[str | None, typer.Option(help=f"{', '.join(messages.KINDS)}.")]
Named = Annotated[str | None, typer.Option(help="Name or id of a connection.")]
Type = Annotated[str | None, typer.Option("--type", help="As the sender wrote it, like ADT^A01.")]
ControlId = Annotated[str | None, typer.Option(help="MSH-10 as sent.")]
Fault = Annotated[str | None, typer.Option(help="Code of the fault, like hl7_101.")]
Moment = Annotated[
    str | None, typer.Option(help="An age like 24h, or a time like 2026-03-01T08:00Z.")
]
Patient = Annotated[
    str | None,
    typer.Option(help="A record number as sent or a patient's id; - asks for it (stdin)."),
]


@app.command("list")
def list_messages(
    state: State = None,
    kind: Kind = None,
    connection: Named = None,
    message_type: Type = None,
    control_id: ControlId = None,
    fault: Fault = None,
    since: Moment = None,
    until: Moment = None,
    patient: Patient = None,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """List messages, newest first, without their content. Looking for a patient is audited."""
    with common.opened() as hub:
        who, now = common.operator(), hub.now()
        wanted = _wanted(
            now, state, kind, connection, message_type, control_id, fault, since, until, patient
        )

        def work(session: ScopedSession) -> list[dict[str, Any]]:
            found = messages.find(session, hub.crypto, wanted, limit=limit)
            messages.note_search(
                session, who, wanted, len(found), operation="message list", now=now
            )
            return [_row(listed) for listed in found]

        if wanted.patient is not None:
            rows = hub.database.transaction(SCOPE, work)
        else:
            with hub.database.read(SCOPE) as session:
                rows = work(session)
    if as_json:
        common.print_json({"messages": rows})
    else:
        common.print_rows(rows, _COLUMNS)


@app.command("issues")
def list_issues(
    since: Annotated[
        str, typer.Option(help="An age like 7d, or a time like 2026-03-01T08:00Z.")
    ] = "7d",
    connection: Named = None,
    as_json: AsJson = False,
) -> None:
    """Count what went wrong with messages: by day, connection and code."""
    with common.opened() as hub, hub.database.read(SCOPE) as session:
        moment = common.moment(since, hub.now(), "--since") or hub.now()
        found = [asdict(one) for one in issues.counts(session, since=moment, connection=connection)]
    if as_json:
        common.print_json({"counts": found})
    else:
        names = ("day", "connection", "kind", "code", "count")
        common.print_rows(found, {name: name for name in names})


@app.command()
def show(
    id: Annotated[str, typer.Argument(help="The message's id, as `list` shows it.")],
    raw: Annotated[
        bool, typer.Option("--raw", help="Write the bytes as received to stdout; audited.")
    ] = False,
    content: Annotated[
        bool,
        typer.Option("--content", help="Show segments beside what is read in them; audited."),
    ] = False,
    reason: Annotated[
        str | None, typer.Option(help="Why content is needed, for the audit trail.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show one message: headers, state, fault, issues and jobs; its content only with --raw or
    --content."""
    if (raw or content) and reason is None:
        option = "--raw" if raw else "--content"
        raise typer.BadParameter(f"is required with {option}.", param_hint="--reason")
    if raw and as_json:
        raise typer.BadParameter("writes bytes; take --content for JSON.", param_hint="--raw")
    with common.opened() as hub:
        if raw:
            _write_raw(hub, id, str(reason))
            return
        with hub.database.read(SCOPE) as session:
            shown = messages.show(session, id)
        facts = _facts(shown)
        if content:
            facts |= _content(hub, shown, str(reason))
    if as_json:
        common.print_json(facts)
    else:
        common.print_facts(facts)


@app.command()
def replay(
    reason: Reason,
    ids: Annotated[
        list[str] | None, typer.Argument(help="Ids of messages, as `list` shows them.")
    ] = None,
    state: State = None,
    kind: Kind = None,
    connection: Named = None,
    message_type: Type = None,
    control_id: ControlId = None,
    fault: Fault = None,
    since: Moment = None,
    until: Moment = None,
    patient: Patient = None,
    limit: Limit = 1000,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only count what would be read again.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Read stored messages again in the order they came: those named, or those that the options
    find. HL7 v2 that was refused at the door is judged again by the settings of now. Audited."""
    with common.opened() as hub:
        who, now = common.operator(), hub.now()
        wanted = _wanted(
            now, state, kind, connection, message_type, control_id, fault, since, until, patient
        )
        if bool(ids) == (wanted != Wanted()):
            raise typer.BadParameter("name ids, or say by options which messages.")

        def work(session: ScopedSession) -> tuple[int, int]:
            if ids:
                count = messages.replay(session, ids, operator=who, reason=reason, now=now)
                return len(ids), count
            return messages.replay_found(
                session,
                hub.crypto,
                wanted,
                limit=limit,
                dry_run=dry_run,
                operator=who,
                reason=reason,
                now=now,
            )

        if ids and dry_run:
            raise typer.BadParameter("is for messages found by options.", param_hint="--dry-run")
        named, count = hub.database.transaction(SCOPE, work)
    if as_json:
        common.print_json({"named": named, "would_replay" if dry_run else "replayed": count})
    else:
        verb = "would be" if dry_run else "will be"
        typer.echo(f"{count} of {named} messages {verb} read again.")


def _wanted(
    now: datetime,
    state: str | None,
    kind: str | None,
    connection: str | None,
    message_type: str | None,
    control_id: str | None,
    fault_code: str | None,
    since: str | None,
    until: str | None,
    patient: str | None,
) -> Wanted:
    common.one_of(state, messages.STATES, "--state")
    common.one_of(kind, messages.KINDS, "--kind")
    if patient == "-":  # an argument stays in the shell's history and the list of processes
        asked = sys.stdin.isatty()
        patient = getpass.getpass("patient: ") if asked else sys.stdin.readline().rstrip("\r\n")
    if patient == "":
        raise typer.BadParameter("needs a record number or an id.", param_hint="--patient")
    return Wanted(
        state=state,
        kind=kind,
        connection=connection,
        message_type=message_type,
        control_id=control_id,
        fault_code=fault_code,
        since=common.moment(since, now, "--since"),
        until=common.moment(until, now, "--until"),
        patient=patient,
    )


def _read_raw(hub: Hub, inbox_id: str, reason: str) -> bytes:
    """The bytes as received; leaves an audit event."""
    who, now = common.operator(), hub.now()
    return hub.database.transaction(
        SCOPE,
        lambda session: messages.read_raw(
            session, hub.crypto, inbox_id, operator=who, reason=reason, now=now
        ),
    )


def _write_raw(hub: Hub, inbox_id: str, reason: str) -> None:
    content = _read_raw(hub, inbox_id, reason)
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


def _content(hub: Hub, shown: Shown, reason: str) -> dict[str, Any]:
    """The segments of an HL7 message and the records its connection's dialect finds in them now;
    any other content as text."""
    message = shown.listed.message
    raw = _read_raw(hub, message.id, reason)
    lines = raw.decode("utf-8", "replace").replace("\n", "\r").strip("\r").split("\r")
    if message.kind != "hl7v2" or message.connection_id is None:
        return {"raw": lines}
    with hub.database.read(SCOPE) as session:
        connection = connections.named(session, message.connection_id)
    described = describe(raw, dialect_of(connection), message.headers)
    plain = orjson.loads(orjson.dumps(described, default=str))
    return {"raw": lines, "records": plain["records"], "issues_now": plain["issues"]}


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
