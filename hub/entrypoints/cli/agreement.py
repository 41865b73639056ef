"""`mso-hub agreement`: what practices let the MSO see and do in each domain, and for how long."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from hub.domain.agreements import Domain, Granularity, Purpose
from hub.entrypoints.cli import common
from hub.entrypoints.cli.common import SCOPE, AsJson, Reason
from hub.services import agreements
from hub.services.agreements import Grant
from hub.storage.session import ScopedSession
from hub.storage.tables import ServiceAgreement

app = typer.Typer(no_args_is_help=True, help="Service agreements of practices with the MSO.")

Named = Annotated[str, typer.Argument(help="The practice's name or id.")]
_TERM = (
    "domain", "granularity", "purposes", "starts_on", "ends_on", "data_aggregation",
    "delegates_purchase_approval", "sensitive_records", "retention_days_after_end",
)  # fmt: skip
_COLUMNS = {
    "practice": "practice",
    **{name: name for name in _TERM[:5]},
    "aggregation": "data_aggregation",
    "approval": "delegates_purchase_approval",
    "sensitive": "sensitive_records",
    "kept days": "retention_days_after_end",
}


@app.command("list")
def list_terms(
    practice: Annotated[str | None, typer.Argument(help="Only of this practice.")] = None,
    as_json: AsJson = False,
) -> None:
    """List every term, those that are over too, with the first day it holds and the first it no
    longer does, in the practice's time zone."""
    with common.opened() as hub, hub.database.read(SCOPE) as session:
        rows = [
            {"practice": name, **_shown(term)}
            for term, name in agreements.listed(session, practice)
        ]
    if as_json:
        common.print_json({"terms": rows})
    else:
        common.print_rows(rows, _COLUMNS)


def _shown(term: ServiceAgreement) -> dict[str, Any]:
    return common.fields_of(term, *_TERM)


@app.command()
def add(
    practice: Named,
    domain: Annotated[
        list[str], typer.Option(help=f"One of {', '.join(Domain)}; repeat for each.")
    ],
    granularity: Annotated[
        str, typer.Option(help=f"What the MSO sees: one of {', '.join(Granularity)}.")
    ],
    starts_on: Annotated[
        str, typer.Option(help="The first day it holds, such as 2026-12-01.", metavar="DATE")
    ],
    reason: Reason,
    purpose: Annotated[
        list[str] | None, typer.Option(help=f"One of {', '.join(Purpose)}; repeat for each.")
    ] = None,
    ends_on: Annotated[
        str | None, typer.Option(help="The first day it no longer holds.", metavar="DATE")
    ] = None,
    data_aggregation: Annotated[
        bool, typer.Option(help="Its data may go into figures of several practices.")
    ] = False,
    delegates_purchase_approval: Annotated[
        bool, typer.Option(help="The MSO may approve its purchases (SUPPLY).")
    ] = False,
    sensitive_records: Annotated[
        bool, typer.Option(help="Records with a sensitivity label too (42 CFR Part 2).")
    ] = False,
    retention_days_after_end: Annotated[
        int | None,
        typer.Option(help="Days the hub keeps what it holds once all its terms are over."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Add a term for each domain. The one in force on its first day ends there; it holds until the
    next one begins. Audited."""
    grant = Grant(
        [Domain(str(common.one_of(word, list(Domain), "--domain"))) for word in domain],
        Granularity(str(common.one_of(granularity, list(Granularity), "--granularity"))),
        [Purpose(str(common.one_of(word, list(Purpose), "--purpose"))) for word in purpose or ()],
        common.day(starts_on, "--starts-on"),
        common.day(ends_on, "--ends-on") if ends_on else None,
        data_aggregation,
        delegates_purchase_approval,
        sensitive_records,
        retention_days_after_end,
    )

    def work(session: ScopedSession) -> list[dict[str, Any]]:
        who, now = common.operator(), hub.now()
        added = agreements.add(session, practice, grant, operator=who, reason=reason, now=now)
        return [_shown(term) for term in added]

    with common.opened() as hub:
        added = hub.database.transaction(SCOPE, work)
    if as_json:
        common.print_json({"terms": added})
    else:
        for term in added:
            until = f" until {term['ends_on']}" if term["ends_on"] else ""
            typer.echo(f"{term['domain']}: {term['granularity']} from {term['starts_on']}{until}.")


@app.command()
def end(
    practice: Named,
    reason: Reason,
    domain: Annotated[
        list[str] | None, typer.Option(help="Only this one; repeat. Default: all.")
    ] = None,
    on: Annotated[
        str | None,
        typer.Option(help="The first day they no longer hold. Default: today.", metavar="DATE"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """End terms from a day on; those to begin later never do. Today counts at once. Audited."""
    domains = [Domain(str(common.one_of(word, list(Domain), "--domain"))) for word in domain or ()]
    day = common.day(on, "--on") if on else None

    def work(session: ScopedSession) -> int:
        who, now = common.operator(), hub.now()
        return agreements.end(session, practice, domains, day, operator=who, reason=reason, now=now)

    with common.opened() as hub:
        count = hub.database.transaction(SCOPE, work)
    if as_json:
        common.print_json({"ended": count})
    else:
        typer.echo(f"{count} terms of {practice} end.")
