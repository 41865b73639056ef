"""`mso-hub serve` and `migrate`."""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import closing
from typing import Annotated

import typer

from hub import log, settings
from hub.entrypoints.hub import open_hub
from hub.entrypoints.interpreter import settle
from hub.entrypoints.processes import supervise
from hub.entrypoints.service import ROLES, Service
from hub.errors import BadSetting
from hub.storage.migrate import role_of, upgrade

PARENT_SECONDS = 1.0
"""Between two looks whether the supervisor is still there."""


def serve(
    roles: Annotated[
        str, typer.Option(help="Which parts this process runs, separated by commas.")
    ] = ",".join(ROLES),
    processes: Annotated[
        int,
        typer.Option(
            min=1, help="With --roles jobs on PostgreSQL: so many processes, such as one per core."
        ),
    ] = 1,
    number: Annotated[int, typer.Option(min=0, hidden=True)] = 0,
    parent: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Run the hub until it is interrupted or terminated; work in hand is finished first."""
    current = settings.load()
    log.configure(current.log_level)
    stop = threading.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: stop.set())
    chosen = [role.strip() for role in roles.split(",")]
    if processes > 1:
        _serve_apart(current, chosen, processes, stop)
        return
    if current.metrics_port:
        current = current.model_copy(update={"metrics_port": current.metrics_port + number})
    hub = open_hub(current, exclusive=True)
    if parent is None:
        _say_doubts(current)
    try:
        with Service(hub, chosen):
            settle()
            while not stop.wait(PARENT_SECONDS):
                if parent is not None and os.getppid() != parent:
                    break  # whoever would start it again is gone
    finally:
        hub.close()


def _serve_apart(
    current: settings.Settings, roles: list[str], processes: int, stop: threading.Event
) -> None:
    """Supervise so many processes of jobs. Each has a port for metrics of its own: the one that is
    set, and those after it."""
    if set(roles) != {"jobs"}:
        raise BadSetting("--processes is for --roles jobs.")
    if current.resolved_database_url().startswith("sqlite"):
        raise BadSetting("One process works on SQLite; --processes needs PostgreSQL.")
    with closing(open_hub(current)):  # what would end each of them ends this one
        _say_doubts(current)
    command = [sys.executable, "-m", "hub", "serve", "--roles", "jobs"]
    own = ["--parent", str(os.getpid())]
    supervise([[*command, *own, "--number", str(each)] for each in range(processes)], stop)


def _say_doubts(current: settings.Settings) -> None:
    for doubt in settings.doubts(current):
        typer.echo(f"mso-hub: {doubt}", err=True)


def migrate() -> None:
    """Bring the database to the current schema; does nothing if it is.

    Works as HUB_MIGRATION_DATABASE_URL and gives the role of HUB_DATABASE_URL its rights.
    """
    current = settings.load()
    settings.refuse_unsafe(current)
    if upgrade(current.resolved_migration_url(), role_of(current.resolved_database_url())):
        with closing(open_hub(current, exclusive=True)) as hub:
            hub.sign_waiting()
    typer.echo("The database schema is current.")
