"""`mso-hub client documents`: what a credential may run by its digest."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from graphql import OperationType

from hub.auth.credentials import principal_of
from hub.auth.documents import add_document, client_named, documents_of, remove_document
from hub.auth.scopes import load_scope, stated_purpose
from hub.domain.agreements import Purpose, operations_scope
from hub.entrypoints.cli.common import AsJson, opened, operator, print_rows, read_text
from hub.entrypoints.hub import Hub
from hub.errors import Rejected
from hub.services.operators import record_change
from hub.storage.session import ScopedSession
from hub.storage.tables import Client
from schema.context import Context
from schema.documents import Invalid
from schema.execute import Engine, Prepared
from schema.mapping import limits
from schema.mutations import may_call
from schema.root import hub_schema
from schema.trusted import refuse_scans, sampled, shown_plan

app = typer.Typer(no_args_is_help=True, help="Documents a credential may run by their digest.")
PREFIX = "sha256:"
_SCOPE = operations_scope("client command")
Name = Annotated[str, typer.Argument(help="The credential's name.")]


@app.command()
def add(
    client: Name,
    files: Annotated[
        list[Path], typer.Argument(help="GraphQL documents.", exists=True, dir_okay=False)
    ],
    purpose: Annotated[
        str | None, typer.Option(help="What the data is used for. Default: the credential's own.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check documents against what the credential may read, and let it run them.

    A document that would read every row of a practice's table is refused.
    """
    texts = {file.name: read_text(file) for file in files}
    with opened() as hub:
        chosen, documents = _examine_all(hub, client, texts, purpose)
        added = hub.database.transaction(
            _SCOPE, lambda session: _add_all(session, hub, client, chosen, documents)
        )
    if as_json:
        typer.echo(json.dumps({"documents": added}, indent=2))
        return
    for document in added:
        typer.echo(f"{document['id']}  cost {document['cost']}  {document['name']}")


@app.command("list")
def list_documents(client: Name, as_json: AsJson = False) -> None:
    """List the documents of a credential."""
    with opened() as hub, hub.database.read(_SCOPE) as session:
        rows = documents_of(session, client_named(session, client))
        found = [_shown(row.name, row.digest, row.purpose, row.cost) for row in rows]
    if as_json:
        typer.echo(json.dumps({"documents": found}, indent=2))
        return
    print_rows(found, {name: name for name in ("name", "id", "purpose", "cost")})


@app.command()
def remove(
    client: Name,
    document: Annotated[str, typer.Argument(help="The document's id, sha256:…")],
    as_json: AsJson = False,
) -> None:
    """Take a document away; the credential's next request with it is refused."""
    digest = document.removeprefix(PREFIX)
    with opened() as hub:

        def work(session: ScopedSession) -> None:
            owner = client_named(session, client)
            remove_document(session, owner, digest)
            _record(session, hub, "remove", owner, [digest])

        hub.database.transaction(_SCOPE, work)
    typer.echo(json.dumps({"removed": document}) if as_json else f"Removed {document}.")


@dataclass(frozen=True, slots=True)
class _Examined:
    """A document that its credential may run; `cost` with page sizes as usual where they are
    variables."""

    name: str
    digest: str
    text: str
    cost: int


def _examine_all(
    hub: Hub, client_name: str, texts: dict[str, str], purpose: str | None
) -> tuple[Purpose, list[_Examined]]:
    with hub.database.read(_SCOPE) as session:
        client = client_named(session, client_name)
        principal, chosen = principal_of(client), _purpose(client, purpose)
        scope = load_scope(session, principal, chosen, hub.now())
    engine = Engine(hub_schema(), introspection=False)
    context = Context(hub.database, hub.crypto, principal, scope, hub.now)
    return chosen, [_examine(engine, context, name, text) for name, text in texts.items()]


def _examine(engine: Engine, context: Context, name: str, text: str) -> _Examined:
    """Raises Rejected for a document that the credential may not run, or that would read every row
    of a practice's table."""
    try:
        document = engine.documents_for(context.scope).get(text)
        cost = max((size.cost({}) for size in document.measured.values()), default=0)
        limits.refuse_too_dear(cost)
        for prepared in sampled(engine, context, text):
            _refuse_mutations(context, prepared)
            plan = shown_plan(context, prepared)
            if plan is not None:
                refuse_scans(plan)
    except Invalid as error:
        first = error.errors[0]
        place = first.get("locations", [{"line": 1}])[0]["line"]
        raise Rejected(f"{name}, line {place}: {first['message']}") from None
    except Rejected as error:
        raise Rejected(f"{name}: {error}", reason=error.reason) from None
    return _Examined(name, document.digest, text, cost)


def _refuse_mutations(context: Context, prepared: Prepared) -> None:
    """Raises Rejected for a mutation that the credential was not given the right to."""
    if prepared.operation.definition.operation is not OperationType.MUTATION:
        return
    for nodes in prepared.operation.roots.values():
        name = nodes[0].name.value
        if name != "__typename" and not may_call(context.principal, name):
            raise Rejected(f"The credential may not use {name}.")


def _add_all(
    session: ScopedSession,
    hub: Hub,
    client_name: str,
    purpose: Purpose,
    documents: list[_Examined],
) -> list[dict[str, Any]]:
    client = client_named(session, client_name)
    for document in documents:
        add_document(
            session,
            client,
            digest=document.digest,
            name=document.name,
            text=document.text,
            purpose=purpose,
            cost=document.cost,
            now=hub.now(),
        )
    _record(session, hub, "add", client, [each.digest for each in documents])
    return [_shown(each.name, each.digest, purpose.value, each.cost) for each in documents]


def _record(
    session: ScopedSession, hub: Hub, act: str, client: Client, digests: Sequence[str]
) -> None:
    operation = f"client documents {act} {' '.join(PREFIX + each for each in digests)}"
    record_change(
        session, operator(), operation, "ClientDocument", client.practice_id,
        count=len(digests), reason=client.name, now=hub.now(),
    )  # fmt: skip


def _purpose(client: Client, stated: str | None) -> Purpose:
    return stated_purpose(principal_of(client), None if stated is None else stated.upper())


def _shown(name: str, digest: str, purpose: str, cost: int) -> dict[str, Any]:
    return {"name": name, "id": PREFIX + digest, "purpose": purpose, "cost": cost}
