"""`mso-hub connector check` and `read`: a connector tried by itself, without a database.

Against the vendor with settings from a file, or against the connector's own simulator on loopback.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from connectors.registry import Registry
from connectors.sdk.base import Connector, Source, StreamSpec, Window
from connectors.sdk.ctx import Ctx
from connectors.sdk.http import Http
from connectors.sdk.kit.vendor import demo_connection, vendor_server
from hub import settings
from hub.domain.records import Cursor, Page, Record, RejectedRecord
from hub.entrypoints.cli.common import AsJson, Limit
from hub.entrypoints.cli.connection_file import read_file
from hub.entrypoints.cli.connector_found import From, found_in
from hub.entrypoints.cli.probes import tell_probes
from hub.errors import ConfigError, NotFound, NotSupported
from hub.services.connections import outside_secret

HIDDEN = "***"
CHECK_TIME = timedelta(minutes=1)
READ_TIME = timedelta(minutes=10)
_SIMULATED = "simulated"

Id = Annotated[str, typer.Argument(help="The connector's id, as `list` shows it.")]
ConfigFile = Annotated[
    Path | None,
    typer.Option(
        exists=True,
        dir_okay=False,
        help="Settings, a TOML or JSON file; secrets are env:NAME or file:PATH.",
    ),
]
Simulated = Annotated[
    bool, typer.Option("--simulated", help="Use the connector's own simulator, on loopback.")
]


def check(
    id: Id,
    config: ConfigFile = None,
    simulated: Simulated = False,
    folder: From = None,
    as_json: AsJson = False,
) -> None:
    """Ask the other side with safe requests only, without a database; exit 1 if a probe fails."""
    with _opened(found_in(folder, id), id, config, simulated, CHECK_TIME) as (connector, ctx):
        report = connector.check(ctx)
    tell_probes(id, report, as_json=as_json)


def read(
    id: Id,
    stream: Annotated[str, typer.Argument(help="A stream, as `docs` lists them.")],
    config: ConfigFile = None,
    simulated: Simulated = False,
    cursor: Annotated[
        str | None, typer.Option(help="Where to go on, as an earlier read printed it.")
    ] = None,
    limit: Limit = 20,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Show personal fields and rejected rows as they came.")
    ] = False,
    folder: From = None,
    as_json: AsJson = False,
) -> None:
    """Read a stream from a cursor and print what it means; nothing is stored. Ends after the page
    that reaches the limit; personal fields are shown as ***."""
    start = _cursor(cursor)
    with _opened(found_in(folder, id), id, config, simulated, READ_TIME) as (connector, ctx):
        source, spec = _stream(id, connector, stream)
        pages: list[Page] = []
        for page in source.read(ctx, stream, start, Window(ctx.clock.now() - spec.safety_lag)):
            pages.append(page)
            if page.complete or sum(len(one.records) for one in pages) >= limit:
                break
    hidden = frozenset() if reveal else frozenset(spec.pii)
    found = {
        "stream": stream,
        "records": [_record(record, hidden) for page in pages for record in page.records],
        "rejected": [_rejected(row, reveal) for page in pages for row in page.rejected],
        "cursor": asdict(pages[-1].cursor) if pages and pages[-1].cursor else None,
        "complete": bool(pages) and pages[-1].complete,
    }
    if as_json:
        typer.echo(orjson.dumps(found, default=str, option=orjson.OPT_INDENT_2).decode())
    else:
        _print(found)


@dataclass(frozen=True, slots=True)
class _Clock:
    def now(self) -> datetime:
        return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class _Secrets:
    """The secrets of a simulator, or what ``env:`` and ``file:`` lead to."""

    known: Mapping[str, str] = field(default_factory=dict)

    def get(self, reference: str) -> str:
        value = self.known.get(reference.rpartition("/")[2]) if self.known else None
        if value is None and reference.startswith("secret://"):
            raise ConfigError(
                f"{reference} is kept with a connection in the database, which is not read here;"
                " refer to the secret as env:NAME or file:PATH.",
                field=reference,
            )
        value = value if value is not None else outside_secret(reference)
        if value is None:
            raise ConfigError(f"There is no secret behind {reference}.", field=reference)
        return value


@contextmanager
def _opened(
    registry: Registry, id: str, file: Path | None, simulated: bool, time: timedelta
) -> Iterator[tuple[Connector, Ctx]]:
    """A connector and the context of one call; a simulator runs as long."""
    if (file is None) == (not simulated):
        raise typer.BadParameter("give one of --config FILE and --simulated.")
    connector, clock = registry.load(id), _Clock()
    with ExitStack() as stack:
        if file is not None:
            values, _, _ = read_file(file)
            secrets, loopback = _Secrets(), settings.load().profile == "demo"
        else:
            package = registry.package(id)
            server = vendor_server(package, seed=1, today=clock.now().date())
            fit = demo_connection(package, stack.enter_context(server).url)
            values = fit.config(_SIMULATED)
            secrets, loopback = _Secrets(fit.secrets), True
        http = Http(egress=registry.get(id).egress, clock=clock, allow_loopback=loopback)
        stack.callback(http.close)
        yield (
            connector,
            Ctx(
                connection_id=_SIMULATED if simulated else id,
                config=registry.validate_config(id, values),
                http=http,
                secrets=secrets,
                clock=clock,
                deadline=clock.now() + time,
                progress=lambda count: None,
                cancelled=lambda: False,
            ),
        )


def _stream(id: str, connector: Connector, name: str) -> tuple[Source, StreamSpec]:
    if not isinstance(connector, Source):
        raise NotSupported(f"{id} is no source: it has no streams to read.", feature="source")
    specs = connector.streams()
    spec = next((spec for spec in specs if spec.name == name), None)
    if spec is None:
        known = ", ".join(spec.name for spec in specs)
        raise NotFound(f'{id} has no stream "{name}"; it has {known}.')
    return connector, spec


def _cursor(text: str | None) -> Cursor | None:
    """A cursor as `read` prints it. Raises BadParameter for anything else."""
    if text is None or text == "null":
        return None
    try:
        value = json.loads(text)
        cursor = Cursor(value["version"], value["values"])
    except (ValueError, TypeError, KeyError):
        cursor = None
    if cursor is None or not isinstance(cursor.values, dict):
        raise typer.BadParameter(
            'must be a cursor like {"version": 1, "values": {}}.', param_hint="--cursor"
        )
    return cursor


def _record(record: Record, hidden: frozenset[str]) -> dict[str, Any]:
    data: Any = record.data
    values = {one.name: getattr(data, one.name) for one in fields(data)}
    return {
        "record": type(data).__name__,
        "external_id": record.external_id,
        "op": record.op,
        "occurred_at": record.occurred_at,
        "source_version": record.source_version,
        "data": {
            name: HIDDEN if name in hidden and value not in (None, "", ()) else value
            for name, value in values.items()
        },
        "issues": [asdict(issue) for issue in record.issues],
        "cleared": list(record.cleared),
    }


def _rejected(row: RejectedRecord, reveal: bool) -> dict[str, Any]:
    raw = row.raw.decode("utf-8", "replace") if reveal else HIDDEN
    return {"ref": row.ref, "issue": asdict(row.issue), "raw": raw}


def _print(found: dict[str, Any]) -> None:
    for record in found["records"]:
        gone = "  (deleted)" if record["op"] == "delete" else ""
        head = f"{record['record']}  {record['external_id']}  {record['occurred_at'] or ''}"
        typer.secho(f"{head.rstrip()}{gone}", bold=True)
        for name, value in record["data"].items():
            if value not in (None, "", ()):
                typer.echo(f"  {name}: {_short(value)}")
        for issue in record["issues"]:
            _warn(issue)
    for row in found["rejected"]:
        typer.secho(f"rejected  {row['ref']}", bold=True)
        _warn(row["issue"])
        if row["raw"] != HIDDEN:
            typer.echo(f"  {row['raw']}")
    end = "the stream is read to its end" if found["complete"] else "there is more"
    typer.echo(f"{len(found['records'])} records, {len(found['rejected'])} rejected; {end}.")
    typer.echo(f"Cursor: {json.dumps(found['cursor'])}")


def _warn(issue: Mapping[str, str]) -> None:
    typer.secho(f"  {issue['code']}  {issue['path']}  {issue['text']}", fg="yellow")


def _short(value: object) -> str:
    plain: Callable[[Any], str] = str
    return orjson.dumps(value, default=plain).decode().strip('"')
