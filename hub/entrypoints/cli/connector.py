"""`mso-hub connector`: what is installed, its settings, its documentation, its simulated vendor."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from connectors import registry
from connectors.sdk.base import Connector, Source
from connectors.sdk.kit.settings_schema import write_committed
from connectors.sdk.kit.vendor import vendor_server
from hub.entrypoints.cli import connector_build, connector_try
from hub.entrypoints.cli.connector_found import From, found_in
from hub.errors import ConfigError, HubError

app = typer.Typer(no_args_is_help=True, help="The connectors of this installation.")
app.command()(connector_try.check)
app.command()(connector_try.read)
app.command()(connector_build.new)
app.command()(connector_build.fixture)
app.command("test")(connector_build.conform)

Id = Annotated[str, typer.Argument(help="The connector's id, as `list` shows it.")]


@contextmanager
def _plain_errors() -> Iterator[None]:
    """An expected failure is one sentence on stderr and exit code 1."""
    try:
        yield
    except HubError as error:
        typer.echo(f"mso-hub: {error}", err=True)
        raise typer.Exit(1) from error


@app.command("list")
def list_connectors(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List every connector; a broken one with the reason."""
    for manifest in registry.manifests():
        try:
            registry.load(manifest.id)
        except ConfigError:
            continue  # its manifest now carries the reason
    found = registry.manifests()
    if as_json:
        shown = {"connectors": [_plain(manifest) for manifest in found]}
        typer.echo(json.dumps(shown, indent=2, default=str))
        return
    table = Table("id", "name", "kind", "version", "lifecycle", "capabilities", "state")
    for manifest in found:
        capabilities = ", ".join(manifest.capabilities)
        table.add_row(
            manifest.id, manifest.name, manifest.kind, manifest.version, manifest.lifecycle,
            capabilities, manifest.broken or "ok",
        )  # fmt: skip
    Console().print(table)


def _plain(manifest: registry.Manifest) -> dict[str, Any]:
    return {**asdict(manifest), "broken": manifest.broken or None}


@app.command()
def schema(
    id: Id,
    write: Annotated[
        bool,
        typer.Option(
            "--write", help="Keep it beside the connector; refused where stored settings may break."
        ),
    ] = False,
    folder: From = None,
) -> None:
    """Print the JSON Schema of a connector's settings."""
    with _plain_errors():
        found = found_in(folder, id)
        model = found.config_schema(id)
        if write:
            write_committed(found.folder(id), found.get(id).config_version, model)
        typer.echo(json.dumps(model, indent=2))


@app.command()
def docs(id: Id, folder: From = None) -> None:
    """Print a connector's page: its README, the streams it offers and its settings."""
    with _plain_errors():
        found = found_in(folder, id)
        readme = found.folder(id) / "README.md"
        parts = [readme.read_text(encoding="utf-8").rstrip()] if readme.is_file() else []
        parts += [_streams(found.load(id)), _settings(found.config_schema(id))]
        typer.echo("\n\n".join(part for part in parts if part))


def _streams(connector: Connector) -> str:
    if not isinstance(connector, Source):
        return ""
    rows = [
        f"| {spec.name} | {spec.record.__name__} | {spec.mode} | {', '.join(spec.depends_on)} "
        f"| {', '.join(spec.pii)} |"
        for spec in connector.streams()
    ]
    head = "| Stream | Record | Mode | After | Personal fields |\n| --- | --- | --- | --- | --- |"
    return "\n".join(["## Streams", "", head, *rows])


def _settings(model: dict[str, Any]) -> str:
    required = set(model.get("required", ()))
    rows = []
    for key, item in model.get("properties", {}).items():
        fallback = "required" if key in required else json.dumps(item.get("default"))
        secret = "yes" if item.get("writeOnly") else ""
        rows.append(f"| {key} | {fallback} | {secret} | {item.get('description', '')} |")
    head = "| Key | Default | Secret | Meaning |\n| --- | --- | --- | --- |"
    return "\n".join(["## Settings", "", head, *rows]) if rows else ""


@app.command()
def simulate(
    id: Id,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 takes a free one.")
    ] = 0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same data.")] = 1,
    folder: From = None,
) -> None:
    """Run a connector's simulated vendor on loopback until interrupted."""
    with _plain_errors():
        today = datetime.now(UTC).date()
        server = vendor_server(found_in(folder, id).package(id), seed=seed, today=today, port=port)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with server:
        typer.echo(f"{id} is simulated at {server.url}; stop with Ctrl-C.")
        stop.wait()
        typer.echo("Stopped.")
