"""`mso-hub practice`: the practices the MSO works for."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import typer

from hub.entrypoints.cli import common
from hub.entrypoints.cli.common import SCOPE, AsJson, Reason
from hub.services import agreements, practices
from hub.services.operators import Operator
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
        found = agreements.standings(session, practices.listed(session), now=hub.now())
        rows = [
            {
                **_shown(practice),
                "domains": list(standing.domains),
                "ended_on": common.plain(standing.ended_on),
                "kept_until": common.plain(standing.kept_until),
            }
            for practice, standing in found
        ]
    if as_json:
        common.print_json({"practices": rows})
    else:
        common.print_rows(rows, _COLUMNS)


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
    details = common.given(
        npi=npi, care_model=care_model, zone=zone, phone=phone, line1=line1, city=city,
        state=state, postal_code=postal_code,
    )  # fmt: skip

    def work(session: ScopedSession, who: Operator, now: datetime) -> dict[str, Any]:
        return _shown(practices.add(session, name, details, specialty or [], operator=who, now=now))

    common.carry_out("Added", work, as_json)


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
    details = common.given(
        name=name, npi=npi, care_model=care_model, zone=zone, phone=phone, line1=line1, city=city,
        state=state, postal_code=postal_code,
    )  # fmt: skip
    common.require_some(details, specialty)

    def work(session: ScopedSession, who: Operator, now: datetime) -> dict[str, Any]:
        changed = practices.change(
            session, practice, details, specialty, operator=who, reason=reason, now=now
        )
        return _shown(changed)

    common.carry_out("Changed", work, as_json)
