"""`mso-hub connection`: the vendors and senders this hub is connected to."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from connectors import registry
from connectors.sdk.base import CheckReport
from hub.entrypoints.cli import common, connection_compare, connection_versions
from hub.entrypoints.cli.common import SCOPE, AsJson, Limit, Reason
from hub.entrypoints.cli.connection_file import pairs, read_file, read_secrets
from hub.entrypoints.cli.connection_samples import check_samples
from hub.entrypoints.cli.probes import tell_probes
from hub.entrypoints.connection_settings import checked
from hub.entrypoints.hub import Hub
from hub.services import connections, operators, sync
from hub.storage import outbox
from hub.storage.session import ScopedSession
from jobs.calling import opened

app = typer.Typer(no_args_is_help=True, help="Connections to vendors and senders.")
app.command()(connection_versions.show)
app.command()(connection_versions.change)
app.command()(connection_versions.history)

Name = Annotated[str, typer.Argument(help="The connection's name or id.")]
CHECK_SECONDS = 60.0
_LISTED = (
    "id", "name", "connector_id", "practice_id", "status", "status_reason", "retry_at", "paused",
)  # fmt: skip
_COLUMNS = {
    "name": "name", "connector": "connector_id", "state": "state", "reason": "status_reason",
    "waiting": "waiting", "since": "waiting_since", "parked": "parked",
}  # fmt: skip


@app.command("list")
def list_connections(as_json: AsJson = False) -> None:
    """List connections with their state and how many messages wait to be read or sent."""
    with common.opened() as hub, hub.database.read(SCOPE) as session:
        unread, unsent = connections.waiting(session), outbox.waiting(session)
        rows = []
        for row in connections.find(session):
            count, since = unread.get(row.id, (0, None))
            queued, parked, oldest = unsent.get(row.id, (0, 0, None))
            state = "paused" if row.paused else row.status
            work = {"waiting": count + queued, "waiting_since": common.plain(since or oldest)}
            rows.append(
                {**common.fields_of(row, *_LISTED), "state": state, **work, "parked": parked}
            )
    if as_json:
        common.print_json({"connections": rows})
    else:
        common.print_rows(rows, _COLUMNS)


@app.command()
def add(
    connector: Annotated[str, typer.Option(help="A connector's id, as `connector list` shows it.")],
    name: Annotated[str, typer.Option(help="A name of your own for the connection.")],
    config: Annotated[
        Path, typer.Option(exists=True, dir_okay=False, help="Settings, a TOML or JSON file.")
    ],
    practice: Annotated[
        list[str] | None,
        typer.Option(
            help="CODE=PRACTICE: what the other side calls a practice, beside those that the file"
            " has under `practices`; repeat."
        ),
    ] = None,
    secret: Annotated[
        list[str] | None,
        typer.Option(help="NAME=env:VARIABLE, or NAME=- to be asked (stdin); repeat."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Add a connection; prints its webhook's address once, if it has one."""
    manifest = registry.get(connector)
    settings, routing, named = read_file(config)
    practices = {**(named or {}), **pairs(practice or (), "--practice")}
    values = read_secrets(pairs(secret or (), "--secret"))
    connection_id = str(uuid.uuid4())
    taken = checked(connector, settings, routing, values, connection_id)
    token = secrets.token_urlsafe(32) if manifest.webhook is not None else None

    def work(session: ScopedSession) -> None:
        connections.create(
            session,
            hub.crypto,
            name=name,
            connector_id=connector,
            config=taken.config,
            now=hub.now(),
            connection_id=connection_id,
            practices=practices,
            routing=taken.routing,
            secrets=values,
            endpoint_token=token,
        )
        _record(hub, session, "connection add")

    with common.opened() as hub:
        hub.database.transaction(SCOPE, work)
        endpoint = f"{_public_url(hub)}/webhooks/{connector}/{token}" if token else ""
    if as_json:
        common.print_json({"id": connection_id, "name": name, "endpoint": endpoint or None})
        return
    typer.echo(f"Added {name} ({connection_id}).")
    if endpoint:
        typer.echo(f"Its webhook's address is not shown again:\n{endpoint}")


@app.command()
def check(
    name: Annotated[
        str,
        typer.Argument(help="The connection's name or id; with --samples also a settings file."),
    ],
    samples: Annotated[
        Path | None,
        typer.Option(exists=True, help="A folder of HL7 v2 messages: report on them, ask nobody."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Ask the other side with safe requests only; exit 1 if a probe fails. With --samples, tell
    what the messages of a folder hold and what would become of them; exit 1 unless all would be
    read."""
    if samples is not None:
        check_samples(name, samples, as_json=as_json)
        return
    with common.opened() as hub:
        report = _check(hub, name)
    tell_probes(name, report, as_json=as_json)


@app.command()
def compare(
    name: Name,
    settings: Annotated[
        Path, typer.Option(exists=True, dir_okay=False, help="Other settings, TOML or JSON.")
    ],
    reason: Reason,
    limit: Limit = 500,
    as_json: AsJson = False,
) -> None:
    """Read a connection's newest HL7 v2 messages by its settings and by other ones, and count what
    differs, by field; no value is shown and nothing is changed. Audited."""
    with common.opened() as hub:
        found = connection_compare.compare(hub, name, settings, limit=limit, reason=reason)
    if as_json:
        common.print_json(connection_compare.as_values(found))
    else:
        for line in connection_compare.lines(found):
            typer.echo(line)


@app.command("sync")
def sync_connection(name: Name, as_json: AsJson = False) -> None:
    """Add the job that reads everything new from a vendor; a second request joins the first."""
    with common.opened() as hub:
        now = hub.now()

        def work(session: ScopedSession) -> int:
            row = connections.named(session, name)
            job_id = sync.request_sync(
                session, connection_id=row.id, sources=registry.sources(), now=now
            )
            _record(hub, session, "connection sync")
            return job_id

        job_id = hub.database.transaction(SCOPE, work)
    if as_json:
        common.print_json({"job": job_id})
    else:
        typer.echo(f"Job {job_id} reads {name} when a worker is free.")


@app.command()
def pause(name: Name, as_json: AsJson = False) -> None:
    """Hold a connection: what arrives is stored and acknowledged, and waits. Audited."""

    def work(session: ScopedSession) -> bool:
        return connections.pause(session, connections.named(session, name).id)

    with common.opened() as hub:
        changed = _change(hub, "connection pause", work)
    _told("paused", name, changed, f"{name} is paused.", as_json)


@app.command()
def resume(name: Name, as_json: AsJson = False) -> None:
    """Go on with a paused connection; what waited is read in the order it came. Audited."""
    with common.opened() as hub:
        now = hub.now()

        def work(session: ScopedSession) -> bool:
            row = connections.named(session, name)
            return connections.resume(session, row.id, now=now)

        changed = _change(hub, "connection resume", work)
    _told("resumed", name, changed, f"{name} goes on.", as_json)


def _check(hub: Hub, name: str) -> CheckReport:
    with hub.database.read(SCOPE) as session:
        row = connections.named(session, name)
    with opened(hub.job_context(), row, CHECK_SECONDS, lambda: False) as (connector, ctx):
        report = connector.check(ctx)
    if report.ok:
        hub.database.transaction(SCOPE, lambda session: connections.note_success(session, row.id))
    return report


def _change(hub: Hub, operation: str, work: Callable[[ScopedSession], bool]) -> bool:
    """Run `work` and record it in one transaction; True if it changed anything."""

    def both(session: ScopedSession) -> bool:
        changed: bool = work(session)
        _record(hub, session, operation)
        return changed

    return hub.database.transaction(SCOPE, both)


def _record(hub: Hub, session: ScopedSession, operation: str) -> None:
    operators.record(
        session,
        common.operator(),
        action="execute",
        operation=operation,
        entity="Connection",
        count=1,
        now=hub.now(),
    )


def _told(done: str, name: str, changed: bool, sentence: str, as_json: bool) -> None:
    if as_json:
        common.print_json({done: name, "changed": changed})
    else:
        typer.echo(sentence)


def _public_url(hub: Hub) -> str:
    stated = hub.settings.public_url.rstrip("/")
    return stated or f"http://{hub.settings.http_host}:{hub.settings.http_port}"
