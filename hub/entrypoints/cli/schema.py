"""`mso-hub export-schema`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from graphql import GraphQLError

from hub.entrypoints.cli.common import read_text
from hub.entrypoints.hub import utc_now
from hub.errors import Rejected
from schema import changes
from schema.export import sdl


def export_schema(
    output: Annotated[Path | None, typer.Option(help="Write to this file.")] = None,
    check: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="Compare with this released schema; print nothing."
        ),
    ] = None,
    decisions: Annotated[
        Path, typer.Option(help="Folder of the decision records that allow breaking changes.")
    ] = Path("docs/decisions"),
    changelog: Annotated[Path, typer.Option(help="The changelog.")] = Path("CHANGELOG.md"),
) -> None:
    """Print the GraphQL schema in its definition language, or check what it changes.

    With --check exit 1 names each change that may not be released: one that breaks clients without
    90 days of deprecation or a decision record, or a dangerous one without a line in the changelog.
    """
    if check is not None:
        _check(check, decisions, changelog)
    elif output is None:
        typer.echo(sdl(), nl=False)
    else:
        output.write_text(sdl(), encoding="utf-8")


def _check(released: Path, decisions: Path, changelog: Path) -> None:
    pages = [page.read_text(encoding="utf-8") for page in sorted(decisions.glob("*.md"))]
    text = changelog.read_text(encoding="utf-8") if changelog.exists() else ""
    try:
        found = changes.refused(
            read_text(released),
            sdl(),
            allowed=changes.allowed_by(pages),
            changelog=changes.version_under_way(text),
            today=utc_now().date(),
        )
    except (GraphQLError, TypeError):  # TypeError: a type is defined twice, or not at all
        raise Rejected(f"{released} is no GraphQL schema.") from None
    for item in found:
        typer.echo(f"mso-hub: {item}", err=True)
    if found:
        raise typer.Exit(1)
    typer.echo("The schema may be released.")
