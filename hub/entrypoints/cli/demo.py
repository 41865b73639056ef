"""`mso-hub demo`: the whole hub with simulated vendors, on this machine only."""

from __future__ import annotations

import json
import signal
import sys
import threading
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table

from hub import log, settings
from hub.entrypoints.demo import access
from hub.entrypoints.demo.run import Demo, run_all, running
from hub.entrypoints.demo.world import FEWEST, MOST, open_world, stored_world
from hub.entrypoints.hub import open_hub, utc_now
from hub.errors import BadSetting

QUERY = (
    "{ practices(first: 3) { nodes { name "
    "patients(first: 5) { nodes { familyName birthDate } } } } }"
)
DEFAULT_PRACTICES, DEFAULT_SEED = 12, 1
Port = Annotated[
    int | None, typer.Option(min=0, max=65535, help="0 picks a free port; so does --once.")
]
GRAPHQL_SECONDS = 60.0
"""Its queries wait beside the feeds of all practices and a solver, perhaps on a slow machine."""


def demo(
    once: Annotated[bool, typer.Option("--once", help="Stop when everything was done.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON summary.")] = False,
    practices: Annotated[
        int | None,
        typer.Option(
            min=FEWEST,
            max=MOST,
            help=f"How many; {DEFAULT_PRACTICES}, or as many as the data is of.",
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(help=f"Another seed, another synthetic MSO; {DEFAULT_SEED}, or the data's."),
    ] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Where the data lies.")] = None,
    http_port: Port = None,
    mllp_port: Port = None,
) -> None:
    """Run the hub end to end: HL7, eligibility, payroll, group purchasing, orders, GraphQL."""
    given = settings.load()
    if given.profile == "production":
        raise BadSetting(
            "HUB_PROFILE is production: the demonstration would write invented patients into its "
            "database. Unset HUB_PROFILE and HUB_DATABASE_URL."
        )
    folder = data_dir or given.data_dir / "demo"
    seed, practices = _which(folder, seed, practices)
    current = settings.load(
        profile="demo",
        data_dir=folder,
        database_url=given.database_url or None,
        http_port=http_port if http_port is not None else (0 if once else None),
        mllp_port=mllp_port if mllp_port is not None else (0 if once else None),
        graphql_seconds=None if "graphql_seconds" in given.model_fields_set else GRAPHQL_SECONDS,
        log_level="error",
    )
    log.configure(current.log_level)
    progress = _Progress(quiet=as_json or not sys.stderr.isatty())
    hub = open_hub(current, exclusive=True, migrate=True)
    try:
        world = open_world(folder, seed=seed, practices=practices, now=utc_now())
        with running(hub, world, progress.report) as started:
            with progress:
                summary = run_all(started)
            _print(summary, as_json)
            if not once:
                _stay(started, folder)
    finally:
        hub.close()
    if not summary["ok"]:
        raise typer.Exit(1)


def _which(folder: Path, seed: int | None, practices: int | None) -> tuple[int, int]:
    """Seed and number of practices: as given or, where a demonstration's data lies, as it has them.

    Raises BadParameter if what is given is not what the data is of.
    """
    stored = stored_world(folder)
    if stored is None:
        known = (DEFAULT_SEED, DEFAULT_PRACTICES)
    else:
        known = (stored.seed, len(stored.practices))
    wanted = (known[0] if seed is None else seed, known[1] if practices is None else practices)
    if stored is not None and wanted != known:
        raise typer.BadParameter(
            f"{folder} holds a demonstration of --practices {known[1]} --seed {known[0]}; "
            "give these, or another --data-dir."
        )
    return wanted


class _Progress:
    """One line per step, live on a terminal, nothing otherwise."""

    def __init__(self, *, quiet: bool) -> None:
        self._steps: dict[str, str] = {}
        self._live = None if quiet else Live(console=Console(stderr=True), refresh_per_second=8)

    def __enter__(self) -> None:
        if self._live is not None:
            self._live.start()

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def report(self, step: str, text: str) -> None:
        self._steps[step] = text
        if self._live is not None:
            table = Table.grid(padding=(0, 2))
            for name, line in self._steps.items():
                table.add_row(f"[bold cyan]{name}[/]", line)
            self._live.update(table)


def _print(summary: dict[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(summary))
        return
    console = Console()
    table = Table.grid(padding=(0, 2))
    for name, sentence in _sentences(summary):
        table.add_row(f"[bold cyan]{name}[/]", sentence)
    console.print(table)
    console.print(_purchasing_table(summary["purchasing"]))
    for problem in summary["problems"]:
        console.print(f"[red]{problem}[/]")
    console.print(f"Done in {summary['seconds']} s.")


def _sentences(summary: dict[str, Any]) -> list[tuple[str, str]]:
    """The summary in words, a line for each part of the hub."""
    sent, pay, seen = summary["messages"], summary["payroll"], summary["access"]
    records = ", ".join(f"{number} {name}" for name, number in summary["records"].items())
    outcomes = ", ".join(
        f"{number} {name.replace('_', ' ')}" for name, number in summary["eligibility"].items()
    )
    return [
        (
            "EHRs",
            f"{sent['sent']} HL7 messages sent: {sent['processed']} processed, "
            f"{sent['duplicates']} duplicates, {sent['quarantined']} quarantined, "
            f"{sent['refused']} refused",
        ),
        ("", f"{records} of {summary['practices']} practices"),
        ("Payers", f"eligibility of the coming days' patients: {outcomes}"),
        (
            "Payroll",
            f"{pay['workers']} workers, {pay['payroll_runs']} payroll runs, "
            f"{pay['pay_statements']} pay statements, {pay['gross']} gross, {pay['net']} net",
        ),
        (
            "Access",
            f"a practice's app sees {seen['own_practices_seen']} practice and its "
            f"{seen['own_patients_seen']} patients; {seen['foreign_ids_asked']} foreign ids are "
            f"answered like missing ones; {seen['audit_events']} audit events",
        ),
        (
            "GraphQL",
            f"{summary['graphql']['queries']} queries, {summary['graphql']['errors']} errors",
        ),
    ]


def _purchasing_table(bought: dict[str, Any]) -> Table:
    table = Table("practice", title=f"\nGroup purchasing: {bought.get('round', 'no round')}")
    for heading in ("alone", "pays now", "saves"):
        table.add_column(heading, justify="right")
    for share in sorted(bought.get("shares", ()), key=lambda share: str(share["practice"])):
        table.add_row(share["practice"], share["alone"], share["pays"], share["saving"])
    table.add_section()
    table.add_row(
        "all", bought.get("standalone_cost"), bought.get("pooled_cost"), bought.get("saving")
    )
    gap = bought.get("gap")
    table.caption = (
        f"No plan costs less than {bought.get('lower_bound')} (gap {gap:.4%}); "
        f"{bought['invoiced']} of {bought['orders']} orders invoiced."
        if gap is not None
        else "No plan."
    )
    return table


def _stay(demo: Demo, folder: Path) -> None:
    """Say where everything is, then keep the hub up until it is interrupted."""
    url = f"http://{demo.hub.settings.http_host}:{demo.service.http_port}"
    key = demo.keys[access.MSO_APP]
    body = json.dumps({"query": QUERY})
    console = Console()
    console.print(
        f"\nGraphQL    {url}/graphql (open it in a browser to write queries)\n"
        f"Console    {url}/console (sign in with a key of those below)\n"
        f"HL7 v2     mllp://{demo.hub.settings.mllp_host}:{demo.service.mllp_port}\n"
        f"Data       {folder.absolute()}\n"
        f"Keys       {(folder / access.FILE).absolute()}\n\nTry:\n"
    )
    typer.echo(
        f"curl -s {url}/graphql -H 'content-type: application/json' "
        f"-H 'authorization: Bearer {key}' -d '{body}'\n"
    )
    console.print("Ctrl-C stops the hub.")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    stop.wait()
