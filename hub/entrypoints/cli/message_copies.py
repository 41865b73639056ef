"""`mso-hub message edit` and `forward`: a stored message once more."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from connectors.sdk.hl7v2.acks import new_control_id
from connectors.sdk.hl7v2.batches import is_batch
from connectors.sdk.hl7v2.header import with_control_id
from hub.entrypoints.cli import common
from hub.entrypoints.cli.common import SCOPE, AsJson, Reason
from hub.entrypoints.hl7_judging_again import JudgesAgain
from hub.services import copies

_ID = typer.Argument(help="The message's id, as `list` shows it.")


def edit(
    id: Annotated[str, _ID],
    file: Annotated[
        Path, typer.Option(exists=True, dir_okay=False, help="The message as it should have been.")
    ],
    reason: Reason,
    to: Annotated[
        str | None, typer.Option("--to", help="Send it to this destination only; it is not read.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Store an edited copy of a message under a control id of its own; it names the message it was
    made of, which stays as it is. Audited."""
    content = with_control_id(file.read_bytes(), new_control_id())
    if content is None or is_batch(content):
        raise typer.BadParameter("must hold one message that begins with MSH.", param_hint="--file")
    with common.opened() as hub:
        who, now = common.operator(), hub.now()
        with hub.database.read(SCOPE) as session:
            judged = JudgesAgain(hub)(copies.original(session, id), content)
        copy = hub.database.transaction(
            SCOPE,
            lambda session: copies.add(
                session, hub.crypto, id, judged, to=to, operator=who, reason=reason, now=now
            ),
        )
    if as_json:
        common.print_json({"message": copy, "copy_of": id})
    else:
        typer.echo(f"Stored as {copy}.")


def forward(
    ids: Annotated[list[str], _ID],
    to: Annotated[str, typer.Option("--to", help="Name or id of the destination.")],
    reason: Reason,
    as_json: AsJson = False,
) -> None:
    """Queue stored messages for one destination, byte for byte, in the order they came. Audited."""
    with common.opened() as hub:
        who, now = common.operator(), hub.now()
        queued = hub.database.transaction(
            SCOPE,
            lambda session: copies.forward(
                session, hub.crypto, ids, to=to, operator=who, reason=reason, now=now
            ),
        )
    if as_json:
        common.print_json({"messages": queued})
    else:
        typer.echo(f"{len(queued)} messages are queued for {to}.")
