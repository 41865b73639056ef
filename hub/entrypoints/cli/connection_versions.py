"""`mso-hub connection show`, `change` and `history`: the settings of a connection as one text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from hub.entrypoints.cli import common
from hub.entrypoints.cli.common import SCOPE, AsJson, Reason
from hub.entrypoints.cli.connection_file import pairs, read_file, read_secrets
from hub.entrypoints.connection_settings import checked
from hub.services import connection_settings, connections, operators
from hub.services.operators import stated_reason
from hub.storage.session import ScopedSession

Name = Annotated[str, typer.Argument(help="The connection's name or id.")]
_COLUMNS = {
    "version": "version", "since": "recorded_at", "changed by": "changed_by", "reason": "reason",
}  # fmt: skip


def show(
    name: Name,
    version: Annotated[
        int | None, typer.Option(min=1, help="As it was, by a number that `history` shows.")
    ] = None,
) -> None:
    """Print a connection's settings as JSON, as `add` and `change` take them: settings, routing,
    names for practices, and references in place of secrets."""
    with common.opened() as hub, hub.database.read(SCOPE) as session:
        row = connections.named(session, name)
        if version is None:
            settings = connection_settings.current(session, row)
        else:
            settings = connection_settings.at_version(session, row, version)
        values = connection_settings.as_values(session, settings)
    typer.echo(json.dumps(values, indent=2, ensure_ascii=False))


def change(
    name: Name,
    config: Annotated[
        Path,
        typer.Option(exists=True, dir_okay=False, help="All its settings, a TOML or JSON file."),
    ],
    reason: Reason,
    secret: Annotated[
        list[str] | None,
        typer.Option(help="NAME=env:VARIABLE, or NAME=- to be asked (stdin); repeat."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Give a connection other settings; its earlier ones are kept as a version. The practices stay
    unless the file has a table `practices`, and secrets stay unless named here; where an address
    changes, those that would be sent there are given again. Audited."""
    stated = stated_reason(reason)
    settings, routing, practices = read_file(config)
    values = read_secrets(pairs(secret or (), "--secret"))
    with common.opened() as hub:
        who, now = common.operator(), hub.now()

        def work(session: ScopedSession) -> int | None:
            row = connections.named(session, name)
            session.refresh(row, with_for_update=True)
            taken = checked(row.connector_id, settings, routing, values, row.id, before=row.config)
            version = connection_settings.change(
                session,
                hub.crypto,
                row,
                config=taken.config,
                routing=taken.routing,
                practices=practices,
                secrets=values,
                moved=taken.moved,
                by=f"os:{who.name}",
                reason=stated,
                now=now,
            )
            operators.record(
                session,
                who,
                action="write",
                operation="connection change",
                entity="Connection",
                count=1,
                reason=stated,
                now=now,
            )
            return version

        version = hub.database.transaction(SCOPE, work)
    if as_json:
        common.print_json({"changed": name, "version": version})
    elif version is None:
        typer.echo(f"The settings of {name} are those of the file already.")
    else:
        typer.echo(f"{name} works by version {version} within five seconds.")


def history(name: Name, as_json: AsJson = False) -> None:
    """List the versions of a connection's settings, the newest first."""
    with common.opened() as hub, hub.database.read(SCOPE) as session:
        row = connections.named(session, name)
        kept = connection_settings.versions(session, row.id)
        rows = [common.fields_of(one, *_COLUMNS.values()) for one in kept]
    if as_json:
        common.print_json({"versions": rows})
    elif rows:
        common.print_rows(rows, _COLUMNS)
    else:
        typer.echo(f"{name} was never changed.")
