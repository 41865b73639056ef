"""`mso-hub connector new` and `test`: a connector from templates, and the conformance kit."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, get_args

import typer

import connectors
from connectors.sdk.kit.conformance import conformance, fixtures_of
from connectors.sdk.kit.expected import expectation, state_origin, write_expectation
from connectors.sdk.kit.model import Outcome, Result
from connectors.sdk.kit.subject import Subject
from connectors.sdk.scaffold.writing import Auth, Choice, Kind, write_connector
from hub.entrypoints.cli import common
from hub.entrypoints.cli.common import AsJson
from hub.entrypoints.cli.connector_found import From, found_in
from hub.errors import ConfigError, NotFound

_COLOURS: dict[Outcome, str] = {
    "passed": "green",
    "failed": "red",
    "not run": "red",
    "exempt": "yellow",
}
_OURS = Path(connectors.__file__).parent


def new(
    id: Annotated[str, typer.Argument(help="The new connector's id, such as payroll_acme.")],
    kind: Annotated[str, typer.Option(help=f"One of {', '.join(get_args(Kind))}.")],
    auth: Annotated[
        str | None,
        typer.Option(help=f"One of {', '.join(get_args(Auth))}; api_key unless told."),
    ] = None,
    webhook: Annotated[
        bool, typer.Option("--webhook", help="The vendor also sends signed events.")
    ] = False,
    sample: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="A page or event in JSON, as the vendor documents it; its rows become the model.",
        ),
    ] = None,
    into: Annotated[
        Path | None,
        typer.Option(file_okay=False, help="Another folder than that of the hub's connectors."),
    ] = None,
) -> None:
    """Write a connector that passes `connector test`, with its simulator, a fixture and a test:
    payroll and supply are read over REST, a payer is asked, an EHR sends signed events."""
    common.one_of(kind, get_args(Kind), "--kind")
    if auth is not None:
        common.one_of(auth, get_args(Auth), "--auth")
    if into is None and not (_OURS.parent / "pyproject.toml").is_file():
        raise ConfigError("The hub is installed, not checked out; say where to with --into DIR.")
    written = write_connector(
        id,
        Choice(kind, auth, webhook),  # type: ignore[arg-type]
        into=into or _OURS,
        package=f"{_OURS.name}.{id}" if into is None else id,
        sample=sample.read_bytes() if sample is not None else None,
    )
    for file in written:
        typer.echo(f"wrote {file}")
    if into is None:
        typer.echo(
            f'Add "{_OURS.name}.{id}" to the contract "Connectors do not know each other" of'
            " pyproject.toml."
        )
    elsewhere = f" --from {into}" if into is not None else ""
    typer.echo(f"Try it: mso-hub connector test {id}{elsewhere}")


def conform(
    id: Annotated[str, typer.Argument(help="The connector's id, as `list` shows it.")],
    folder: From = None,
    as_json: AsJson = False,
) -> None:
    """Run the conformance checks, offline, against the connector's own simulator; exit 1 if one
    fails."""
    found = found_in(folder, id)
    results = []
    for result in conformance(found, id, today=datetime.now(UTC).date()):
        results.append(result)
        if not as_json:
            _print(result)
    failed = [result.check for result in results if result.outcome == "failed"]
    if as_json:
        common.print_json({"ok": not failed, "checks": [asdict(result) for result in results]})
    else:
        counts = Counter(result.outcome for result in results)
        typer.echo(", ".join(f"{count} {outcome}" for outcome, count in counts.items()) + ".")
    if failed:
        if not as_json:
            typer.echo(f"mso-hub: {id} fails {', '.join(failed)}.", err=True)
        raise typer.Exit(1)


def fixture(
    id: Annotated[str, typer.Argument(help="The connector's id, as `list` shows it.")],
    case: Annotated[str, typer.Argument(help="The fixture's file name, such as page.json.")],
    write: Annotated[
        bool,
        typer.Option(
            "--write", help="Keep it as .expected.json, with the fixture's digest in .meta.toml."
        ),
    ] = False,
    document: Annotated[
        str, typer.Option(help="Of a new fixture: the vendor's document and version it follows.")
    ] = "",
    stream: Annotated[
        str, typer.Option(help="Of a new fixture that is a page: the stream it is a page of.")
    ] = "",
    folder: From = None,
    as_json: AsJson = False,
) -> None:
    """Print what a fixture is read as, for a person to compare with what it should mean; --write
    keeps it."""
    found = found_in(folder, id)
    found.load(id)
    subject = Subject(found, id, fixtures_of(found.folder(id)))
    if subject.fixtures is None:
        raise NotFound(f"{id} has no folder of fixtures.")
    file = subject.fixtures / case
    if file.is_file() and write:
        state_origin(subject, file, document=document, stream=stream)
    expected = expectation(subject, file)
    written = write_expectation(file, expected) if write else []
    if as_json or not write:
        common.print_json(expected)
    else:
        for one in written:
            typer.echo(f"wrote {one}")


def _print(result: Result) -> None:
    typer.secho(f"{result.outcome:<15} {result.check}", fg=_COLOURS.get(result.outcome))
    for line in result.what:
        typer.echo(f"    {line}")
    if result.outcome == "failed":
        typer.echo(f"    Why: {result.proves}\n    To mend it: {result.mend}")
