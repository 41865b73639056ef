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
from hub.entrypoints.processes import Workers
from hub.entrypoints.service import ROLES, Service, http_socket
from hub.errors import BadSetting
from hub.storage.migrate import role_of, upgrade

SUPERVISOR_SECONDS = 1.0
"""Between two looks whether the supervisor is still there."""


def serve(
    roles: Annotated[
        str, typer.Option(help="Which parts this process runs, separated by commas.")
    ] = ",".join(ROLES),
    processes: Annotated[
        int,
        typer.Option(
            min=1,
            help="With the roles web and jobs on PostgreSQL: so many processes, such as one per "
            "core.",
        ),
    ] = 1,
) -> None:
    """Run the hub until it is interrupted or terminated; work in hand is finished first."""
    chosen = _chosen(roles, processes)
    current = settings.load()
    log.configure(current.log_level)
    stop = threading.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: stop.set())
    if processes > 1:
        _serve_apart(current, chosen, processes, stop)
        return
    hub = open_hub(current, exclusive=True)
    _say_doubts(current)
    _serve(Service(hub, chosen), stop)


def _chosen(roles: str, processes: int) -> list[str]:
    chosen = [role.strip() for role in roles.split(",")]
    if not set(chosen) <= set(ROLES):
        raise typer.BadParameter(f"must be some of {', '.join(ROLES)}.", param_hint="--roles")
    if processes > 1 and not set(chosen) <= {"web", "jobs"}:
        raise typer.BadParameter("is for --roles web, jobs or both.", param_hint="--processes")
    return chosen


def _serve(service: Service, stop: threading.Event, workers: Workers | None = None) -> None:
    """Serve until `stop`, or until the supervisor of `workers` is gone."""
    try:
        with service:
            if workers is None and "web" in service.roles:
                _say_where(service)
            settle()
            while not stop.wait(SUPERVISOR_SECONDS):
                if workers is not None and workers.is_left_alone():
                    break
    finally:
        service.hub.close()


def _serve_apart(
    current: settings.Settings, roles: list[str], processes: int, stop: threading.Event
) -> None:
    """Supervise so many processes, or be one of them. All share the HTTP port; each has a port for
    metrics of its own: the one that is set, and those after it."""
    if current.resolved_database_url().startswith("sqlite"):
        raise BadSetting("One process works on SQLite; --processes needs PostgreSQL.")
    with closing(open_hub(current)) as hub:  # what would end each of them ends this one
        _say_doubts(current)
        Service(hub, roles).prepare()
    shared = http_socket(current) if "web" in roles else None
    settle()
    workers = Workers(processes)
    number = workers.keep(stop)
    if number is None:
        if shared is not None:
            shared.close()  # that nobody waits in its queue while the last requests are answered
        workers.end()
        return
    if current.metrics_port is not None:
        current = current.model_copy(update={"metrics_port": current.metrics_port + number})
    _serve(Service(open_hub(current), roles, shared=shared), stop, workers)


def _say_where(service: Service) -> None:
    settings = service.hub.settings
    own = f"http://{settings.http_host}:{service.http_port}"
    typer.echo(f"mso-hub: console at {settings.public_url.rstrip('/') or own}/console", err=True)


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
