"""A file encrypted chunk by chunk: a line of JSON that says what it is, then the chunks.

The key of the file is random and wrapped by the key-encryption key, whose id the first line names.
Each chunk is bound to that line, its number and whether it is the last, so that nothing can be
changed, exchanged or cut off unseen.
"""

from __future__ import annotations

import json
import os
import secrets
import struct
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hub.storage.crypto import Damaged
from hub.storage.key_encryption import KEY_BYTES, KeySource, LostKey

CHUNK_BYTES = 1024 * 1024
_IDENTITY = "sealed file"
_LENGTH = struct.Struct(">I")


def seal(path: Path, facts: Mapping[str, Any], content: Iterable[bytes], keys: KeySource) -> None:
    """Write `content` encrypted to `path`, whole or not at all; `facts` stay readable."""
    wrapping, key = keys.current(), secrets.token_bytes(KEY_BYTES)
    wrapped = wrapping.wrap(key, _IDENTITY).hex()
    head = json.dumps({**facts, "kek_id": wrapping.key_id, "wrapped": wrapped}).encode()
    beside = path.with_name(f"{path.name}.part")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(head + b"\n")
            aead, held, number = AESGCM(key), b"", 0
            for piece in _pieces(content):
                if number:
                    handle.write(_sealed(aead, head, number, held, last=False))
                held, number = piece, number + 1
            handle.write(_sealed(aead, head, max(number, 1), held, last=True))
            handle.flush()
            os.fsync(handle.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def facts_of(path: Path) -> dict[str, Any]:
    """What the first line says; not yet proven until the content was read."""
    with path.open("rb") as handle:
        return _facts(handle.readline())


def unseal(path: Path, keys: KeySource) -> Iterator[bytes]:
    """The content. Raises LostKey naming the key that is missing, Damaged where the file is not as
    it was written."""
    with path.open("rb") as handle:
        head = handle.readline().rstrip(b"\n")
        facts = _facts(head)
        wrapping = keys.find(str(facts.get("kek_id")))
        if wrapping is None:
            raise LostKey(f"The file needs the key {facts.get('kek_id')}; put it in HUB_KEY_FILE.")
        aead = AESGCM(wrapping.unwrap(bytes.fromhex(facts["wrapped"]), _IDENTITY))
        yield from _opened(handle, aead, head)


def _opened(handle: IO[bytes], aead: AESGCM, head: bytes) -> Iterator[bytes]:
    number, body = 1, _next(handle)
    while body is not None:
        following = _next(handle)
        bound = _bound(head, number, last=following is None)
        try:
            yield aead.decrypt(_nonce(number), body, bound)
        except (InvalidTag, ValueError) as error:
            raise Damaged("The file was changed or cut off.") from error
        number, body = number + 1, following
    if number == 1:
        raise Damaged("The file was cut off.")


def _next(handle: IO[bytes]) -> bytes | None:
    length = handle.read(_LENGTH.size)
    return handle.read(_LENGTH.unpack(length)[0]) if len(length) == _LENGTH.size else None


def _sealed(aead: AESGCM, head: bytes, number: int, piece: bytes, *, last: bool) -> bytes:
    body = aead.encrypt(_nonce(number), piece, _bound(head, number, last=last))
    return _LENGTH.pack(len(body)) + body


def _nonce(number: int) -> bytes:
    """The number itself: the key is used for this file alone."""
    return number.to_bytes(12, "big")


def _bound(head: bytes, number: int, *, last: bool) -> bytes:
    return b"%b|%d|%d" % (head, number, last)


def _facts(head: bytes) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(head)
    except ValueError as error:
        raise Damaged("The file is no backup of a hub.") from error
    return found


def _pieces(content: Iterable[bytes]) -> Iterator[bytes]:
    held = b""
    for part in content:
        held += part
        while len(held) >= CHUNK_BYTES:
            yield held[:CHUNK_BYTES]
            held = held[CHUNK_BYTES:]
    if held:
        yield held
