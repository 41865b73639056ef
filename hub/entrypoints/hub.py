"""The assembled hub: one database, its keys, the intake and the clock. Entry points share it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from hub.domain.agreements import operations_scope
from hub.errors import BadSetting
from hub.services.intake import Intake
from hub.settings import Settings, refuse_unsafe
from hub.storage import queue, roles
from hub.storage.crypto import Crypto
from hub.storage.envelopes import LABEL
from hub.storage.key_encryption import open_keys
from hub.storage.keyring import Keyring
from hub.storage.migrate import require_current, role_of, upgrade
from hub.storage.session import Database
from jobs.context import JobContext


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Hub:
    """Everything a role of the service needs. Close it when done."""

    settings: Settings
    database: Database
    crypto: Crypto
    intake: Intake
    now: Callable[[], datetime] = utc_now
    lock: IO[str] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self.database.envelopes.use(self.crypto.subkey(LABEL))

    def sign_waiting(self) -> None:
        """Sign the jobs that waited when an upgrade brought signatures."""
        self.database.transaction(operations_scope("upgrade"), queue.sign_waiting)

    def job_context(self) -> JobContext:
        # Here, so that commands that run no jobs need not build the schema.
        from hub.entrypoints.exports import ExportReader
        from hub.entrypoints.hl7_folders import Folders
        from hub.entrypoints.hl7_judging_again import JudgesAgain

        return JobContext(
            self.database,
            self.crypto,
            self.settings,
            self.now,
            read_chunk=ExportReader(self),
            take_files=Folders(self),
            judge_again=JudgesAgain(self.database, self.now),
        )

    def close(self) -> None:
        self.database.close()
        if self.lock is not None:
            self.lock.close()


def open_hub(
    settings: Settings,
    *,
    exclusive: bool = False,
    migrate: bool = False,
    now: Callable[[], datetime] = utc_now,
) -> Hub:
    """Open the database and the keys.

    `exclusive` takes the lock that keeps a second hub off an embedded database; `migrate` brings
    the schema to head, otherwise a schema that is behind is refused. Only the profile `demo`
    writes itself a key. Raises BadSetting in one sentence, also for settings too unsafe for
    production.
    """
    refuse_unsafe(settings)
    database_url = settings.resolved_database_url()
    embedded = database_url.startswith("sqlite")
    lock = _take_lock(settings.data_dir) if exclusive and embedded else None
    keys = open_keys(settings, create=settings.profile == "demo")
    unsigned = False
    if migrate:
        unsigned = upgrade(settings.resolved_migration_url(), role_of(database_url))
    else:
        require_current(database_url)
    database = Database(database_url)
    try:
        if settings.profile == "production":
            _refuse_unsafe_role(database)
        crypto = Crypto(Keyring(keys, database, now))
    except BaseException:
        database.close()
        raise
    hub = Hub(settings, database, crypto, Intake(database, crypto, now), now, lock)
    if unsigned:
        hub.sign_waiting()
    return hub


def _refuse_unsafe_role(database: Database) -> None:
    """PostgreSQL must hold the hub to row-level security and keep what it commits."""
    with database.read(operations_scope("start")) as session:
        role = roles.facts(session)
    if role is None:
        return
    if doubt := role.doubt():
        raise BadSetting(
            f"HUB_DATABASE_URL: the role {role.name} {doubt}, so that row-level security does not "
            "hold; run `mso-hub migrate` with HUB_MIGRATION_DATABASE_URL as the owner of the "
            "tables, and the hub as a role that owns nothing."
        )
    if not role.durable:
        raise BadSetting(
            "The database loses what it acknowledged when power fails: set synchronous_commit and "
            "fsync on."
        )


def _take_lock(data_dir: Path) -> IO[str]:
    data_dir.mkdir(parents=True, exist_ok=True)
    handle = (data_dir / "hub.lock").open("a+")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        handle.close()
        raise BadSetting(
            f"Another hub is running on {data_dir}; stop it or set HUB_DATA_DIR to another folder."
        ) from error
    handle.seek(0)
    handle.truncate()
    handle.write(str(os.getpid()))
    handle.flush()
    return handle
