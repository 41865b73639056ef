"""`mso-hub export-schema` and `mso-hub audit verify`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from hub import settings
from hub.domain.agreements import unrestricted_scope
from hub.entrypoints.hub import open_hub
from hub.storage import audit
from schema.export import sdl

audit_app = typer.Typer(no_args_is_help=True, help="The audit trail.")


def export_schema(
    output: Annotated[Path | None, typer.Option(help="Write to this file.")] = None,
) -> None:
    """Print the GraphQL schema in its definition language."""
    if output is None:
        typer.echo(sdl(), nl=False)
    else:
        output.write_text(sdl(), encoding="utf-8")


@audit_app.callback()
def _group() -> None:
    """Keeps `verify` a subcommand while it is the only one."""


@audit_app.command()
def verify(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Check the hash chain of the audit trail; exit 1 names the first event that does not fit."""
    hub = open_hub(settings.load())
    try:
        with hub.database.read(unrestricted_scope("audit verify")) as session:
            verdict = audit.verify(session)
    finally:
        hub.close()
    if as_json:
        facts = {
            "intact": verdict.intact,
            "events": verdict.events,
            "bad_sequence": verdict.bad_sequence,
        }
        typer.echo(json.dumps(facts))
    elif verdict.intact:
        typer.echo(f"The audit trail is intact: {verdict.events} events.")
    if not verdict.intact:
        if not as_json:
            typer.echo(f"The audit trail breaks at event {verdict.bad_sequence}.", err=True)
        raise typer.Exit(1)
