"""`mso-hub practice`: the practices the MSO works for."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import typer

from hub.entrypoints.cli import common
from hub.entrypoints.cli.common import SCOPE, AsJson, Reason
from hub.services import agreements, practices
from hub.storage.session import ScopedSession
from hub.storage.tables import Practice

app = typer.Typer(no_args_is_help=True, help="The practices the MSO works for.")

Named = Annotated[str, typer.Argument(help="The practice's name or id.")]
Npi = Annotated[str | None, typer.Option(help="Its National Provider Identifier (type 2).")]
CareModel = Annotated[str | None, typer.Option(help="Such as primary_care or specialty.")]
Specialty = Annotated[list[str] | None, typer.Option(help="Repeat for each.")]
Text = Annotated[str | None, typer.Option()]
_COLUMNS = {
    name: name for name in ("id", "name", "npi", "zone", "domains", "ended_on", "kept_until")
}


@app.command("list")
def list_practices(as_json: AsJson = False) -> None:
    """List the practices with the domains in which an agreement is in force; of those whose
    agreements are over, since when, and until when what there is of them has to be kept."""
    with common.opened() as hub, hub.database.read(SCOPE) as session:
        rows = [_listed(session, practice, hub.now()) for practice in practices.listed(session)]
    if as_json:
        common.print_json({"practices": rows})
    else:
        common.print_rows(rows, _COLUMNS)


def _listed(session: ScopedSession, practice: Practice, now: datetime) -> dict[str, Any]:
    standing = agreements.standing(session, practice, now=now)
    return {
        **_shown(practice),
        "domains": list(standing.domains),
        "ended_on": common.plain(standing.ended_on),
        "kept_until": common.plain(standing.kept_until),
    }


def _shown(practice: Practice) -> dict[str, Any]:
    return common.fields_of(practice, "id", "name", *practices.DETAILS, "specialties")


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="Its name.")],
    zone: Annotated[str, typer.Option(help="Its time zone, such as America/Chicago.")],
    npi: Npi = None,
    care_model: CareModel = None,
    specialty: Specialty = None,
    phone: Text = None,
    line1: Text = None,
    city: Text = None,
    state: Text = None,
    postal_code: Text = None,
    as_json: AsJson = False,
) -> None:
    """Add a practice. The MSO sees nothing of it until `mso-hub agreement add`. Audited."""
    details = _given(
        npi=npi, care_model=care_model, zone=zone, phone=phone, line1=line1, city=city,
        state=state, postal_code=postal_code,
    )  # fmt: skip

    def work(session: ScopedSession) -> dict[str, Any]:
        who, now = common.operator(), hub.now()
        return _shown(practices.add(session, name, details, specialty or [], operator=who, now=now))

    with common.opened() as hub:
        _told("Added", hub.database.transaction(SCOPE, work), as_json)


@app.command()
def change(
    practice: Named,
    reason: Reason,
    name: Text = None,
    zone: Text = None,
    npi: Npi = None,
    care_model: CareModel = None,
    specialty: Specialty = None,
    phone: Text = None,
    line1: Text = None,
    city: Text = None,
    state: Text = None,
    postal_code: Text = None,
    as_json: AsJson = False,
) -> None:
    """Change what is known of a practice; what is not named stays. Audited."""
    details = _given(
        name=name, npi=npi, care_model=care_model, zone=zone, phone=phone, line1=line1, city=city,
        state=state, postal_code=postal_code,
    )  # fmt: skip
    if not details and specialty is None:
        raise typer.BadParameter("name what is to be changed.")

    def work(session: ScopedSession) -> dict[str, Any]:
        who, now = common.operator(), hub.now()
        changed = practices.change(
            session, practice, details, specialty, operator=who, reason=reason, now=now
        )
        return _shown(changed)

    with common.opened() as hub:
        _told("Changed", hub.database.transaction(SCOPE, work), as_json)


def _given(**values: str | None) -> dict[str, str]:
    return {key: value for key, value in values.items() if value is not None}


def _told(done: str, shown: dict[str, Any], as_json: bool) -> None:
    if as_json:
        common.print_json(shown)
    else:
        typer.echo(f"{done} {shown['name']}, {shown['id']}.")
