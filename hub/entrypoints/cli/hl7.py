"""`mso-hub hl7`: what the hub reads in files of HL7 v2 messages, and taking them in."""

from __future__ import annotations

from dataclasses import asdict, is_dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from connectors.ehr_hl7v2.config import Config
from connectors.sdk.hl7v2.batches import split_messages
from hub.entrypoints.cli import common
from hub.entrypoints.hl7_described import describe, dialect_of
from hub.entrypoints.hl7_files import FileReport, files_in, load_file
from hub.entrypoints.hl7_route_table import load_routes
from hub.entrypoints.hl7_routes import Hl7Connection
from hub.entrypoints.hub import Hub
from hub.services import connections, operators

app = typer.Typer(help="Read HL7 v2 files and take them in.", no_args_is_help=True)


@app.callback()
def hl7() -> None:
    """Read HL7 v2 files and take them in."""


@app.command()
def show(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="HL7 v2 file")
    ],
    zone: Annotated[str | None, typer.Option(help="IANA zone of times without offset")] = None,
    connection: Annotated[
        str | None, typer.Option(help="Read by the dialect of this connection, name or id")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
) -> None:
    """Show the messages of a file (framed, bare or in a batch) as the hub reads them."""
    config = named_dialect(connection) if connection is not None else Config()
    try:
        config = Config.model_validate({**config.model_dump(), **({"zone": zone} if zone else {})})
    except ValueError as error:
        raise typer.BadParameter(
            "must be an IANA zone such as America/Chicago.", param_hint="--zone"
        ) from error
    contents = split_messages(file.read_bytes()) or [b""]  # an empty file is a fault, not nothing
    messages = [describe(content, config) for content in contents]
    if as_json:
        typer.echo(orjson.dumps({"messages": messages}, default=_plain).decode())
        return
    for message in messages:
        _print(message)


@app.command()
def load(
    path: Annotated[Path, typer.Argument(exists=True, readable=True, help="File or folder")],
    connection: Annotated[
        str, typer.Option(help="Name or id of the connection the messages come over.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
) -> None:
    """Take messages in from files (framed, bare or in batches) as if they had been sent. Audited.

    Each message is stored once: after an interruption give the same command again. Exits 1 if a
    message was refused.
    """
    reports = []
    with common.opened() as hub:
        wanted = _receiving(hub, connection)
        for file in files_in(path):
            reports.append(load_file(hub, wanted, file))
            if not as_json:
                _print_report(reports[-1])
        if reports:
            _record(hub, sum(report.stored for report in reports))
    if as_json:
        common.print_json({"files": [asdict(report) for report in reports]})
    elif not reports:
        typer.echo("There is no file to load.")
    if not reports or any(report.refused for report in reports):
        raise typer.Exit(1)


def _receiving(hub: Hub, name: str) -> Hl7Connection:
    with hub.database.read(common.SCOPE) as session:
        row = connections.named(session, name)
        dialect_of(row)
    return next(one for one in load_routes(hub.database).connections if one.connection_id == row.id)


def _record(hub: Hub, count: int) -> None:
    hub.database.transaction(
        common.SCOPE,
        lambda session: operators.record(
            session,
            common.operator(),
            action="write",
            operation="hl7 load",
            entity="InboundMessage",
            count=count,
            now=hub.now(),
        ),
    )


def _print_report(report: FileReport) -> None:
    counts = f"{report.stored} stored, {report.known} known, {len(report.refused)} refused"
    typer.echo(f"{report.name}  {counts}")
    for sentence in report.refused:
        typer.secho(f"  {sentence}", fg="yellow")


def named_dialect(name: str) -> Config:
    """The dialect of a stored connection."""
    with common.opened() as hub, hub.database.read(common.SCOPE) as session:
        return dialect_of(connections.named(session, name))


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(type(value).__name__)


def _print(message: dict[str, Any]) -> None:
    head = f"{message['type'] or 'unreadable'}  {message['control_id']}  {message['version']}"
    typer.secho(f"{head}  {message['charset']}".rstrip(), bold=True)
    typer.echo(f"  segments  {' '.join(message['segments'])}")
    for record in message["records"]:
        typer.echo(f"  {record['record']}  {record['external_id']}  {record['occurred_at'] or ''}")
        for name, value in record["data"].items():
            if value not in (None, "", ()):
                typer.echo(f"    {name}: {_short(value)}")
        if record["cleared"]:
            typer.echo(f"    cleared: {' '.join(record['cleared'])}")
    for issue in message["issues"]:
        typer.secho(f"  {issue['code']}  {issue['path']}  {issue['text']}", fg="yellow")


def _short(value: object) -> str:
    if isinstance(value, dict):
        return " ".join(_short(part) for part in value.values() if part not in (None, "", ()))
    if isinstance(value, list | tuple):
        return "; ".join(_short(part) for part in value)
    if isinstance(value, date):
        return value.isoformat()
    return str(asdict(value) if is_dataclass(value) and not isinstance(value, type) else value)
