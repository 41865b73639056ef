"""`mso-hub payer` and `mso-hub supplier`: who is reached over which connection."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Annotated, Any

import typer

from connectors import registry
from hub.entrypoints.cli import common
from hub.entrypoints.cli.common import SCOPE, AsJson
from hub.errors import Rejected
from hub.services import connections, trading_partners
from hub.services.operators import Operator
from hub.storage.session import ScopedSession
from hub.storage.tables import Payer, Supplier

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
_AMOUNTS = ("min_order", "shipping_fee", "free_shipping_from")
_FIELDS = {
    "payer": ("id", "code", "name", "route_id", "connection_id", "enrollment"),
    "supply": ("id", "name", "connection_id", *_AMOUNTS),
}
"""What is shown of who is reached by a connector of a kind."""


@payer.command("list")
def list_payers(as_json: AsJson = False) -> None:
    """List the payers."""
    _list("payers", trading_partners.payers, "payer", as_json)


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
    values = common.given(name=name, route_id=route_id, enrollment=enrollment)
    add = partial(trading_partners.add_payer, code=code)
    _write("Added payer", add, values, connection, "payer", as_json)


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
    values = common.given(name=name, route_id=route_id, enrollment=enrollment)
    common.require_some(values, connection)
    change = partial(trading_partners.change_payer, code=code)
    _write("Changed payer", change, values, connection, "payer", as_json)


@supplier.command("list")
def list_suppliers(as_json: AsJson = False) -> None:
    """List the suppliers."""
    _list("suppliers", trading_partners.suppliers, "supply", as_json)


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
    add = partial(trading_partners.add_supplier, amounts=amounts)
    _write("Added supplier", add, {"name": name}, connection, "supply", as_json)


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
    values, amounts = common.given(name=name), _amounts(min_order, shipping_fee, free_shipping_from)
    common.require_some(values, amounts, connection)
    change = partial(trading_partners.change_supplier, supplier=named, amounts=amounts)
    _write("Changed supplier", change, values, connection, "supply", as_json)


def _list(what: str, find: Callable[[ScopedSession], Any], kind: str, as_json: bool) -> None:
    with common.opened() as hub, hub.database.read(SCOPE) as session:
        rows = [common.fields_of(each, *_FIELDS[kind]) for each in find(session)]
    if as_json:
        common.print_json({what: rows})
    else:
        common.print_rows(rows, {name: name for name in _FIELDS[kind]})


def _write(
    done: str,
    write: Callable[..., Payer | Supplier],
    values: dict[str, str],
    connection: str | None,
    kind: str,
    as_json: bool,
) -> None:
    """`write` the values and the id of the connection, whose connector must be of that kind."""

    def work(session: ScopedSession, who: Operator, now: datetime) -> dict[str, Any]:
        given = values if connection is None else {**values, **_reached(session, connection, kind)}
        partner = write(session, values=given, operator=who, now=now)
        return common.fields_of(partner, *_FIELDS[kind])

    common.carry_out(done, work, as_json)


def _reached(session: ScopedSession, connection: str, kind: str) -> dict[str, str]:
    row = connections.named(session, connection)
    if registry.get(row.connector_id).kind != kind:
        raise Rejected(f'"{row.name}" is no connection of a {kind} connector.')
    return {"connection_id": row.id}


def _amounts(*given: str | None) -> dict[str, Decimal]:
    found = {}
    for key, text in zip(_AMOUNTS, given, strict=True):
        if text is not None:
            try:
                found[key] = Decimal(text)
            except InvalidOperation:
                option = f"--{key.replace('_', '-')}"
                raise typer.BadParameter("must be like 25.00.", param_hint=option) from None
    return found
