"""Builds the shim of `disk_shim.c` and turns its faults on and off in running processes."""

from __future__ import annotations

import mmap
import os
import shutil
import struct
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

SOURCE = Path(__file__).with_name("disk_shim.c")
_WORD = struct.Struct("=q")
_NAMES = ("delay", "eio", "no_space", "crash_in", "keep", "syncs", "failed")
WHOLE_FILES = 1
WHAT_WAS_WRITTEN = 2


def compiler() -> str | None:
    """The C compiler, without which no fault of the disk can be made."""
    return shutil.which("cc") or shutil.which("gcc")


def build(directory: Path) -> Path:
    """The shared library, built into `directory`."""
    library = directory / "disk_shim.so"
    command = [compiler() or "cc", "-shared", "-fPIC", "-O2", "-o", str(library), str(SOURCE)]
    subprocess.run([*command, "-ldl", "-lpthread"], check=True)
    return library


@dataclass
class Shim:
    """One set of processes whose files under `root` may fail; `copy` holds what was synced."""

    library: Path
    root: Path
    copy: Path
    port: int = 0
    """TCP port of the database, for crashes between its statements."""
    control: Path = field(init=False)
    _page: mmap.mmap = field(init=False)

    def __post_init__(self) -> None:
        self.control = self.copy.with_name(f"{self.copy.name}.control")
        self.control.write_bytes(bytes(mmap.PAGESIZE))
        self.control.chmod(0o666)  # PostgreSQL runs as another user
        with self.control.open("r+b") as handle:
            self._page = mmap.mmap(handle.fileno(), mmap.PAGESIZE)

    def environment(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": str(self.library),
            "FAULTS_ROOT": str(self.root),
            "FAULTS_COPY": str(self.copy),
            "FAULTS_CONTROL": str(self.control),
            "FAULTS_PORT": str(self.port),
        }

    def set(self, **words: int) -> None:
        """Set `delay` (microseconds), `eio` (syncs), `no_space` (0 or 1), `crash_in` (calls) or
        `keep`; in force at once."""
        for name, value in words.items():
            _WORD.pack_into(self._page, _NAMES.index(name) * _WORD.size, value)

    def get(self, name: str) -> int:
        (value,) = _WORD.unpack_from(self._page, _NAMES.index(name) * _WORD.size)
        return int(value)

    def heal(self) -> None:
        self.set(delay=0, eio=0, no_space=0, crash_in=0)

    def begin_copy(self, keep: int) -> None:
        """From now on `copy` is what a power cut would leave; nothing may run on `root` yet."""
        shutil.rmtree(self.copy, ignore_errors=True)
        shutil.copytree(self.root, self.copy, symlinks=True)
        owner = self.root.stat()
        for path in (self.copy, *self.copy.rglob("*")):
            os.chown(path, owner.st_uid, owner.st_gid)
        self.set(keep=keep)

    def lose_power(self) -> None:
        """Put what was synced in the place of everything; the processes are dead already."""
        self.set(keep=0)
        shutil.rmtree(self.root)
        self.copy.rename(self.root)
