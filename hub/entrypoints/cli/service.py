"""`mso-hub serve` and `migrate`."""

from __future__ import annotations

import signal
import threading
from contextlib import closing
from typing import Annotated

import typer

from hub import log, settings
from hub.entrypoints.hub import open_hub
from hub.entrypoints.interpreter import settle
from hub.entrypoints.service import ROLES, Service
from hub.storage.migrate import role_of, upgrade


def serve(
    roles: Annotated[
        str, typer.Option(help="Which parts this process runs, separated by commas.")
    ] = ",".join(ROLES),
) -> None:
    """Run the hub until it is interrupted or terminated; work in hand is finished first."""
    current = settings.load()
    log.configure(current.log_level)
    hub = open_hub(current, exclusive=True)
    for doubt in settings.doubts(current):
        typer.echo(f"mso-hub: {doubt}", err=True)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        with Service(hub, [role.strip() for role in roles.split(",")]):
            settle()
            stop.wait()
    finally:
        hub.close()


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
