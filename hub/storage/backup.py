"""A whole database as a stream of bytes, and back: SQLite by its online backup, PostgreSQL by
pg_dump in the custom format. The hub goes on working meanwhile; what is copied is one moment."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import create_engine, func, inspect, select, table
from sqlalchemy.engine import URL, Connection, make_url

from hub.domain.agreements import unrestricted_scope
from hub.errors import BadSetting, Conflict
from hub.settings import environment
from hub.storage.scope_settings import set_scope
from hub.storage.tables.row_security import UNRESTRICTED

_READ_BYTES = 1024 * 1024
_EVERYTHING = unrestricted_scope("backup")


@dataclass(frozen=True, slots=True)
class Copy:
    """One moment of a database: rows per table, and all of its bytes."""

    counts: dict[str, int]
    content: Iterator[bytes]


@contextmanager
def copied(url: str) -> Iterator[Copy]:
    """A copy of the database at a SQLAlchemy `url`, to be read before this ends."""
    opening = _copied_sqlite if url.startswith("sqlite") else _copied_postgresql
    with opening(make_url(url)) as copy:
        yield copy


def restore(url: str, content: Iterable[bytes]) -> None:
    """Write a database from its bytes. Raises Conflict unless there is none yet; what goes wrong
    on the way leaves none."""
    if url.startswith("sqlite"):
        _restore_sqlite(Path(str(make_url(url).database)), content)
    else:
        _restore_postgresql(make_url(url), content)


def counted(url: str) -> dict[str, int]:
    """Table -> rows, as the database is now."""
    engine = create_engine(url, hide_parameters=True)
    try:
        with engine.connect() as connection:
            set_scope(connection, _EVERYTHING)
            return _counts(connection)
    finally:
        engine.dispose()


def _counts(connection: Connection) -> dict[str, int]:
    names = inspect(connection).get_table_names()
    return {
        name: connection.scalar(select(func.count()).select_from(table(name))) or 0
        for name in sorted(names)
    }


@contextmanager
def _copied_sqlite(url: URL) -> Iterator[Copy]:
    source = Path(str(url.database))
    with tempfile.TemporaryDirectory(dir=source.parent, prefix=".backup-") as folder:
        copy = Path(folder) / "hub.db"
        with (
            closing(sqlite3.connect(source)) as live,
            closing(sqlite3.connect(copy)) as taken,
        ):
            live.backup(taken)
        with copy.open("rb") as handle:
            content = iter(lambda: handle.read(_READ_BYTES), b"")
            yield Copy(counted(f"sqlite:///{copy}"), content)


@contextmanager
def _copied_postgresql(url: URL) -> Iterator[Copy]:
    """Counts and dump see one snapshot, held open until the dump is read."""
    engine = create_engine(url, hide_parameters=True, isolation_level="REPEATABLE READ")
    try:
        with engine.connect() as connection:
            set_scope(connection, _EVERYTHING)
            snapshot = connection.scalar(select(func.pg_export_snapshot()))
            counts = _counts(connection)
            command = [
                _program("pg_dump"), "--format=custom", "--enable-row-security",
                f"--snapshot={snapshot}",
            ]  # fmt: skip
            yield Copy(counts, _output(command, url))
    finally:
        engine.dispose()


def _output(command: list[str], url: URL) -> Iterator[bytes]:
    with tempfile.TemporaryFile() as words:
        with subprocess.Popen(  # noqa: S603 - a program of PostgreSQL, no shell
            command, env=_server(url), stdout=subprocess.PIPE, stderr=words
        ) as running:
            assert running.stdout is not None  # noqa: S101 - asked for above
            while part := running.stdout.read(_READ_BYTES):
                yield part
        if running.returncode != 0:
            words.seek(0)
            said = words.readline(500).decode(errors="replace").strip()  # no row is in the first
            raise BadSetting(f"The database was not copied. {said or 'pg_dump failed.'}")


def _restore_sqlite(target: Path, content: Iterable[bytes]) -> None:
    if target.exists():
        raise Conflict(f"There is a database at {target} already; restore beside it.")
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f"{target.name}.restoring")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as handle:
            handle.writelines(content)
            handle.flush()
            os.fsync(handle.fileno())
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)


def _restore_postgresql(url: URL, content: Iterable[bytes]) -> None:
    if counted(url.render_as_string(hide_password=False)):
        raise Conflict("The database has tables already; restore into an empty one.")
    command = [
        _program("pg_restore"), "--no-owner", "--no-privileges", "--exit-on-error",
        "--single-transaction", f"--dbname={url.database}",
    ]  # fmt: skip
    with subprocess.Popen(  # noqa: S603 - a program of PostgreSQL, no shell
        command, env=_server(url), stdin=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as running:
        assert running.stdin is not None  # noqa: S101 - asked for above
        try:
            for part in content:
                running.stdin.write(part)
            running.stdin.close()
        except BaseException as error:
            running.kill()  # its one transaction is rolled back
            if isinstance(error, BrokenPipeError):
                raise BadSetting("pg_restore failed; is it as new as the pg_dump?") from error
            raise
    if running.returncode != 0:
        raise BadSetting("pg_restore failed; it must not be older than the pg_dump.")


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise BadSetting(f"{name} is missing; install the client programs of PostgreSQL.")
    return found


def _server(url: URL) -> dict[str, str]:
    """Where the server is, by environment: arguments are seen by everybody on the machine."""
    named = {
        "PATH": environment("PATH"),
        "PGHOST": url.host,
        "PGPORT": str(url.port) if url.port else None,
        "PGUSER": url.username,
        "PGPASSWORD": str(url.password) if url.password else None,
        "PGDATABASE": url.database,
        "PGOPTIONS": f"-c {UNRESTRICTED}=on",
    }
    return {name: value for name, value in named.items() if value is not None}
