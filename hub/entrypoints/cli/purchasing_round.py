"""`mso-hub purchasing`: rounds of the database: their state, and demand from a file."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer

from hub.domain.agreements import practice_scope
from hub.domain.purchasing.requisition_file import read_requisition
from hub.domain.purchasing.round_rules import rules_from_json, rules_in_words
from hub.domain.supply_bids import read_bid
from hub.entrypoints.cli import common
from hub.entrypoints.cli.common import SCOPE, AsJson, Limit
from hub.entrypoints.purchasing_page import scenarios_page
from hub.errors import NotFound
from hub.services import bids, normalise, operators
from hub.storage import purchasing, requisitions, rounds, savings, scenarios
from hub.storage.session import ScopedSession
from hub.storage.tables import PurchasingRound

Named = Annotated[str, typer.Argument(metavar="ROUND", help="The round's name or id.")]
_LISTED = ("id", "name", "status", "opened_at", "locked_at", "plan_version", "plan_digest")
_GROUPS = {"practice": "practice_id", "category": "category", "supplier": "supplier_id"}
_SAVED = ("baseline", "planned", "planned_saving", "invoiced", "realised_saving")
_TOTALS = (
    "baseline",
    "goods",
    "freight",
    "returned",
    "planned_saving",
    "invoiced",
    "invoiced_freight",
    "rebates",
    "realised_saving",
)
_MONEY = ("standalone_cost", "pooled_cost", "lower_bound", "gap")


def register(app: typer.Typer) -> None:
    """Add the commands that need a database to `mso-hub purchasing`."""
    app.command("rounds")(list_rounds)
    app.command("show")(show)
    app.command("requisition")(requisition)
    app.command("bid")(bid)
    app.command("scenarios")(list_scenarios)
    app.command("savings")(show_savings)


def list_rounds(limit: Limit = 50, as_json: AsJson = False) -> None:
    """List rounds, newest first."""
    with common.opened() as hub, hub.database.read(SCOPE) as session:
        rows = [_facts(row) for row in purchasing.newest_rounds(session, limit)]
    if as_json:
        common.print_json({"rounds": rows})
    else:
        _print(rows, "name", "status", "opened_at", "plan_version", "pooled_cost", "gap", "id")


def show(named: Named, as_json: AsJson = False) -> None:
    """Show one round: its figures, rules, steps with who and why, and every version of its plan."""
    with common.opened() as hub, hub.database.read(SCOPE) as session:
        row = round_named(session, named)
        suppliers = {each.id: each.name for each in purchasing.suppliers(session)}
        rules = rules_in_words(rules_from_json(row.rules), suppliers)
        facts = {**_facts(row), "allocation_rule": row.allocation_rule, "rules": rules}
        steps = [
            common.fields_of(
                step, "number", "step", "to_status", "plan_version", "taken_by", "why", "taken_at"
            )
            for step in rounds.steps(session, row.id)
        ]
        plans = [
            {
                **common.fields_of(plan, "version", "digest", "solver_status", "created_at"),
                **_texts(plan, _MONEY),
            }
            for plan in rounds.plans(session, row.id)
        ]
    if as_json:
        common.print_json({**facts, "steps": steps, "plans": plans})
        return
    common.print_facts(facts)
    _print(steps, "number", "step", "to_status", "plan_version", "taken_by", "why", "taken_at")
    _print(plans, "version", "solver_status", "pooled_cost", "lower_bound", "gap", "digest")


def requisition(
    file: Annotated[Path, typer.Argument(help="A CSV file; see the purchasing how-to.")],
    named: Annotated[str, typer.Option("--round", help="The round's name or id.")],
    practice_id: Annotated[str, typer.Option("--practice", help="The practice's id.")],
    as_json: AsJson = False,
) -> None:
    """State a practice's demand from a file: every line is kept, each that waits has its reason.

    Takes the place of what the practice stated before. Audited.
    """
    lines = read_requisition(_content(file))
    with common.opened() as hub:
        who, now, scope = common.operator(), hub.now(), practice_scope(practice_id)

        def work(session: ScopedSession) -> tuple[normalise.Counts, list[dict[str, Any]]]:
            if not purchasing.practices(session, [practice_id]):
                raise NotFound(f"There is no practice {practice_id}.")
            round_id = round_named(session, named).id
            requisition_id, _ = normalise.upload(
                session,
                practice_id=practice_id,
                round_id=round_id,
                lines=lines,
                by=who.name,
                now=now,
            )
            counts = normalise.read_entries(
                session, practice_id=practice_id, requisition_id=requisition_id
            )
            operators.record(
                session,
                who,
                action="write",
                operation="purchasing requisition",
                entity="RequisitionEntry",
                count=len(lines),
                practice_ids=[practice_id],
                now=now,
            )
            rows = requisitions.entries(session, practice_id, requisition_id)
            waiting = [
                common.fields_of(row, "number", "state", "issue")
                for row in rows
                if row.state != "matched"
            ]
            return counts, waiting

        counts, waiting = hub.database.transaction(scope, work)
    figures = {name: getattr(counts, name) for name in counts.__dataclass_fields__}
    if as_json:
        common.print_json({**figures, "waiting": waiting})
        return
    common.print_facts(figures)
    if waiting:
        common.print_rows(waiting, {"line": "number", "state": "state", "why": "issue"})


def list_scenarios(
    named: Named,
    page: Annotated[
        Path | None, typer.Option(help="Write them as one HTML page with a chart.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show the scenarios of a round beside its plan: cost, difference, bound and what each
    changes."""
    with common.opened() as hub, hub.database.read(SCOPE) as session:
        row = round_named(session, named)
        facts = ("name", "state", "suppliers", "orders", "plan_version", "summary", "explanation")
        rows = [
            {
                **common.fields_of(each, *facts),
                **_texts(each, ("pooled_cost", "difference", "lower_bound", "gap")),
            }
            for each in scenarios.of_round(session, row.id)
        ]
        plan = {"name": row.name, **_texts(row, _MONEY), "plan_version": row.plan_version}
    if page is not None:
        page.write_text(scenarios_page(plan, rows), encoding="utf-8")
    if as_json:
        common.print_json({"plan": plan, "scenarios": rows})
        return
    common.print_facts(plan)
    _print(
        rows, "name", "state", "pooled_cost", "difference", "gap", "suppliers", "orders", "summary"
    )


def show_savings(
    named: Named,
    by: Annotated[str, typer.Option(help="practice, category, supplier or total.")] = "practice",
    as_json: AsJson = False,
) -> None:
    """Show what a round saves: planned against each practice's own earlier price, and realised by
    invoices. Goods only; `--by total` counts freight and rebates, per practice."""
    common.one_of(by, [*_GROUPS, "total"], "--by")
    with common.opened() as hub, hub.database.read(SCOPE) as session:
        row = round_named(session, named)
        if by == "total":
            totals = [
                {"practice": each.practice_id, **_texts(each, _TOTALS)}
                for each in savings.round_savings(session, row.id)
            ]
            if as_json:
                common.print_json({"round": row.name, "savings": totals})
            else:
                _print(totals, "practice", *_TOTALS)
            return
        names = {each.id: each.name for each in purchasing.suppliers(session)}
        sums: dict[str, list[Decimal]] = {}
        for each in savings.savings_of_round(session, row.id):
            key = getattr(each, _GROUPS[by])
            amounts = [getattr(each, name) for name in _SAVED]
            total = sums.setdefault(names.get(key, key), [Decimal("0.00")] * len(amounts))
            sums[names.get(key, key)] = [a + b for a, b in zip(total, amounts, strict=True)]
    rows = [
        {by: key, **{name: str(v) for name, v in zip(_SAVED, values, strict=True)}}
        for key, values in sorted(sums.items())
    ]
    if as_json:
        common.print_json({"round": row.name, "savings": rows})
    else:
        _print(rows, by, *_SAVED)


def bid(
    file: Annotated[Path, typer.Argument(help="A bid, a JSON file; see the how-to on bids.")],
    as_json: AsJson = False,
) -> None:
    """Keep a supplier's bid from a file, sealed until the deadline of its invitation. Audited."""
    content = _content(file)
    with common.opened() as hub:
        who, now = common.operator(), hub.now()

        def work(session: ScopedSession) -> str:
            found = read_bid(content)
            outcome = bids.receive(session, hub.crypto, found, channel="file", by=who.name, now=now)
            operators.record(
                session,
                who,
                action="write",
                operation="purchasing bid",
                entity="Bid",
                count=1,
                now=now,
            )
            return outcome.value

        outcome = hub.database.transaction(SCOPE, work)
    if as_json:
        common.print_json({"outcome": outcome})
    else:
        typer.echo("The bid is sealed." if outcome != "unchanged" else "The bid was there already.")


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"cannot be read: {error.strerror}.", param_hint="FILE") from None


def round_named(session: ScopedSession, named: str) -> PurchasingRound:
    """The round of this name or id; NotFound otherwise."""
    row = purchasing.round_by_name(session, named) or purchasing.get_round(session, named)
    if row is None:
        raise NotFound(f"There is no purchasing round {named}.")
    return row


def _facts(row: PurchasingRound) -> dict[str, Any]:
    return {**common.fields_of(row, *_LISTED), **_texts(row, _MONEY)}


def _texts(row: object, names: tuple[str, ...]) -> dict[str, str | None]:
    values = {name: getattr(row, name) for name in names}
    return {name: None if value is None else str(value) for name, value in values.items()}


def _print(rows: list[dict[str, Any]], *columns: str) -> None:
    common.print_rows(rows, {name.replace("_", " "): name for name in columns})
