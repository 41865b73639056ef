"""Where a bench keeps what it measures: a directory, its databases, and how long the disk below
takes for a sync."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests" / "faults"))

from servers import Postgresql
from shim import Shim, build

OWN_SERVER = "postgresql"
"""Given instead of a URL: a server of the bench's own, whose files are in its directory."""
SEGMENT_MEGABYTES = 16
SERVER = (
    "shared_buffers=128MB",
    "max_wal_size=1GB",
    "min_wal_size=80MB",
    "autovacuum_naptime=1min",
)
"""What PostgreSQL has unless it is told otherwise, and not the small log of the fault campaign."""


@dataclass(frozen=True)
class Place:
    """A directory for files; `database` is the URL of an empty database, or empty for SQLite."""

    directory: Path
    database: str
    server: Postgresql | None

    def url(self, name: str) -> str:
        """A new database of that name; the one given, where one was."""
        if self.server is None:
            return self.database or f"sqlite:///{self.directory}/{name}.db"
        address = self.server.url("postgres").replace("+psycopg", "")
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.server.url(name)

    def tell(self) -> float:
        """Say which disk is measured; its syncs a second."""
        syncs = fdatasync_rate(self.directory)
        delay = _delay()
        said = f", {delay} µs of them a delay of this bench" if delay else ""
        print(f"     disk: a sync of 4 KiB takes {1e6 / syncs:.0f} µs{said}: F {syncs:.0f}/s")
        return syncs


@contextmanager
def place(directory: Path | None, database: str) -> Iterator[Place]:
    """A new directory in `directory`, and the server where one is asked for."""
    with tempfile.TemporaryDirectory(dir=directory) as name:
        path = Path(name)
        if database != OWN_SERVER:
            if database and is_slow():
                raise SystemExit("--fsync-takes cannot reach a server that runs already")
            yield Place(path, database, None)
            return
        path.chmod(0o755)  # PostgreSQL runs as another user
        server = Postgresql(path / "postgresql")
        server.create(SEGMENT_MEGABYTES)
        server.start(*SERVER)
        try:
            yield Place(path, "", server)
        finally:
            server.stop(signal.SIGINT)


def fdatasync_rate(directory: Path, seconds: float = 1.0) -> float:
    """Syncs per second of 4 KiB written over and over into a preallocated file."""
    with tempfile.NamedTemporaryFile(dir=directory) as file:
        descriptor, block, size = file.fileno(), b"x" * 4096, 256
        os.write(descriptor, block * size)
        os.fdatasync(descriptor)
        count, started = 0, time.perf_counter()
        while (spent := time.perf_counter() - started) < seconds:
            os.pwrite(descriptor, block, count % size * 4096)
            os.fdatasync(descriptor)
            count += 1
    return count / spent


def is_slow() -> bool:
    """Whether this process was started by `again_with_slow_syncs`."""
    return _delay() > 0


def _delay() -> int:
    return int(os.environ.get("BENCH_FSYNC_TAKES", "0"))


def again_with_slow_syncs(microseconds: int, directory: Path | None) -> int:
    """Run this script again, in a directory whose files take so much longer to be synced, whichever
    of its processes does it; the exit status."""
    with tempfile.TemporaryDirectory(dir=directory) as name:
        path = Path(name)
        path.chmod(0o755)
        files = path / "files"
        files.mkdir()
        shim = Shim(build(path), files, path / "copy")
        shim.set(delay=microseconds)
        told = {"BENCH_FSYNC_TAKES": str(microseconds)}
        done = subprocess.run(
            [sys.executable, *sys.argv, "--directory", str(files)],
            env={**os.environ, **shim.environment(), **told},
            check=False,
        )
        return done.returncode
