"""`mso-hub consent`: patients' consents to what the MSO sees of labelled records."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Annotated, Any

import typer

from hub.domain.agreements import Purpose
from hub.entrypoints.cli import common
from hub.entrypoints.cli.common import SCOPE, AsJson, Reason
from hub.entrypoints.hub import Hub
from hub.services import consents, practices
from hub.services.consent_references import COLUMNS, opened
from hub.storage.reads.write import read_global_id
from hub.storage.session import ScopedSession
from hub.storage.tables import Consent

app = typer.Typer(
    no_args_is_help=True, help="Patients' consents to what the MSO sees of labelled records."
)

Named = Annotated[str, typer.Argument(help="The practice's name or id.")]
_FIELDS = (
    "id", "patient_id", "sensitivity", "purpose", "granted_on", "starts_at", "ends_at",
    "reference", "recorded_at", "recorded_by", "revoked_at", "revoked_by", "revocation_reference",
)  # fmt: skip
_COLUMNS = {name: name for name in (*_FIELDS[:7], "revoked_at")}


@app.command("list")
def list_consents(
    practice: Named,
    patient: Annotated[
        str | None, typer.Option(help="Only of this one, by the id the hub has for them.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the consents of a practice's patients, those that are over too. Audited."""

    def work(session: ScopedSession) -> list[dict[str, Any]]:
        found = consents.listed(
            session, hub.crypto, _actor(),
            practice_id=practices.named(session, practice).id,
            patient_id=None if patient is None else _id(patient, "Patient"),
            now=hub.now(),
        )  # fmt: skip
        return [_shown(hub, row) for row in found]

    with common.opened() as hub:
        rows = hub.database.transaction(SCOPE, work)
    if as_json:
        common.print_json({"consents": rows})
    else:
        common.print_rows(rows, _COLUMNS)


@app.command()
def record(
    practice: Named,
    patient: Annotated[str, typer.Argument(help="The id the hub has for the patient.")],
    label: Annotated[str, typer.Argument(help="The label of the records, such as SUD.")],
    granted_on: Annotated[
        str, typer.Option(help="The day it was signed, such as 2026-12-01.", metavar="DATE")
    ],
    reference: Annotated[str, typer.Option(help="Where the signed document is.")],
    reason: Reason,
    purpose: Annotated[
        str | None, typer.Option(help=f"One of {', '.join(Purpose)}. Default: every one.")
    ] = None,
    starts_on: Annotated[
        str | None,
        typer.Option(help="The first day it holds. Default: when it was signed.", metavar="DATE"),
    ] = None,
    ends_on: Annotated[
        str | None, typer.Option(help="The first day it no longer holds.", metavar="DATE")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write a patient's consent down. Audited."""
    chosen = common.one_of(purpose, list(Purpose), "--purpose")
    terms = consents.Terms(
        label=label,
        purpose=None if chosen is None else Purpose(chosen),
        granted_on=common.day(granted_on, "--granted-on"),
        starts_on=_given_day(starts_on, "--starts-on"),
        ends_on=_given_day(ends_on, "--ends-on"),
        reference=reference,
    )

    def work(hub: Hub, session: ScopedSession) -> Consent:
        return consents.record(
            session, hub.crypto, _actor(),
            practice_id=practices.named(session, practice).id,
            patient_id=_id(patient, "Patient"),
            terms=terms, now=hub.now(), reason=reason,
        )  # fmt: skip

    _change(work, "Recorded", as_json)


@app.command()
def revoke(
    practice: Named,
    consent: Annotated[str, typer.Argument(help="The consent's id.")],
    reason: Reason,
    reference: Annotated[str, typer.Option(help="Where what revokes it is.")] = "",
    as_json: AsJson = False,
) -> None:
    """End a consent at once; it stays in the register. Audited."""

    def work(hub: Hub, session: ScopedSession) -> Consent:
        return consents.revoke(
            session, hub.crypto, _actor(),
            practice_id=practices.named(session, practice).id,
            consent_id=_id(consent, "Consent"),
            reference=reference, now=hub.now(), reason=reason,
        )  # fmt: skip

    _change(work, "Revoked", as_json)


def _change(work: Callable[[Hub, ScopedSession], Consent], done: str, as_json: bool) -> None:
    with common.opened() as hub:
        row = hub.database.transaction(SCOPE, lambda session: work(hub, session))
        shown = _shown(hub, row)
    if as_json:
        common.print_json({"consent": shown})
    else:
        typer.echo(f"{done} {shown['id']}.")


def _shown(hub: Hub, row: Consent) -> dict[str, Any]:
    """A consent with its references readable, null where nobody can read them any more."""
    found = common.fields_of(row, *_FIELDS)
    return found | {
        column: opened(hub.crypto, row.id, getattr(row, column), column=column)
        for column in COLUMNS
    }


def _actor() -> consents.Actor:
    who = common.operator()
    return consents.Actor(f"os:{who.name}", who.name, Purpose.OPERATIONS)


def _id(given: str, kind: str) -> str:
    """The id in the database, also from a global id of GraphQL."""
    found = read_global_id(given)
    return found[1] if found is not None and found[0] == kind else given


def _given_day(text: str | None, option: str) -> date | None:
    return None if text is None else common.day(text, option)
