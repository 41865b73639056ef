"""`mso-hub audit`: who saw whom, and whether the trail is whole."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from hub import settings
from hub.domain.agreements import operations_scope
from hub.entrypoints.cli import common
from hub.entrypoints.cli.common import SCOPE, AsJson, Limit
from hub.entrypoints.hub import open_hub
from hub.services import accesses
from hub.storage import anchors, audit
from hub.storage.reads.write import read_global_id
from hub.storage.session import ScopedSession

app = typer.Typer(no_args_is_help=True, help="The audit trail.")

_LISTED = (
    "sequence", "recorded_at", "principal_id", "principal_name", "purpose", "action", "outcome",
    "operation", "entities", "practice_ids", "reason",
)  # fmt: skip
_COLUMNS = {
    "number": "sequence", "recorded": "recorded_at", "who": "principal_name", "purpose": "purpose",
    "action": "action", "outcome": "outcome", "operation": "operation", "rows": "entities",
    "reason": "reason",
}  # fmt: skip


@app.command("list")
def list_events(
    patient: Annotated[
        str | None, typer.Option(help="Only events about this patient, by their id.")
    ] = None,
    by: Annotated[
        str | None, typer.Option(help="Only what this credential (id or name) or os:user did.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="An age like 7d, or a time like 2026-03-01T08:00Z.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Before this age or time.")] = None,
    patients: Annotated[
        bool, typer.Option("--patients", help="Add the ids of the patients each event is about.")
    ] = False,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """List audit events, newest first: who saw a patient, or what somebody saw. Audited."""
    with common.opened() as hub:
        who, now = common.operator(), hub.now()
        wanted = accesses.Wanted(
            patient=_patient_id(patient),
            by=by,
            since=common.moment(since, now, "--since"),
            until=common.moment(until, now, "--until"),
        )

        def work(session: ScopedSession) -> list[dict[str, Any]]:
            found = accesses.find(session, hub.crypto, wanted, limit=limit)
            rows = [common.fields_of(event, *_LISTED) for event in found]
            if patients:
                named = accesses.patients_of(session, hub.crypto, found)
                rows = [{**row, "patients": named[row["sequence"]]} for row in rows]
            accesses.note(session, who, wanted, len(found), now=now)
            return rows

        rows = hub.database.transaction(SCOPE, work)
    if as_json:
        common.print_json({"events": rows})
    else:
        shown = {**_COLUMNS, "patients": "patients"} if patients else _COLUMNS
        common.print_rows(rows, shown)


@app.command()
def verify(as_json: AsJson = False) -> None:
    """Check the hash chain of the audit trail and its signed heads kept outside of the database.

    Exit 1 names the first event that does not fit.
    """
    hub = open_hub(settings.load())
    try:
        kept = anchors.read(hub.settings.resolved_audit_anchors(), hub.crypto)
        with hub.database.read(operations_scope("audit verify")) as session:
            verdict = audit.verify(session, kept)
    finally:
        hub.close()
    if as_json:
        facts = {
            "intact": verdict.intact,
            "events": verdict.events,
            "anchors": len(kept),
            "bad_sequence": verdict.bad_sequence,
        }
        typer.echo(json.dumps(facts))
    elif verdict.intact:
        typer.echo(f"The audit trail is intact: {verdict.events} events.")
    if not verdict.intact:
        if not as_json:
            typer.echo(
                f"mso-hub: The audit trail breaks at event {verdict.bad_sequence}.", err=True
            )
        raise typer.Exit(1)


def _patient_id(given: str | None) -> str | None:
    """The id in the database, also from a global id of GraphQL."""
    found = None if given is None else read_global_id(given)
    return found[1] if found is not None and found[0] == "Patient" else given
