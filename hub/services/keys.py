"""Keys under way: rotating the key-encryption key while work goes on, and destroying what a
practice that left had encrypted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from hub.domain.agreements import operations_scope
from hub.errors import Conflict, Rejected
from hub.services import operators
from hub.services.operators import Operator
from hub.storage import data_keys, retention
from hub.storage.key_encryption import KeyFile, KeySource
from hub.storage.session import Database, ScopedSession
from hub.storage.tables import Practice

_SCOPE = operations_scope("keys")
_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Rotated:
    """`kek_id` wraps every data key now; `wrapped` of them were wrapped anew."""

    kek_id: str
    wrapped: int


def prepare(keys: KeyFile) -> str:
    """Add a key that does not wrap yet, to be handed to other machines first; returns its id."""
    return keys.add(waits=True)


def rotate(database: Database, keys: KeySource, operator: Operator, *, now: datetime) -> Rotated:
    """Wrap every data key with a new key-encryption key; what was interrupted is gone on with.

    The new key is the one that was prepared, or a random one where none was. Readers and writers
    go on meanwhile: they find the new key in the file when they meet it. Nothing is encrypted anew.
    """
    with database.read(_SCOPE) as session:
        unfinished = data_keys.wrapped_by_others(session, keys.current().key_id)
    if isinstance(keys, KeyFile) and not keys.take_up() and not unfinished:
        keys.add(waits=False)
    wrapped, current = 0, keys.current().key_id

    def work(session: ScopedSession) -> int:
        return data_keys.wrap_again(session, keys, limit=_AT_ONCE)

    while done := database.transaction(_SCOPE, work):
        wrapped += done
    database.transaction(
        _SCOPE,
        lambda session: operators.record(
            session, operator, action="execute", operation="key rotate", entity="DataKey",
            count=wrapped, reason=f"to {current}", now=now,
        ),
    )  # fmt: skip
    return Rotated(current, wrapped)


def drop(
    database: Database, keys: KeyFile, key_id: str, operator: Operator, *, now: datetime
) -> None:
    """Take a key-encryption key out of the file. Raises Conflict while a data key needs it."""

    def work(session: ScopedSession) -> None:
        if keys.current().key_id == key_id or data_keys.wrapped_by(session, key_id):
            raise Conflict("Data keys are still wrapped by this key; run `mso-hub key rotate`.")
        operators.record(
            session, operator, action="execute", operation="key drop", entity="DataKey", count=0,
            reason=key_id, now=now,
        )  # fmt: skip

    database.transaction(_SCOPE, work)
    keys.drop(key_id)


def destroy(
    session: ScopedSession,
    practice: Practice,
    operator: Operator,
    *,
    confirmed: str,
    reason: str,
    now: datetime,
) -> int:
    """Destroy the keys of a practice, so that nobody can read what they encrypted; returns how
    many. `confirmed` repeats the practice's name. Raises Rejected where it does not, Conflict while
    a legal hold keeps what there is of the practice."""
    if confirmed != practice.name:
        raise Rejected("The confirmation is not the name of the practice.", path="confirm")
    if retention.is_held(session, practice.id):
        raise Conflict("The practice is under a legal hold; see `mso-hub hold list`.")
    count = data_keys.destroy(session, practice.id, now=now)
    operators.record(
        session, operator, action="execute", operation="key destroy", entity="DataKey",
        count=count, practice_ids=[practice.id], reason=operators.stated_reason(reason), now=now,
    )  # fmt: skip
    return count
