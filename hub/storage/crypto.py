"""Encryption of what must not lie readable in the database, and keyed digests of identifiers.

AES-256-GCM with the row's identity as associated data, so that a ciphertext moved to another row
does not decrypt. The header names version and key, which leaves room for more keys and for data
keys wrapped by this one.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hub.errors import BadSetting, HubError

_VERSION = b"\x01"
_KEY_BYTES = 32
_KEY_ID_BYTES = 8
_NONCE_BYTES = 12


class Damaged(HubError):
    """A ciphertext was changed, moved to another row or belongs to another key."""


class Crypto:
    """Encrypts, decrypts and digests with one 32-byte key-encryption key."""

    def __init__(self, key: bytes) -> None:
        if len(key) != _KEY_BYTES:
            raise BadSetting("HUB_KEY_FILE must hold 64 hexadecimal digits (32 bytes).")
        self._aead = AESGCM(_derive(key, b"encrypt"))
        self._digest_key = _derive(key, b"digest")
        self.key_id = _derive(key, b"id")[:_KEY_ID_BYTES]

    def subkey(self, label: str) -> bytes:
        """A key for one use, derived from the digest key; the same label gives the same key."""
        return _derive(self._digest_key, label.encode())

    def encrypt(self, plaintext: bytes, identity: str) -> bytes:
        """Ciphertext bound to `identity`, the table, column and row id it will be stored under."""
        nonce = os.urandom(_NONCE_BYTES)
        header = _VERSION + self.key_id + nonce
        return header + self._aead.encrypt(nonce, plaintext, identity.encode())

    def decrypt(self, ciphertext: bytes, identity: str) -> bytes:
        """The plaintext; raises Damaged if anything about it is not as it was written."""
        key_id = ciphertext[1 : 1 + _KEY_ID_BYTES]
        nonce = ciphertext[1 + _KEY_ID_BYTES : 1 + _KEY_ID_BYTES + _NONCE_BYTES]
        if ciphertext[:1] != _VERSION or key_id != self.key_id:
            raise Damaged("The data was encrypted with another key than HUB_KEY_FILE holds.")
        body = ciphertext[1 + _KEY_ID_BYTES + _NONCE_BYTES :]
        try:
            return self._aead.decrypt(nonce, body, identity.encode())
        except InvalidTag as error:
            raise Damaged("The stored data was changed or moved to another row.") from error

    def digest(self, text: str | bytes) -> str:
        """A keyed digest (HMAC-SHA-256, hex): equal inputs match, nobody without the key can
        guess."""
        data = text.encode() if isinstance(text, str) else text
        return hmac.digest(self._digest_key, data, "sha256").hex()


def _derive(key: bytes, label: bytes) -> bytes:
    return hmac.new(key, b"mso-hub " + label, hashlib.sha256).digest()


def open_crypto(key_file: Path, *, create: bool) -> Crypto:
    """The crypto of a key file; `create` writes a new random key where there is none (demo).

    Raises BadSetting if the file is missing, readable by others or not 64 hexadecimal digits.
    """
    if not key_file.exists():
        if not create:
            raise BadSetting(
                f"HUB_KEY_FILE: there is no key at {key_file}; write 64 hexadecimal digits there, "
                "readable by the service only."
            )
        key_file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as handle:
            handle.write(secrets.token_hex(_KEY_BYTES))
    if key_file.stat().st_mode & 0o077:
        raise BadSetting(f"HUB_KEY_FILE: {key_file} is readable by others; run chmod 600 on it.")
    try:
        key = bytes.fromhex(key_file.read_text().strip())
    except ValueError as error:
        raise BadSetting(f"HUB_KEY_FILE: {key_file} must hold 64 hexadecimal digits.") from error
    return Crypto(key)
