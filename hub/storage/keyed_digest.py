"""HMAC-SHA-256 (RFC 2104) under one key, for many short texts.

The key's two blocks are hashed once. What comes in is hashed in parts, because the library gives
up the interpreter's lock from 2,048 bytes on, which costs more than hashing what a message holds.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

_BLOCK = 64
_PART = 2_047
_LONG = 64 * 1024
"""From here on others may run meanwhile."""


class KeyedDigest:
    """Digests under one key."""

    def __init__(self, key: bytes) -> None:
        block = (sha256(key).digest() if len(key) > _BLOCK else key).ljust(_BLOCK, b"\0")
        self._inner = sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = sha256(bytes(byte ^ 0x5C for byte in block))

    def hex(self, data: bytes) -> str:
        """The digest of `data`, 64 hexadecimal digits."""
        found: str = self._of(data).hexdigest()
        return found

    def digest(self, data: bytes) -> bytes:
        """The digest of `data`, 32 bytes."""
        found: bytes = self._of(data).digest()
        return found

    def _of(self, data: bytes) -> Any:
        inner = self._inner.copy()
        if _PART < len(data) < _LONG:
            view = memoryview(data)
            for start in range(0, len(data), _PART):
                inner.update(view[start : start + _PART])
        else:
            inner.update(data)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer
