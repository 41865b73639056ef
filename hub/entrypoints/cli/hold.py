"""`mso-hub hold`: legal holds, under which nothing of a practice is deleted."""

from __future__ import annotations

from typing import Annotated

import typer

from hub.entrypoints.cli import common
from hub.entrypoints.cli.common import SCOPE, AsJson, Reason
from hub.services import retention

app = typer.Typer(no_args_is_help=True, help="Legal holds of practices.")

Named = Annotated[str, typer.Argument(help="The practice's name or id.")]
_COLUMNS = {name: name for name in ("practice", "reason", "placed_by", "placed_at")}


@app.command("list")
def list_holds(as_json: AsJson = False) -> None:
    """List the practices under hold."""
    with common.opened() as hub, hub.database.read(SCOPE) as session:
        rows = [
            {"practice": name, **common.fields_of(hold, "reason", "placed_by", "placed_at")}
            for hold, name in retention.holds(session)
        ]
    if as_json:
        common.print_json({"holds": rows})
    else:
        common.print_rows(rows, _COLUMNS)


@app.command()
def place(practice: Named, reason: Reason, as_json: AsJson = False) -> None:
    """Keep every message and key of a practice until the hold is lifted. Audited."""
    with common.opened() as hub:
        who, now = common.operator(), hub.now()
        hub.database.transaction(
            SCOPE, lambda s: retention.place(s, practice, operator=who, reason=reason, now=now)
        )
    if as_json:
        common.print_json({"held": practice})
    else:
        typer.echo(f"Nothing of {practice} is deleted until the hold is lifted.")


@app.command()
def lift(practice: Named, reason: Reason, as_json: AsJson = False) -> None:
    """End a hold; what is due is deleted at the next run. Audited."""
    with common.opened() as hub:
        who, now = common.operator(), hub.now()
        hub.database.transaction(
            SCOPE, lambda s: retention.lift(s, practice, operator=who, reason=reason, now=now)
        )
    if as_json:
        common.print_json({"lifted": practice})
    else:
        typer.echo(f"The hold of {practice} is lifted.")
