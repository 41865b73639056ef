"""`mso-hub client documents`: what a credential may run by its digest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from hub import settings
from hub.auth.credentials import principal_of
from hub.auth.documents import add_document, client_named, documents_of, remove_document
from hub.auth.scopes import load_scope, stated_purpose
from hub.domain.agreements import Purpose, unrestricted_scope
from hub.entrypoints.hub import Hub, open_hub
from hub.errors import Rejected
from hub.storage.session import ScopedSession
from hub.storage.tables import Client
from schema.documents import Invalid
from schema.execute import Engine
from schema.mapping import limits
from schema.root import hub_schema

app = typer.Typer(no_args_is_help=True, help="Documents a credential may run by their digest.")
PREFIX = "sha256:"
_SCOPE = unrestricted_scope("client command")
Name = Annotated[str, typer.Argument(help="The credential's name.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def add(
    client: Name,
    files: Annotated[list[Path], typer.Argument(help="GraphQL documents.", exists=True)],
    purpose: Annotated[
        str | None, typer.Option(help="What the data is used for. Default: the credential's own.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check documents against what the credential may read, and let it run them."""
    texts = {file.name: file.read_text(encoding="utf-8") for file in files}
    hub = open_hub(settings.load())
    try:
        added = hub.database.transaction(
            _SCOPE, lambda session: _add_all(session, hub, client, texts, purpose)
        )
    finally:
        hub.close()
    if as_json:
        typer.echo(json.dumps({"documents": added}, indent=2))
        return
    for document in added:
        typer.echo(f"{document['id']}  cost {document['cost']}  {document['name']}")


@app.command("list")
def list_documents(client: Name, as_json: AsJson = False) -> None:
    """List the documents of a credential."""
    hub = open_hub(settings.load())
    try:
        with hub.database.read(_SCOPE) as session:
            rows = documents_of(session, client_named(session, client))
            found = [_shown(row.name, row.digest, row.purpose, row.cost) for row in rows]
    finally:
        hub.close()
    if as_json:
        typer.echo(json.dumps({"documents": found}, indent=2))
        return
    table = Table("name", "id", "purpose", "cost")
    for row in found:
        table.add_row(row["name"], row["id"], row["purpose"], str(row["cost"]))
    Console().print(table)


@app.command()
def remove(
    client: Name,
    document: Annotated[str, typer.Argument(help="The document's id, sha256:…")],
    as_json: AsJson = False,
) -> None:
    """Take a document away; the credential's next request with it is refused."""
    hub = open_hub(settings.load())
    try:
        hub.database.transaction(
            _SCOPE,
            lambda session: remove_document(
                session, client_named(session, client), document.removeprefix(PREFIX)
            ),
        )
    finally:
        hub.close()
    typer.echo(json.dumps({"removed": document}) if as_json else f"Removed {document}.")


def _add_all(
    session: ScopedSession, hub: Hub, client_name: str, texts: dict[str, str], purpose: str | None
) -> list[dict[str, Any]]:
    client = client_named(session, client_name)
    chosen = _purpose(client, purpose)
    scope = load_scope(session, principal_of(client), chosen, hub.now())
    documents = Engine(hub_schema(), introspection=False).documents_for(scope)
    added = []
    for name, text in texts.items():
        try:
            document = documents.get(text)
        except Invalid as error:
            first = error.errors[0]
            place = first.get("locations", [{"line": 1}])[0]["line"]
            raise Rejected(f"{name}, line {place}: {first['message']}") from None
        cost = max((size.cost({}) for size in document.measured.values()), default=0)
        limits.refuse_too_dear(cost)
        add_document(
            session,
            client,
            digest=document.digest,
            name=name,
            text=text,
            purpose=chosen,
            cost=cost,
            now=hub.now(),
        )
        added.append(_shown(name, document.digest, chosen.value, cost))
    return added


def _purpose(client: Client, stated: str | None) -> Purpose:
    return stated_purpose(principal_of(client), None if stated is None else stated.upper())


def _shown(name: str, digest: str, purpose: str, cost: int) -> dict[str, Any]:
    return {"name": name, "id": PREFIX + digest, "purpose": purpose, "cost": cost}
