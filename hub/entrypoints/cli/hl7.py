"""`mso-hub hl7`: what the hub reads in a file of HL7 v2 messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from connectors import registry
from connectors.ehr_hl7v2.config import Config
from connectors.ehr_hl7v2.connector import connector
from connectors.ehr_hl7v2.parse import message_type
from connectors.sdk.base import RawDocument
from connectors.sdk.hl7v2.batches import split_messages
from connectors.sdk.hl7v2.caps import Caps
from connectors.sdk.hl7v2.lexer import lex
from hub.domain.records import Issue
from hub.entrypoints.cli import common
from hub.errors import Rejected
from hub.services import connections
from hub.storage.tables import Connection

app = typer.Typer(help="Read HL7 v2 files.", no_args_is_help=True)

_FILE_CAPS = Caps(size=16 * 1024 * 1024)


@app.callback()
def hl7() -> None:
    """Read HL7 v2 files."""


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
        raise typer.BadParameter("must be an IANA zone such as America/Chicago") from error
    contents = split_messages(file.read_bytes()) or [b""]  # an empty file is a fault, not nothing
    messages = [describe(content, config) for content in contents]
    if as_json:
        typer.echo(orjson.dumps({"messages": messages}, default=_plain).decode())
        return
    for message in messages:
        _print(message)


def named_dialect(name: str) -> Config:
    """The dialect of a stored connection."""
    with common.opened() as hub, hub.database.read(common.SCOPE) as session:
        return dialect_of(connections.named(session, name))


def dialect_of(connection: Connection) -> Config:
    """How a connection's messages are read; Rejected for a connection that receives no HL7."""
    config = registry.validate_config(connection.connector_id, connection.config)
    if not isinstance(config, Config):
        raise Rejected(
            f'"{connection.name}" receives no HL7 v2; name a connection of ehr_hl7v2.',
            path="connection",
        )
    return config


def describe(
    content: bytes, config: Config, headers: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """One message as plain values: what was read, and what was wrong as issues; never raises.

    `headers` are those it was stored with, if it was.
    """
    shown: dict[str, Any] = {
        "type": "",
        "control_id": "",
        "version": "",
        "charset": "",
        "segments": [],
        "records": [],
        "issues": [],
    }
    try:
        message = lex(content, charset_fallback=config.charset_fallback, caps=_FILE_CAPS)
        shown["type"] = message_type(message)
        shown["control_id"] = message.raw("MSH-10") or ""
        shown["version"] = message.value("MSH-12") or ""
        shown["charset"] = message.codec
        shown["segments"] = [segment.id for segment in message]
        parsed = connector.parse(config, RawDocument(content, headers=headers or {}))
    except Rejected as error:
        shown["issues"] = [asdict(Issue(error.reason, error.path, str(error)))]
        return shown
    if parsed.ignored:
        shown["issues"] = [asdict(Issue("ignored", "MSH-9", parsed.ignored))]
    issues = [*parsed.issues, *(issue for record in parsed.records for issue in record.issues)]
    shown["issues"] += [asdict(issue) for issue in issues]
    shown["records"] = [
        {"record": type(record.data).__name__, **asdict(record)} for record in parsed.records
    ]
    return shown


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
