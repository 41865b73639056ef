"""`mso-hub outbound`: messages to other systems, what those answered, and sending again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from connectors.sdk.hl7v2.batches import split_messages
from connectors.sdk.hl7v2.header import read_header
from hub.entrypoints.cli import common
from hub.entrypoints.cli.common import SCOPE, AsJson, Limit, Reason
from hub.errors import Rejected
from hub.services import appointment_notices, operators, order_notices, outbound
from hub.services.outbound import Content, Listed
from hub.storage.session import ScopedSession

app = typer.Typer(no_args_is_help=True, help="Messages to other systems.")

_LISTED = (
    "id", "queued_at", "message_type", "control_id", "state", "attempts", "answer_code",
    "fault_code", "fault_path", "fault_text", "size", "answered_at", "inbox_id",
)  # fmt: skip
_COLUMNS = {
    "id": "id", "queued": "queued_at", "type": "message_type", "control id": "control_id",
    "destination": "destination", "state": "state", "sent": "attempts", "answer": "answer_code",
    "fault": "fault_text",
}  # fmt: skip

Destination = Annotated[str, typer.Option("--to", help="Name or id of the destination.")]
FirstTime = Annotated[
    bool, typer.Option("--new", help="The destination hears of it for the first time.")
]


@app.command("list")
def list_messages(
    state: Annotated[str | None, typer.Option(help=f"{', '.join(outbound.STATES)}.")] = None,
    to: Annotated[str | None, typer.Option("--to", help="Name or id of a destination.")] = None,
    message_type: Annotated[str | None, typer.Option("--type", help="Like SIU^S12.")] = None,
    control_id: Annotated[str | None, typer.Option(help="MSH-10 as sent.")] = None,
    since: Annotated[
        str | None, typer.Option(help="An age like 24h, or a time like 2026-03-01T08:00Z.")
    ] = None,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """List messages, newest first, without their content."""
    common.one_of(state, outbound.STATES, "--state")
    with common.opened() as hub, hub.database.read(SCOPE) as session:
        found = outbound.find(
            session,
            state=state,
            connection=to,
            message_type=message_type,
            control_id=control_id,
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
        bool, typer.Option("--raw", help="Show the bytes as sent and the last answer; audited.")
    ] = False,
    reason: Annotated[
        str | None, typer.Option(help="Why --raw is needed, for the audit trail.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show one message: state, answer, fault and jobs; its content only with --raw."""
    if raw and reason is None:
        raise typer.BadParameter("is required with --raw.", param_hint="--reason")
    with common.opened() as hub:
        with hub.database.read(SCOPE) as session:
            listed, jobs = outbound.show(session, id)
        facts = {**_row(listed), "jobs": [_job(job) for job in jobs]}
        if raw:
            who, now = common.operator(), hub.now()
            sent, answer = hub.database.transaction(
                SCOPE,
                lambda session: outbound.read_raw(
                    session, hub.crypto, id, operator=who, reason=str(reason), now=now
                ),
            )
            facts |= {"raw": _lines(sent), "answer": _lines(answer)}
    if as_json:
        common.print_json(facts)
    else:
        common.print_facts(facts)


@app.command()
def add(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="HL7 v2 file, or a batch.")
    ],
    to: Destination,
    as_json: AsJson = False,
) -> None:
    """Queue the messages of a file for a destination, as they are. Audited."""
    contents = [_content(content) for content in split_messages(file.read_bytes())]
    with common.opened() as hub:
        now = hub.now()

        def work(session: ScopedSession) -> list[str]:
            row = outbound.destination(session, to)
            ids = outbound.add(
                session, hub.crypto, connection_id=row.id, messages=contents, now=now
            )
            _record(session, "outbound add", len(ids), "", now)
            return ids

        ids = hub.database.transaction(SCOPE, work)
    if as_json:
        common.print_json({"messages": ids})
    else:
        typer.echo(f"{len(ids)} messages are queued for {to}.")


@app.command()
def appointment(
    id: Annotated[str, typer.Argument(help="The appointment's id here.")],
    to: Destination,
    new: FirstTime = False,
    as_json: AsJson = False,
) -> None:
    """Tell a destination of an appointment as it stands now (SIU). Audited."""
    _tell("appointment", appointment_notices.request, id, to, is_new=new, as_json=as_json)


@app.command()
def order(
    id: Annotated[str, typer.Argument(help="The clinical order's id here.")],
    to: Destination,
    new: FirstTime = False,
    as_json: AsJson = False,
) -> None:
    """Tell a destination of a clinical order as it stands now (OML). Audited."""
    _tell("order", order_notices.request, id, to, is_new=new, as_json=as_json)


def _tell(
    command: str,
    request: Callable[..., int],
    subject_id: str,
    to: str,
    *,
    is_new: bool,
    as_json: bool,
) -> None:
    with common.opened() as hub:
        now = hub.now()

        def work(session: ScopedSession) -> int:
            job_id = request(session, subject_id, destination=to, is_new=is_new, now=now)
            _record(session, f"outbound {command}", 1, "", now)
            return job_id

        job_id = hub.database.transaction(SCOPE, work)
    if as_json:
        common.print_json({"job": job_id})
    else:
        typer.echo(f"Job {job_id} writes the message when a worker is free.")


@app.command()
def resend(
    ids: Annotated[list[str], typer.Argument(help="Ids of parked messages.")],
    reason: Reason,
    as_json: AsJson = False,
) -> None:
    """Send parked messages again: the same bytes, before whatever was queued later. Audited."""
    with common.opened() as hub:
        stated, now = operators.stated_reason(reason), hub.now()

        def work(session: ScopedSession) -> int:
            count = outbound.resend(session, ids, now=now)
            _record(session, "outbound resend", count, stated, now)
            return count

        count = hub.database.transaction(SCOPE, work)
    if as_json:
        common.print_json({"queued": count})
    else:
        typer.echo(f"{count} messages will be sent again.")


def _record(session: ScopedSession, operation: str, count: int, reason: str, now: Any) -> None:
    operators.record(
        session,
        common.operator(),
        action="execute",
        operation=operation,
        entity="OutboundMessage",
        count=count,
        reason=reason,
        now=now,
    )


def _content(raw: bytes) -> Content:
    header = read_header(raw)
    if header is None or header.delimiters is None:
        raise Rejected("The file holds something that does not begin with MSH.", path="MSH")
    return Content(raw, header.message_type, header.control_id)


def _row(listed: Listed) -> dict[str, Any]:
    return {
        **common.fields_of(listed.message, *_LISTED),
        "destination": listed.destination,
    }


def _job(job: object) -> dict[str, Any]:
    return common.fields_of(
        job, "id", "state", "attempt", "max_attempts", "run_at", "error_code", "error_text"
    )


def _lines(content: bytes) -> Sequence[str]:
    return content.decode("utf-8", "replace").replace("\n", "\r").strip("\r").split("\r")
