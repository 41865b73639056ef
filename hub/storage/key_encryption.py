"""Key-encryption keys: they wrap the data keys and nothing else, and never lie in the database.

A key comes from the file HUB_KEY_FILE or from the variable HUB_KEY. Both hold one key per line or
comma, 64 hexadecimal digits each: the last one wraps, the ones before it only unwrap what they
wrapped. A key marked ``next`` does not wrap yet; `mso-hub key rotate` takes the mark away. A key
management service would be one more `KeyEncryptionKey` behind one more `KeySource`.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hub.errors import BadSetting, HubError
from hub.settings import Settings

KEY_BYTES = 32
NONCE_BYTES = 12
_ID_BYTES = 8
_NEXT = "next"


class LostKey(HubError):
    """What is asked for was wrapped by a key-encryption key that is not at hand."""

    code = "LOST_KEY"


class KeyEncryptionKey(Protocol):
    """Wraps and unwraps data keys; `identity` binds a wrapped key to its row."""

    @property
    def key_id(self) -> str: ...

    def wrap(self, key: bytes, identity: str) -> bytes: ...

    def unwrap(self, wrapped: bytes, identity: str) -> bytes:
        """Raises LostKey if `wrapped` was changed or moved to another row."""


class KeySource(Protocol):
    """Where the key-encryption keys come from."""

    def current(self) -> KeyEncryptionKey:
        """The key that wraps."""

    def find(self, key_id: str) -> KeyEncryptionKey | None:
        """A key by its id; looks again where the keys come from before it says None."""


class LocalKey:
    """A key of 32 bytes held by this process."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise BadSetting("HUB_KEY_FILE must hold 64 hexadecimal digits (32 bytes).")
        self.key_id = derive(key, b"id")[:_ID_BYTES].hex()
        self.direct_key = derive(key, b"encrypt")
        """What ciphertexts of version 1 are encrypted with."""
        self.digest_key = derive(key, b"digest")
        """What a database's keyed digests begin with; kept there, wrapped, from the first start."""
        self._wrapping = AESGCM(derive(key, b"wrap"))

    def wrap(self, key: bytes, identity: str) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._wrapping.encrypt(nonce, key, identity.encode())

    def unwrap(self, wrapped: bytes, identity: str) -> bytes:
        nonce, body = wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:]
        try:
            return self._wrapping.decrypt(nonce, body, identity.encode())
        except InvalidTag as error:
            raise LostKey(f"The data key {identity} was changed in the database.") from error


class HeldKeys:
    """Keys given as they are, oldest first: of the variable HUB_KEY, or of a test."""

    def __init__(self, keys: Sequence[LocalKey]) -> None:
        self._keys = {key.key_id: key for key in keys}
        self._last = keys[-1]

    def current(self) -> LocalKey:
        return self._last

    def find(self, key_id: str) -> LocalKey | None:
        return self._keys.get(key_id)


class KeyFile:
    """The keys of a file, which is read again when an unknown one is asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lines = _read(path)

    def current(self) -> LocalKey:
        """Read from the file each time: another process may have rotated."""
        self.reload()
        return [key for key, waits in self._lines if not waits][-1]

    def find(self, key_id: str) -> LocalKey | None:
        for lines in (self._lines, _read(self.path)):
            for key, _ in lines:
                if key.key_id == key_id:
                    self._lines = lines
                    return key
        return None

    def reload(self) -> None:
        self._lines = _read(self.path)

    def add(self, *, waits: bool) -> str:
        """Write a new random key behind the others and return its id; one that `waits` does not
        wrap yet."""
        mark = f" {_NEXT}" if waits else ""
        self._write([*_text(self.path), secrets.token_hex(KEY_BYTES) + mark])
        return self._lines[-1][0].key_id

    def take_up(self) -> bool:
        """Let a waiting key wrap from now on; False if none waits."""
        found = any(waits for _, waits in self._lines)
        if found:
            self._write([line.removesuffix(_NEXT).strip() for line in _text(self.path)])
        return found

    def drop(self, key_id: str) -> None:
        """Take a key out of the file; what it wrapped cannot be read any more."""
        lines = _text(self.path)
        kept = [line for line in lines if _key_of(self.path, line)[0].key_id != key_id]
        if len(kept) == len(lines):
            raise LostKey(f"{self.path} holds no key {key_id}.")
        self._write(kept)

    def _write(self, lines: Sequence[str]) -> None:
        """Whole or not at all: a torn key file would lose everything."""
        beside = self.path.with_name(f"{self.path.name}.new")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as handle:
            handle.write("\n".join(lines) + "\n")
            handle.flush()
            os.fsync(handle.fileno())
        beside.replace(self.path)
        folder = os.open(self.path.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
        self.reload()


def derive(key: bytes, label: bytes) -> bytes:
    """A key for one use (HMAC-SHA-256 of its label)."""
    return hmac.new(key, b"mso-hub " + label, hashlib.sha256).digest()


def open_keys(settings: Settings, *, create: bool = False) -> HeldKeys | KeyFile:
    """The keys of the settings; `create` writes a new random key where there is none (demo).

    Raises BadSetting if the file is missing, readable by others or not of the right form.
    """
    if settings.key is not None:
        given = [part.strip() for part in settings.key.get_secret_value().split(",")]
        try:
            return HeldKeys([LocalKey(bytes.fromhex(part)) for part in given])
        except ValueError as error:
            raise BadSetting("HUB_KEY must hold 64 hexadecimal digits per key.") from error
    path = settings.resolved_key_file()
    if create and not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as handle:
            handle.write(secrets.token_hex(KEY_BYTES))
    return KeyFile(path)


def _text(path: Path) -> list[str]:
    if not path.exists():
        raise BadSetting(
            f"HUB_KEY_FILE: there is no key at {path}; write 64 hexadecimal digits there, "
            "readable by the service only."
        )
    if path.stat().st_mode & 0o077:
        raise BadSetting(f"HUB_KEY_FILE: {path} is readable by others; run chmod 600 on it.")
    return [line.strip() for line in path.read_text().splitlines() if line.strip()]


def _read(path: Path) -> list[tuple[LocalKey, bool]]:
    lines = [_key_of(path, line) for line in _text(path)]
    if all(waits for _, waits in lines):
        raise BadSetting(f"HUB_KEY_FILE: {path} must hold 64 hexadecimal digits.")
    return lines


def _key_of(path: Path, line: str) -> tuple[LocalKey, bool]:
    digits, _, mark = line.partition(" ")
    try:
        key = bytes.fromhex(digits)
    except ValueError as error:
        raise BadSetting(f"HUB_KEY_FILE: {path} must hold 64 hexadecimal digits.") from error
    if len(key) != KEY_BYTES or mark not in {"", _NEXT}:
        raise BadSetting(f"HUB_KEY_FILE: {path} must hold 64 hexadecimal digits.")
    return LocalKey(key), mark == _NEXT
