"""The assembled hub: one database, its keys, the intake and the clock. Entry points share it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from hub.errors import BadSetting
from hub.services.intake import Intake
from hub.settings import Settings, refuse_unsafe
from hub.storage.crypto import Crypto
from hub.storage.key_encryption import open_keys
from hub.storage.keyring import Keyring
from hub.storage.migrate import require_current, upgrade
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

    def job_context(self) -> JobContext:
        # Here, so that commands that run no jobs need not build the schema.
        from hub.entrypoints.exports import ExportReader
        from hub.entrypoints.hl7_folders import Folders

        return JobContext(
            self.database,
            self.crypto,
            self.settings,
            self.now,
            read_chunk=ExportReader(self),
            take_files=Folders(self),
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
    if migrate:
        upgrade(database_url)
    else:
        require_current(database_url)
    database = Database(database_url)
    try:
        crypto = Crypto(Keyring(keys, database, now))
    except BaseException:
        database.close()
        raise
    return Hub(settings, database, crypto, Intake(database, crypto, now), now, lock)


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
