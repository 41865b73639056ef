"""Whether the key-encryption key at hand is the one the database was written with."""

from __future__ import annotations

from hub.errors import HubError
from hub.settings import Settings
from hub.storage import data_keys
from hub.storage.key_encryption import open_keys
from hub.storage.session import ScopedSession
from hub.storage.tables import DataKey


def lost_key(session: ScopedSession, settings: Settings) -> str:
    """Why nothing that is stored could be read; empty where it can, or nothing is stored yet."""
    row = session.get(DataKey, data_keys.DIGEST)
    if row is None:
        return ""
    try:
        data_keys.unwrap(row, open_keys(settings))
    except HubError as error:
        return str(error)
    except OSError:
        return "The key-encryption key cannot be read."
    return ""
