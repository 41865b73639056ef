"""A hub under test: its database, its processes, its senders and what they were told."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import recording
from processes import HERE, Forkserver, TooLong, end, ends_with_us, is_alive, wait_until
from proxy import Proxy
from servers import Postgresql, answers
from shim import WHAT_WAS_WRITTEN, Shim
from sqlalchemy import create_engine, text

from hub.domain.agreements import unrestricted_scope
from hub.entrypoints.hub import Hub, open_hub
from hub.services import connections
from hub.settings import Settings
from hub.storage.roles import facts
from hub.storage.session import ScopedSession
from hub.storage.tables import Practice
from tests.polling import free_port

SCOPE = unrestricted_scope("campaign")
LEASE_SECONDS = 1.5
TEMPLATE = "hub_template"
OWNER, ROLE = "hub_owner", "hub"
"""Roles of PostgreSQL: who owns the tables, and who the hub is."""


def set_up(directory: Path, server: Postgresql | None = None) -> None:
    """A database with one practice, one connection of an EHR and the campaign's recording. On a
    server the hub runs as a role that policies bind, and another one owns the tables."""
    urls = {}
    if server is not None:
        urls = {
            "database_url": server.url(TEMPLATE, ROLE),
            "migration_database_url": server.url(TEMPLATE, OWNER),
        }
    hub = open_hub(Settings(data_dir=directory, **urls), migrate=True)
    recorded = create_engine(server.url(TEMPLATE)) if server else hub.database.write_engine

    def work(session: ScopedSession) -> None:
        now = datetime.now(UTC)
        session.add(Practice(id="north", name="north", zone="America/Chicago", created_at=now))
        session.flush()
        connections.add(
            session, hub.crypto, connection_id="ehr", name="EHR", connector_id="ehr_hl7v2",
            config={"zone": "America/Chicago"}, routing={"sending_application": "DESKEHR"},
            practices={"NORTH": "north"}, now=now,
        )  # fmt: skip
        role = facts(session)
        if role is not None and role.doubt():
            raise RuntimeError(f"The hub's role {role.doubt()}.")

    try:
        hub.database.transaction(SCOPE, work)
        recording.install(recorded, ROLE)
    finally:
        recorded.dispose()
        hub.close()


class Deployment:
    """One hub of processes on a database of its own.

    On SQLite everything is one process; on PostgreSQL a listener and two workers share a database
    that they reach through `link`, and senders reach the listener through `door`.
    """

    def __init__(
        self,
        directory: Path,
        template: Path,
        forkserver: Forkserver,
        library: Path | None,
        postgresql: Postgresql | None = None,
        broker: dict[str, str] | None = None,
        always: Sequence[str] = (),
    ) -> None:
        self.directory = directory
        self.data = directory / "data"
        self.postgresql = postgresql
        self.always = tuple(always)
        """Changes to every process."""
        self.changes: tuple[str, ...] = ()
        """Changes to those that are started from now on."""
        self.random = random.Random()
        shutil.copytree(template, self.data)
        self.mllp_port = free_port()
        self.door = Proxy(self.mllp_port)
        self.link = Proxy(postgresql.port) if postgresql else None
        self.database = f"hub_{uuid.uuid4().hex}"
        if postgresql is not None:
            on_server(postgresql, f"CREATE DATABASE {self.database} TEMPLATE {TEMPLATE}")
        self.environment = self._environment(broker or {})
        port = self.link.port if self.link else 0
        self.shim = Shim(library, self.data, directory / "copy", port) if library else None
        if self.shim is not None:
            self.environment |= self.shim.environment()
        self.log = directory / "hub.log"
        self.forkserver = forkserver
        self.roles = {"hub": "mllp,jobs"}
        if postgresql is not None:
            self.roles = {"mllp": "mllp", "jobs 1": "jobs", "jobs 2": "jobs"}
        self.running: dict[str, int] = {}
        self.kills_jobs = False
        """Whether jobs are made to die, so that dead ones are no fault."""
        self.retried: set[int] = set()
        """Jobs that were dead and were made ready again by hand."""
        self.acknowledged_log = directory / "acknowledged.log"
        self.acknowledged_log.touch()
        self._senders: list[subprocess.Popen[bytes]] = []

    @property
    def is_sqlite(self) -> bool:
        return self.postgresql is None

    def _environment(self, broker: dict[str, str]) -> dict[str, str]:
        settings = {
            "HUB_DATA_DIR": str(self.data),
            "HUB_MLLP_PORT": str(self.mllp_port),
            "HUB_JOB_LEASE_SECONDS": str(LEASE_SECONDS),
            "HUB_LOG_LEVEL": "warning",
            **broker,
        }
        if self.link is not None:
            assert self.postgresql is not None
            url = self.postgresql.url(self.database, ROLE, self.link.port)
            settings["HUB_DATABASE_URL"] = url
        return settings

    # --- processes

    def start_all(self) -> None:
        for name in self.roles:
            self.start(name)
        self.wait_for_listener()

    def start(self, name: str) -> None:
        """Start a process that is not running."""
        arguments = ["serve", "--roles", self.roles[name]]
        self.running[name] = self.forkserver.start(
            arguments, self.environment, self.log, (*self.always, *self.changes)
        )

    def wait_for_listener(self) -> None:
        wait_until(lambda: answers(self.mllp_port), "the listener's start")

    def end(self, name: str, how: signal.Signals = signal.SIGKILL) -> None:
        if name in self.running:
            end(self.running.pop(name), how)

    def replace(self, name: str, how: signal.Signals = signal.SIGKILL) -> None:
        self.end(name, how)
        self.start(name)

    def command(self, *arguments: str) -> None:
        """Run a command of `mso-hub` to its end."""
        process = self.forkserver.start(arguments, self.environment, self.log)
        wait_until(lambda: not is_alive(process), f"the end of `mso-hub {arguments[0]}`")

    def call(self, module: str, function: str, *arguments: object) -> int:
        """The id of a process of the hub that calls a function of the campaign."""
        return self.forkserver.start(
            arguments, self.environment, self.log, self.always, (module, function)
        )

    def signal(self, name: str, how: signal.Signals) -> None:
        os.kill(self.running[name], how)

    def revive(self) -> None:
        """Start whatever has ended, until all of it runs and listens."""

        def runs() -> bool:
            ended = [
                name
                for name in self.roles
                if name not in self.running or not is_alive(self.running[name])
            ]
            for name in ended:
                self.start(name)
            return not ended and answers(self.mllp_port)

        wait_until(runs, "the start of every process")

    def workers(self) -> list[str]:
        return [name for name, roles in self.roles.items() if "jobs" in roles]

    # --- senders

    def send(self, **options: Any) -> None:
        """Start a process of senders, by default without end."""
        given = {
            "port": self.door.port, "senders": 4, "prefix": uuid.uuid4().hex[:6].upper(),
            "messages": 10**9, "patients": 3, "merges": 0.0, "pause": 0.02,
            "seed": self.random.random(), "log": str(self.acknowledged_log), **options,
        }  # fmt: skip
        command = [sys.executable, str(HERE / "senders.py"), json.dumps(given)]
        self._senders.append(
            subprocess.Popen(command, stdin=subprocess.PIPE, preexec_fn=ends_with_us())
        )

    def stop_senders(self) -> None:
        """Let each sender wait for the answer it is owed."""
        for process in self._senders:
            assert process.stdin is not None
            process.stdin.close()
        for process in self._senders:
            process.wait(90)
        self._senders.clear()

    def wait_for_senders(self) -> None:
        """Until all of a limited number of messages are acknowledged."""
        wait_until(lambda: not self.is_sending(), "the last acknowledgement")
        self._senders.clear()

    def is_sending(self) -> bool:
        return any(process.poll() is None for process in self._senders)

    def acknowledged(self) -> list[list[str]]:
        """Control id, SHA-256, acknowledgement and time of each message that was taken."""
        lines = self.acknowledged_log.read_text().splitlines()
        return [line.split() for line in lines if line.count(" ") == 3]

    def tell(self) -> str:
        """What the database's sessions are at; what the hub's threads are at goes to its log."""
        for process in self.running.values():
            if is_alive(process):
                os.kill(process, signal.SIGUSR1)
        if self.is_sqlite:
            return ""
        sessions = self.rows(
            "SELECT state, wait_event_type, wait_event, now() - xact_start, left(query, 60)"
            " FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return "".join(f"\n        {tuple(map(str, session))}" for session in sessions)

    def wait_for_more(self, count: int) -> float:
        """Until `count` more messages are acknowledged; returns how many seconds it took."""
        least = len(self.acknowledged()) + count
        return wait_until(lambda: len(self.acknowledged()) >= least, f"{count} acknowledgements")

    # --- database

    def open(self) -> Hub:
        """The hub as the campaign reads it: beside the shim, the proxy and the processes."""
        url = self.postgresql.url(self.database, ROLE) if self.postgresql else ""
        return open_hub(Settings(data_dir=self.data, database_url=url))

    def rows(self, statement: str, **values: Any) -> list[Any]:
        """What the database holds, whoever may see it."""
        return self._run(statement, values, "?mode=ro&uri=true")

    def write(self, statement: str, **values: Any) -> None:
        """Change the database behind the hub's back; on SQLite no hub may be running."""
        self._run(statement, values)

    def _run(self, statement: str, values: dict[str, Any], options: str = "?uri=true") -> list[Any]:
        url = f"sqlite:///file:{self.data / 'hub.db'}{options}"
        if self.postgresql is not None:
            url = self.postgresql.url(self.database)
        engine = create_engine(url, connect_args={"timeout": 30} if self.is_sqlite else {})
        try:
            with engine.begin() as connection:
                found = connection.execute(text(statement), values)
                return list(found) if found.returns_rows else []
        finally:
            engine.dispose()

    def drain(self, seconds: float = 90.0) -> None:
        """Heal everything and wait until every message that was stored has been read."""
        self.heal()
        self.stop_senders()
        live = (
            "SELECT count(*) FROM jobs WHERE state = 'running'"
            " OR (state = 'ready' AND kind = 'ingest.process_message')"
        )
        try:
            wait_until(lambda: self.rows(live)[0][0] == 0, "the end of the queue", seconds)
        except TooLong:
            left = "SELECT kind, state, count(*), min(id) FROM jobs GROUP BY kind, state"
            held = "SELECT key, token, lease_until, ready_at FROM lanes WHERE token IS NOT NULL"
            raise TooLong(f"the queue did not end: {self.rows(left)}; {self.rows(held)}") from None

    def heal(self) -> None:
        self.door.heal()
        if self.link is not None:
            self.link.heal()
        if self.shim is not None:
            self.shim.heal()
        for process in self.running.values():
            if is_alive(process):
                os.kill(process, signal.SIGCONT)
        self.revive()

    def keep_synced(self) -> None:
        """From now on a power cut leaves what was synced; call it before the processes start."""
        assert self.shim is not None
        self.shim.begin_copy(WHAT_WAS_WRITTEN)

    def close(self) -> None:
        for process in self._senders:
            process.kill()
            process.wait()
        for running in self.running.values():
            end(running)
        self.door.close()
        if self.link is not None:
            self.link.close()
        if self.postgresql is not None and self.postgresql.is_ready():
            on_server(self.postgresql, f"DROP DATABASE IF EXISTS {self.database} WITH (FORCE)")


def on_server(server: Postgresql, statement: str) -> None:
    engine = create_engine(server.url("postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()
