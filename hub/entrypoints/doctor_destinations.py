"""Whether what the hub sends gets through: the queues of destinations, as `doctor` sees them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from hub.services import outbound
from hub.storage import connections, outbox
from hub.storage.session import ScopedSession

TOO_LONG = timedelta(minutes=15)
"""How old the oldest waiting message may be; receivers that are well answer in seconds."""


class Trouble(NamedTuple):
    """What is wrong with one destination and what to do about it."""

    status: Literal["warn", "fail"]
    detail: str
    hint: str


def troubles(session: ScopedSession, now: datetime) -> Iterator[Trouble]:
    """What is wrong with each destination, by name; nothing where all is well.

    Names destinations, counts and fault codes, and no message.
    """
    full, waiting = outbound.full(session), outbox.waiting(session)
    for row in connections.by_connector(session, outbound.DESTINATION):
        queued, parked, since = waiting.get(row.id, (0, 0, None))
        if row.id in full:
            yield _full(row.name, queued, full[row.id])
        if row.paused:
            yield Trouble(
                "warn",
                f"{row.name}: paused; {queued} messages wait.",
                f'Go on with `mso-hub connection resume "{row.name}"`.',
            )
        elif since is not None and now - since > TOO_LONG:
            yield _stuck(row.name, queued, now - since, outbox.last_fault(session, row.id))
        if parked:
            yield Trouble(
                "warn",
                f"{row.name}: {parked} messages are parked: refused there, or not taken in time.",
                f'See why with `mso-hub outbound list --to "{row.name}"` and send them again.',
            )


def _full(name: str, queued: int, when_full: outbound.WhenFull) -> Trouble:
    if when_full == "refuse":
        return Trouble(
            "fail",
            f"{name}: its queue is full ({queued} wait); messages that would go on to it are"
            " refused at the door.",
            "Repair the receiver, raise most_waiting, or set when_full to park.",
        )
    return Trouble(
        "warn",
        f"{name}: its queue is full ({queued} wait); what would go on to it is parked.",
        "Repair the receiver or raise most_waiting; then send what is parked again.",
    )


def _stuck(name: str, queued: int, age: timedelta, fault: str) -> Trouble:
    why = f"; last fault {fault}" if fault else ""
    return Trouble(
        "fail",
        f"{name}: {queued} wait, the oldest for {age.total_seconds() / 60:.0f} minutes{why}.",
        f'Try it: `mso-hub connection check "{name}"`.',
    )
