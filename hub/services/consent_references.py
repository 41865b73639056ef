"""Where consents are signed, encrypted at rest: it is free text about a patient, and ends with the
keys of the practice.

A ciphertext is stored as base64, which has no colon; what was stored before there were any has a
mark with one, until the hub encrypts it.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from typing import Literal

from sqlalchemy import or_, select

from hub.storage.crypto import Crypto, Damaged
from hub.storage.data_keys import Destroyed
from hub.storage.session import ScopedSession
from hub.storage.tables import Consent

Column = Literal["reference", "revocation_reference"]
COLUMNS: tuple[Column, ...] = ("reference", "revocation_reference")
PLAIN = "plain:"
AT_ONCE = 200


def sealed(crypto: Crypto, row: Consent, column: Column, text: str) -> str:
    """A reference as a consent, whose id is given, stores it; nothing as it is. In a transaction
    only, as `Crypto.encrypt`."""
    if not text:
        return ""
    ciphertext = crypto.encrypt(text.encode(), _identity(column, row.id), row.practice_id)
    return b64encode(ciphertext).decode()


def opened(crypto: Crypto, consent_id: str, stored: str, *, column: Column) -> str | None:
    """A stored reference as it was stated; None once the keys of the practice were destroyed.
    Raises Damaged or LostKey."""
    if not stored or stored.startswith(PLAIN):
        return stored.removeprefix(PLAIN)
    try:
        ciphertext = b64decode(stored, validate=True)
        return crypto.decrypt(ciphertext, _identity(column, consent_id)).decode()
    except binascii.Error as error:
        raise Damaged("The stored data was changed.") from error
    except Destroyed:
        return None


def seal_plain(session: ScopedSession, crypto: Crypto) -> bool:
    """Encrypt some of the references that are not; True if there may be more."""
    plain = or_(*(getattr(Consent, column).startswith(PLAIN) for column in COLUMNS))
    rows = session.scalars(select(Consent).where(plain).limit(AT_ONCE).with_for_update()).all()
    for row in rows:
        for column in COLUMNS:
            stored: str = getattr(row, column)
            if stored.startswith(PLAIN):
                text = stored.removeprefix(PLAIN)
                setattr(row, column, sealed(crypto, row, column, text))
    return len(rows) == AT_ONCE


def _identity(column: Column, consent_id: str) -> str:
    return f"consents.{column}:{consent_id}"
