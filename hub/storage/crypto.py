"""Encryption of what must not lie readable in the database, and keyed digests of identifiers.

AES-256-GCM under a data key of the practice and the class of data (see keyring.py). A ciphertext
is version, data key id, nonce and body. Practice, table, column and row are associated data, so
that a ciphertext moved elsewhere does not decrypt. Which key-encryption key wrapped the data key is
said by the row of the data key alone, because it changes without the ciphertexts.

Ciphertexts of version 1 came before data keys: key-encryption key id, nonce and body.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2b
from itertools import starmap
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hub.errors import HubError
from hub.random_bytes import random_bytes
from hub.storage.key_encryption import NONCE_BYTES, LocalKey, derive
from hub.storage.keyed_digest import KeyedDigest
from hub.storage.keyring import Keyring
from hub.storage.session import RunFirst

_DIRECT = b"\x01"
_ENVELOPE = b"\x02"
_NONCE_AT = 9
_BODY_AT = _NONCE_AT + NONCE_BYTES
_SUBJECT_DIGITS = 24
"""An event of fifty patients then fits into a page of PostgreSQL as it is; a longer one is stored
apart, after an attempt to compress what cannot be."""
KEPT_SUBJECTS, KEPT_PRACTICES = 4_096, 256
"""Patients whose names in the audit trail a process remembers, some 1.5 MB, and practices with whom
those of others begin. Who is asked for is mostly asked for again."""

DATA_CLASSES = {
    "inbox": "messages",
    "outbox": "messages",
    "eligibility_checks": "messages",
    "document_parts": "documents",
    "secret": "secrets",
    "mutation_outcomes": "secrets",
}
"""Table -> class of data; a table that is not named is a class of its own."""


class SubjectNames(NamedTuple):
    """What a patient is called in events of the audit trail: `short` now, `long` in those of before
    names were shortened, which begin with `short`."""

    short: str
    long: str


class Damaged(HubError):
    """A ciphertext was changed, moved to another row or belongs to another key."""


class Crypto:
    """Encrypts, decrypts and digests for one database.

    Without a keyring it encrypts directly under the key given, which is for what has no database.
    """

    def __init__(self, key: bytes | Keyring) -> None:
        self._keyring = key if isinstance(key, Keyring) else None
        self._aeads: dict[bytes, AESGCM] = {}
        if isinstance(key, Keyring):
            self._digest_key = key.digest_key()
        else:
            local = LocalKey(key)
            self._key_id = bytes.fromhex(local.key_id)
            self._aeads[self._key_id] = AESGCM(local.direct_key)
            self._digest_key = local.digest_key
        self._digest = KeyedDigest(self._digest_key)
        self._subject = blake2b(key=self.subkey("subjects of the audit trail"), digest_size=16)
        self._begun = lru_cache(KEPT_PRACTICES)(self._begin_subject)
        self._subject_of = lru_cache(KEPT_SUBJECTS)(self._name_subject)

    def subkey(self, label: str) -> bytes:
        """A key for one use, derived from the digest key; the same label gives the same key."""
        return derive(self._digest_key, label.encode())

    def encrypt(self, plaintext: bytes, identity: str, practice_id: str | None = None) -> bytes:
        """Ciphertext bound to `identity`, the table, column and row id it will be stored under,
        and to the practice, None for what is the hub's own.

        In a transaction only: it may have to store a key first and run the work again.
        """
        nonce = random_bytes(NONCE_BYTES)
        if self._keyring is None:
            aead = self._aeads[self._key_id]
            return (
                _DIRECT + self._key_id + nonce + aead.encrypt(nonce, plaintext, identity.encode())
            )
        key = self._keyring.for_writing(practice_id, data_class(identity))
        header = _ENVELOPE + key.id
        bound = b"%b%b/%b" % (header, key.tenant, identity.encode())
        return header + nonce + key.aead.encrypt(nonce, plaintext, bound)

    def encrypt_apart(self, plaintext: bytes, identity: str) -> bytes:
        """`encrypt` of the hub's own outside of any transaction."""
        while True:
            try:
                return self.encrypt(plaintext, identity)
            except RunFirst as needed:
                needed.run()

    def decrypt(self, ciphertext: bytes, identity: str) -> bytes:
        """The plaintext.

        Raises Damaged if anything about it is not as it was written, Destroyed if its key was
        destroyed, LostKey if the key-encryption key of its key is missing.
        """
        version, key_id = ciphertext[:1], ciphertext[1:_NONCE_AT]
        nonce, body = ciphertext[_NONCE_AT:_BODY_AT], ciphertext[_BODY_AT:]
        bound = identity.encode()
        key = self._keyring.for_reading(key_id) if self._keyring and version == _ENVELOPE else None
        if key is not None:
            aead: AESGCM | None = key.aead
            bound = b"%b%b/%b" % (version + key_id, key.tenant, bound)
        else:
            aead = self._direct(key_id) if version == _DIRECT else None
        if aead is None:
            raise Damaged("The data was encrypted with a key that this database does not know.")
        try:
            return aead.decrypt(nonce, body, bound)
        except (InvalidTag, ValueError) as error:
            raise Damaged("The stored data was changed or moved to another row.") from error

    def digest(self, text: str | bytes) -> str:
        """A keyed digest (HMAC-SHA-256, hex): equal inputs match, nobody without the key can
        guess."""
        data = text.encode() if isinstance(text, str) else text
        return self._digest.hex(data)

    def subject_names(self, practice: str, patient: str) -> SubjectNames:
        """What one patient is called in the audit trail, now and earlier."""
        digest = self._subject.copy()
        digest.update(f"{practice}:{patient}".encode())
        return SubjectNames(digest.hexdigest()[:_SUBJECT_DIGITS], digest.hexdigest())

    def subjects(self, patients: Iterable[tuple[str, str]]) -> list[str]:
        """What patients (practice, id) are called in the audit trail: 12 bytes each of a keyed
        BLAKE2b (RFC 7693), in hex; an answer has many, and HMAC takes three times as long. Earlier
        events name all 16 bytes."""
        return list(starmap(self._subject_of, patients))

    def _name_subject(self, practice: str, patient: str) -> str:
        digest = self._begun(practice).copy()
        digest.update(patient.encode())
        name: str = digest.hexdigest()[:_SUBJECT_DIGITS]
        return name

    def _begin_subject(self, practice: str) -> Any:
        """To be copied, and never gone on with."""
        digest = self._subject.copy()
        digest.update(f"{practice}:".encode())
        return digest

    def _direct(self, key_id: bytes) -> AESGCM | None:
        if key_id not in self._aeads and self._keyring is not None:
            found = self._keyring.direct(key_id.hex())
            if found is not None:
                self._aeads[key_id] = found
        return self._aeads.get(key_id)


def data_class(identity: str) -> str:
    """The class of data behind a ciphertext's identity."""
    table = identity.partition(":")[0].partition(".")[0]
    return DATA_CLASSES.get(table, table)
