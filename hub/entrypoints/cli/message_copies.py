"""`mso-hub message edit` and `forward`: a stored message once more."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hub.entrypoints.cli import common
from hub.entrypoints.cli.common import SCOPE, AsJson, Reason
from hub.entrypoints.hl7_judging_again import judged_copy
from hub.entrypoints.hl7_route_table import routes_of
from hub.services import copies, operators
from hub.services.operators import stated_reason
from hub.storage.session import ScopedSession
from hub.storage.tables import InboundMessage

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
    stated = stated_reason(reason)
    with common.opened() as hub:
        who, now = common.operator(), hub.now()

        def work(session: ScopedSession) -> str:
            source = copies.original(session, id)
            operators.record_change(
                session, who, "message edit", "InboundMessage", source.practice_id,
                reason=stated, now=now,
            )  # fmt: skip
            return copies.add(session, hub.crypto, id, judged, to=to, now=now)

        with hub.database.read(SCOPE) as session:
            source = copies.original(session, id)
            judged = judged_copy(routes_of(session), source, file.read_bytes(), now)
        copy = hub.database.transaction(SCOPE, work)
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
    stated = stated_reason(reason)
    with common.opened() as hub:
        who, now = common.operator(), hub.now()

        def work(session: ScopedSession) -> list[str]:
            queued = copies.forward(session, hub.crypto, ids, to=to, now=now)
            sent = [session.get_one(InboundMessage, one) for one in dict.fromkeys(ids)]
            operators.record(
                session,
                who,
                action="execute",
                operation="message forward",
                entity="InboundMessage",
                count=len(queued),
                practice_ids=[row.practice_id for row in sent],
                reason=stated,
                now=now,
            )
            return queued

        queued = hub.database.transaction(SCOPE, work)
    if as_json:
        common.print_json({"messages": queued})
    else:
        typer.echo(f"{len(queued)} messages are queued for {to}.")
