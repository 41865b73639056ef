"""`mso-hub client`: credentials of internal apps."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from hub.auth import credentials
from hub.domain.agreements import (
    DataClass,
    Domain,
    PrincipalKind,
    Purpose,
    operations_scope,
)
from hub.entrypoints.cli import client_documents
from hub.entrypoints.cli.client_documents import Name
from hub.entrypoints.cli.common import AsJson, opened, operator, print_rows
from hub.entrypoints.hub import Hub
from hub.services import practices
from hub.services.operators import record_change
from hub.storage.session import ScopedSession
from hub.storage.tables import Client

app = typer.Typer(no_args_is_help=True, help="Credentials of internal apps.")
app.add_typer(client_documents.app, name="documents")

_SCOPE = operations_scope("client command")
ALLOWED = ("write", "approve", "break_glass", "console")
RIGHTS = (*ALLOWED, "export")
_KINDS = {"mso": PrincipalKind.MSO_APP, "practice": PrincipalKind.PRACTICE_APP}


@app.command()
def create(
    name: Name,
    kind: Annotated[str, typer.Option(help="mso or practice.")],
    practice: Annotated[
        str | None, typer.Option(help="Id or name of the practice the app belongs to.")
    ] = None,
    domain: Annotated[
        list[str] | None, typer.Option(help="A domain it may read; repeat. Default: all.")
    ] = None,
    data_class: Annotated[
        list[str] | None,
        typer.Option(
            help="A class of fields it may read, besides PUBLIC: OPERATIONAL, FINANCIAL, PAYROLL "
            "or PHI; repeat. Fields of others are not in its schema. Default: all of these."
        ),
    ] = None,
    purpose: Annotated[
        list[str] | None,
        typer.Option(help="A purpose it may state; repeat, the first is the default."),
    ] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(
            help="write: it may use mutations and send messages; approve: it may approve "
            "purchases; break_glass: it may open labelled records of a patient of its practice in "
            "an emergency (CLINICAL); console: a person may sign in to the console with it. "
            "Repeat. Default: it only reads."
        ),
    ] = None,
    export: Annotated[bool, typer.Option(help="It may start bulk exports.")] = False,
    sensitive: Annotated[
        bool,
        typer.Option(
            help="It may read records with a sensitivity label (42 CFR Part 2): its practice's, or "
            "those whose agreements include them."
        ),
    ] = False,
    developer: Annotated[
        bool, typer.Option(help="May send documents of its own and introspect in production.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Create a credential and print its key, which is not shown again."""
    if kind not in _KINDS:
        raise typer.BadParameter("must be mso or practice.", param_hint="--kind")
    domains = [_word(Domain, item, "--domain") for item in domain or [d.value for d in Domain]]
    purposes = [_word(Purpose, item, "--purpose") for item in purpose or [Purpose.OPERATIONS.value]]
    classes = _classes(data_class, sensitive)
    allowed = {item.lower() for item in allow or ()}
    if not allowed <= set(ALLOWED):
        raise typer.BadParameter(f"must be one of {', '.join(ALLOWED)}.", param_hint="--allow")

    def work(session: ScopedSession) -> tuple[dict[str, Any], str]:
        client, key = credentials.create_client(
            session,
            name,
            _KINDS[kind],
            _practice_id(session, practice),
            now=hub.now(),
            domains=domains,
            purposes=purposes,
            classes=classes,
            developer=developer,
            export=export,
            write="write" in allowed,
            approve="approve" in allowed,
            break_glass="break_glass" in allowed,
            console="console" in allowed,
        )
        _record(session, hub, "create", name, client.practice_id)
        return _shown(client), key

    with opened() as hub:
        shown, key = hub.database.transaction(_SCOPE, work)
    if as_json:
        typer.echo(json.dumps({**shown, "key": key}, indent=2))
        return
    typer.echo(f"Created {name}. Keep its key; it is not shown again:\n{key}")


@app.command("list")
def list_clients(as_json: AsJson = False) -> None:
    """List every credential, without keys."""
    with opened() as hub, hub.database.read(_SCOPE) as session:
        found = [_shown(client) for client in credentials.list_clients(session)]
    if as_json:
        typer.echo(json.dumps({"clients": found}, indent=2))
        return
    columns = ("name", "kind", "practice", "prefix", "domains", "purposes", "may", "state")
    rows = [
        {
            **client,
            "practice": client["practice_id"] or "",
            "prefix": f"hub_{client['key_prefix']}_…",
            "may": [right for right in RIGHTS if client[right]] or "read",
            "state": "revoked" if client["revoked_at"] else "active",
        }
        for client in found
    ]
    print_rows(rows, {name: name for name in columns})


@app.command()
def revoke(name: Name, as_json: AsJson = False) -> None:
    """Revoke a credential; its key stops working with the next request."""

    def work(session: ScopedSession) -> None:
        client = credentials.revoke_client(session, name, now=hub.now())
        _record(session, hub, "revoke", name, client.practice_id)

    with opened() as hub:
        hub.database.transaction(_SCOPE, work)
    typer.echo(json.dumps({"revoked": name}) if as_json else f"Revoked {name}.")


def _record(session: ScopedSession, hub: Hub, act: str, name: str, practice_id: str | None) -> None:
    record_change(
        session, operator(), f"client {act}", "Client", practice_id, reason=name, now=hub.now()
    )


def _shown(client: Client) -> dict[str, Any]:
    return {
        "id": client.id,
        "name": client.name,
        "kind": client.kind,
        "practice_id": client.practice_id,
        "key_prefix": client.key_prefix,
        "domains": client.domains,
        "purposes": client.purposes,
        "data_classes": client.classes,
        "sensitive": DataClass.PHI_SENSITIVE.value in client.classes,
        "developer": client.developer,
        **{right: getattr(client, right) for right in RIGHTS},
        "created_at": client.created_at.isoformat(),
        "revoked_at": client.revoked_at.isoformat() if client.revoked_at else None,
    }


def _classes(stated: list[str] | None, sensitive: bool) -> frozenset[DataClass]:
    """The classes of fields a credential may read; labelled records are another option's."""
    chosen = credentials.DEFAULT_CLASSES
    if stated:
        chosen = frozenset(_word(DataClass, item, "--data-class") for item in stated)
        chosen |= {DataClass.PUBLIC}
    if not chosen <= credentials.DEFAULT_CLASSES:
        raise typer.BadParameter(
            "must be OPERATIONAL, FINANCIAL, PAYROLL or PHI; --sensitive is for labelled records.",
            param_hint="--data-class",
        )
    return chosen | {DataClass.PHI_SENSITIVE} if sensitive else chosen


def _practice_id(session: ScopedSession, practice: str | None) -> str | None:
    """The id of a practice named by id or by name."""
    if practice is None:
        return None
    return practices.named(session, practice).id


def _word(kind: Any, text: str, option: str) -> Any:
    try:
        return kind(text.upper())
    except ValueError:
        known = ", ".join(item.value for item in kind)
        raise typer.BadParameter(f"must be one of {known}.", param_hint=option) from None
