"""Signed heads of the audit trail, kept in a file outside of the database.

A chain of digests shows what was changed inside it, but not that its tail was cut off or that all
of it was written anew. A head that was signed (Ed25519) and put elsewhere does. The signing key is
derived from the hub's keys, which the database does not hold unwrapped.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hub.storage.crypto import Crypto, Damaged

FILE = "audit-anchors.jsonl"


@dataclass(frozen=True, slots=True)
class Anchor:
    """The digest of event `sequence`, the last one at the moment `at` (ISO 8601)."""

    sequence: int
    digest: str
    at: str

    def signed_text(self) -> bytes:
        return json.dumps(asdict(self), sort_keys=True).encode()


def write(folder: Path, crypto: Crypto, anchor: Anchor) -> None:
    """Append an anchor, durably; does nothing if the last one is of the same event."""
    if _last_sequence(folder / FILE) == anchor.sequence:
        return
    signature = _key(crypto).sign(anchor.signed_text()).hex()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(folder / FILE, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "a") as handle:
        handle.write(json.dumps({**asdict(anchor), "signature": signature}) + "\n")
        handle.flush()
        os.fsync(handle.fileno())


def read(folder: Path, crypto: Crypto) -> dict[int, str]:
    """Sequence -> digest of every anchor. Raises Damaged naming a line this hub did not sign."""
    file, found = folder / FILE, {}
    public = _key(crypto).public_key()
    lines = file.read_text().splitlines() if file.exists() else []
    for number, line in enumerate(lines, start=1):
        try:
            stated = json.loads(line)
            signature = bytes.fromhex(stated.pop("signature"))
            anchor = Anchor(**stated)
            public.verify(signature, anchor.signed_text())
        except (ValueError, KeyError, TypeError, AttributeError, InvalidSignature) as error:
            raise Damaged(f"Line {number} of {file} was not signed by this hub.") from error
        found[anchor.sequence] = anchor.digest
    return found


def _key(crypto: Crypto) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(crypto.subkey("audit anchors"))


def _last_sequence(file: Path) -> int | None:
    lines = file.read_text().splitlines() if file.exists() else []
    try:
        found: int = json.loads(lines[-1])["sequence"]
    except (IndexError, ValueError, KeyError, TypeError):
        return None
    return found
