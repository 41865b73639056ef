"""Lanes that stand still behind a message that cannot be read, where its connection agreed to that
(`receiving.failing = "hold"`).

The job of that message stays alive at the head of its lane: replaying the message makes it due,
cancelling the job skips the message. It looks again by itself after `LOOK_AGAIN`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from hub import log
from hub.domain.jobs import Job
from hub.storage import connections, inbox
from hub.storage.session import ScopedSession
from hub.storage.tables import InboundMessage

LOOK_AGAIN = timedelta(hours=1)

_log = log.get(__name__)


def holds(session: ScopedSession, kind: str, args: Mapping[str, Any]) -> bool:
    """Whether a job reads a message whose connection holds what follows one that cannot be read."""
    if kind != Job.PROCESS_MESSAGE:
        return False
    message = inbox.get(session, str(args["inbox_id"]))
    return message is not None and is_agreed(session, message)


def is_agreed(session: ScopedSession, message: InboundMessage) -> bool:
    """Whether a message that cannot be read holds what follows it. Looks at the settings as stored:
    they may be what keeps it from being read."""
    if message.connection_id is None:
        return False
    connection = connections.get(session, message.connection_id)
    receiving = connection.config.get("receiving") if connection is not None else None
    return isinstance(receiving, Mapping) and receiving.get("failing") == "hold"


def alarm(message_id: str, connection_id: str | None, code: str) -> None:
    """Say once that a lane stands still."""
    _log.error("lane_halted", inbox_id=message_id, connection_id=connection_id, code=code)
