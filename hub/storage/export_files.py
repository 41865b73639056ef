"""The file of a bulk export: encrypted chunks one after another, each bound to its place.

A chunk is a length of four bytes and a ciphertext; its identity names export and number, so that
chunks cannot be exchanged, repeated or moved to another export. One process writes at a time.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO

from hub.errors import Transient
from hub.storage.crypto import Crypto, Damaged

FOLDER = "exports"
SUFFIX = ".export"
_LENGTH = struct.Struct(">I")


class ExportFile:
    """One export's file below the data directory; a context manager while it is written."""

    def __init__(self, data_dir: Path, crypto: Crypto, export_id: str) -> None:
        self.path = data_dir / FOLDER / f"{export_id}{SUFFIX}"
        self._crypto = crypto
        self._export_id = export_id
        self._handle: IO[bytes] | None = None

    def __enter__(self) -> ExportFile:
        """Open for writing. Raises Transient while another process writes it."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        self._handle = os.fdopen(descriptor, "r+b")
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._handle.close()
            raise Transient("Another worker still writes this export.") from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._handle is not None:
            self._handle.close()
            self._handle = None

    def write(self, number: int, text: bytes, *, start: int) -> int:
        """Put chunk `number` at byte `start`, drop what lies behind, and wait until it is on the
        disk; returns where it ends."""
        if self._handle is None:
            raise RuntimeError("the file is not open for writing")
        sealed = self._crypto.encrypt_apart(text, self._identity(number))
        self._handle.seek(start)
        self._handle.truncate()
        self._handle.write(_LENGTH.pack(len(sealed)) + sealed)
        self._handle.flush()
        os.fsync(self._handle.fileno())
        return self._handle.tell()

    def read(self, chunks: int) -> Iterator[bytes]:
        """The text of the first `chunks` chunks. Raises Damaged if one is missing or changed."""
        try:
            with self.path.open("rb") as handle:
                for number in range(chunks):
                    head = handle.read(_LENGTH.size)
                    length = _LENGTH.unpack(head)[0] if len(head) == _LENGTH.size else 0
                    yield self._crypto.decrypt(handle.read(length), self._identity(number))
        except FileNotFoundError as error:
            raise Damaged("The file of the export is gone.") from error

    def digest(self, chunks: int) -> str:
        """The SHA-256 of all the text, hex."""
        found = hashlib.sha256()
        for text in self.read(chunks):
            found.update(text)
        return found.hexdigest()

    def delete(self) -> None:
        self.path.unlink(missing_ok=True)

    def _identity(self, number: int) -> str:
        return f"exports:{self._export_id}:{number}"


def delete_others(data_dir: Path, kept: list[str]) -> int:
    """Delete the files of all exports but those `kept`; returns how many."""
    names = {f"{export_id}{SUFFIX}" for export_id in kept}
    gone = [path for path in (data_dir / FOLDER).glob(f"*{SUFFIX}") if path.name not in names]
    for path in gone:
        path.unlink(missing_ok=True)
    return len(gone)
