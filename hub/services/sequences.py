"""Sequence numbers of a sender's messages (HL7 v2.5.1 §2.10.1): the last one accepted is kept with
the message it came with, so that none is skipped and none taken twice."""

from __future__ import annotations

from datetime import datetime

from hub.storage.session import ScopedSession
from hub.storage.tables import SyncCursor

START, ANY = 0, -1
"""The number by which a sender opens its link, and what is expected while none was accepted."""


def take(
    session: ScopedSession, *, connection_id: str, source: str, number: int, now: datetime
) -> tuple[bool, int]:
    """Whether a message of this number is the next one, and which is expected after it.

    Whatever number comes first is accepted. A number out of order changes nothing.
    """
    key = (connection_id, f"msh-13:{source}")
    row = session.get(SyncCursor, key, with_for_update=True)
    last = row.values["last"] if row is not None else None
    if number == START:
        return True, ANY if last is None else last + 1
    if last is not None and number != last + 1:
        return False, last + 1
    values = {"last": number}
    if row is None:
        row = SyncCursor(connection_id=key[0], stream=key[1], version=1)
        session.add(row)
    row.values, row.updated_at = values, now
    session.flush()
    return True, number + 1
