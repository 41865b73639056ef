"""`mso-hub payer` and `mso-hub supplier`: who is reached over which connection."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

import typer

from connectors import registry
from hub.entrypoints.cli import common
from hub.entrypoints.cli.common import SCOPE, AsJson
from hub.errors import Rejected
from hub.services import connections, trading_partners
from hub.storage.session import ScopedSession

payer = typer.Typer(no_args_is_help=True, help="The directory of payers.")
supplier = typer.Typer(no_args_is_help=True, help="The suppliers of goods.")

Code = Annotated[str, typer.Argument(help="The code that senders give the payer (IN1-3).")]
Connection = Annotated[str | None, typer.Option(help="The connection it is reached by.")]
Text = Annotated[str | None, typer.Option()]
RouteId = Annotated[str | None, typer.Option(help="Its id on the wire. Default: the code.")]
Enrollment = Annotated[
    str | None, typer.Option(help=f"One of {', '.join(trading_partners.ENROLLMENTS)}.")
]
Amount = Annotated[str | None, typer.Option(help="Dollars and cents, such as 25.00.")]
_PAYER = ("id", "code", "name", "route_id", "connection_id", "enrollment")
_SUPPLIER = ("id", "name", "connection_id", "min_order", "shipping_fee", "free_shipping_from")


@payer.command("list")
def list_payers(as_json: AsJson = False) -> None:
    """List the payers."""
    _list("payers", trading_partners.payers, _PAYER, as_json)


@payer.command("add")
def add_payer(
    code: Code,
    name: Text = None,
    route_id: RouteId = None,
    connection: Connection = None,
    enrollment: Enrollment = None,
    as_json: AsJson = False,
) -> None:
    """Add a payer; without a connection nobody can be asked. Audited."""
    given = {"name": name, "route_id": route_id, "enrollment": enrollment}

    def work(session: ScopedSession) -> dict[str, Any]:
        values = _texts(session, given, connection, "payer")
        who, now = common.operator(), hub.now()
        added = trading_partners.add_payer(session, code, values, operator=who, now=now)
        return _shown(added, _PAYER)

    with common.opened() as hub:
        _told("Added payer", hub.database.transaction(SCOPE, work), as_json)


@payer.command("change")
def change_payer(
    code: Code,
    name: Text = None,
    route_id: RouteId = None,
    connection: Connection = None,
    enrollment: Enrollment = None,
    as_json: AsJson = False,
) -> None:
    """Change what is known of a payer; what is not named stays. Audited."""
    given = {"name": name, "route_id": route_id, "enrollment": enrollment}

    def work(session: ScopedSession) -> dict[str, Any]:
        values = _texts(session, given, connection, "payer")
        _require_some(values)
        who, now = common.operator(), hub.now()
        changed = trading_partners.change_payer(session, code, values, operator=who, now=now)
        return _shown(changed, _PAYER)

    with common.opened() as hub:
        _told("Changed payer", hub.database.transaction(SCOPE, work), as_json)


@supplier.command("list")
def list_suppliers(as_json: AsJson = False) -> None:
    """List the suppliers."""
    _list("suppliers", trading_partners.suppliers, _SUPPLIER, as_json)


@supplier.command("add")
def add_supplier(
    name: Annotated[str, typer.Argument(help="Its name.")],
    connection: Annotated[str, typer.Option(help="The connection it is reached by.")],
    min_order: Amount = None,
    shipping_fee: Amount = None,
    free_shipping_from: Amount = None,
    as_json: AsJson = False,
) -> None:
    """Add a supplier; what it offers is read by the jobs of its connection. Audited."""
    amounts = _amounts(min_order, shipping_fee, free_shipping_from)

    def work(session: ScopedSession) -> dict[str, Any]:
        values = _texts(session, {"name": name}, connection, "supply")
        who, now = common.operator(), hub.now()
        added = trading_partners.add_supplier(session, values, amounts, operator=who, now=now)
        return _shown(added, _SUPPLIER)

    with common.opened() as hub:
        _told("Added supplier", hub.database.transaction(SCOPE, work), as_json)


@supplier.command("change")
def change_supplier(
    named: Annotated[str, typer.Argument(metavar="SUPPLIER", help="Its name or id.")],
    name: Text = None,
    connection: Connection = None,
    min_order: Amount = None,
    shipping_fee: Amount = None,
    free_shipping_from: Amount = None,
    as_json: AsJson = False,
) -> None:
    """Change what is known of a supplier; what is not named stays. Audited."""
    amounts = _amounts(min_order, shipping_fee, free_shipping_from)

    def work(session: ScopedSession) -> dict[str, Any]:
        values = _texts(session, {"name": name}, connection, "supply")
        _require_some({**values, **amounts})
        who, now = common.operator(), hub.now()
        changed = trading_partners.change_supplier(
            session, named, values, amounts, operator=who, now=now
        )
        return _shown(changed, _SUPPLIER)

    with common.opened() as hub:
        _told("Changed supplier", hub.database.transaction(SCOPE, work), as_json)


def _list(
    what: str, find: Callable[[ScopedSession], Any], fields: tuple[str, ...], as_json: bool
) -> None:
    with common.opened() as hub, hub.database.read(SCOPE) as session:
        rows = [_shown(each, fields) for each in find(session)]
    if as_json:
        common.print_json({what: rows})
    else:
        common.print_rows(rows, {name: name for name in fields})


def _texts(
    session: ScopedSession, values: dict[str, str | None], connection: str | None, kind: str
) -> dict[str, str]:
    """The values that are given, and the id of the connection, whose connector is of that kind."""
    given = {key: value for key, value in values.items() if value is not None}
    if connection is not None:
        row = connections.named(session, connection)
        if registry.get(row.connector_id).kind != kind:
            raise Rejected(f'"{row.name}" is no connection of a {kind} connector.')
        given["connection_id"] = row.id
    return given


def _amounts(*given: str | None) -> dict[str, Decimal]:
    found = {}
    for key, text in zip(_SUPPLIER[3:], given, strict=True):
        if text is not None:
            try:
                found[key] = Decimal(text)
            except InvalidOperation:
                option = f"--{key.replace('_', '-')}"
                raise typer.BadParameter("must be like 25.00.", param_hint=option) from None
    return found


def _require_some(values: dict[str, Any]) -> None:
    if not values:
        raise typer.BadParameter("name what is to be changed.")


def _shown(row: object, fields: tuple[str, ...]) -> dict[str, Any]:
    return common.fields_of(row, *fields)


def _told(done: str, shown: dict[str, Any], as_json: bool) -> None:
    if as_json:
        common.print_json(shown)
    else:
        typer.echo(f"{done} {shown['name']}, {shown['id']}.")
