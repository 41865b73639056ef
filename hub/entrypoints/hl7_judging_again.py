"""A message that was refused at the door, judged by the settings of now: a facility may have been
added, a version or a processing id allowed.

What a sender is stays as it was found then: the connection it was known by, else its address.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from connectors.sdk.hl7v2.acks import new_control_id
from connectors.sdk.hl7v2.batches import is_batch
from connectors.sdk.hl7v2.framing import Frame
from connectors.sdk.hl7v2.header import with_control_id
from hub.entrypoints.hl7_judging import judge
from hub.entrypoints.hl7_receive import acknowledge_at_the_door
from hub.entrypoints.hl7_route_table import load_routes
from hub.entrypoints.hl7_routes import Peer, Routes
from hub.errors import Rejected
from hub.services.arrivals import Arrival
from hub.storage.session import Database
from hub.storage.tables import InboundMessage

_ANYWHERE = ("0.0.0.0/0", "::/0")
_HERE = "127.0.0.1"


class JudgesAgain:
    """`jobs.context.JudgeAgain` over the routes as stored."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    def __call__(self, message: InboundMessage, content: bytes) -> Arrival:
        """What would be stored now, with the answer that goes with it."""
        return _judged(load_routes(self._database), message, content, self._now())


def judged_copy(routes: Routes, message: InboundMessage, content: bytes, now: datetime) -> Arrival:
    """An edited copy of a stored message under a control id of its own, as it would be stored now,
    by the routes as stored. Raises Rejected for what is not one message."""
    renamed = with_control_id(content, new_control_id())
    if renamed is None or is_batch(renamed):
        raise Rejected("A copy is one message that begins with MSH.", path="content")
    return _judged(routes, message, renamed, now)


def _judged(routes: Routes, message: InboundMessage, content: bytes, now: datetime) -> Arrival:
    peer, known = _sender(message, routes)
    judgement = judge(Frame(content, size=len(content)), peer, known)
    return replace(judgement.arrival, answer=acknowledge_at_the_door(judgement, now))


def _sender(message: InboundMessage, routes: Routes) -> tuple[Peer, Routes]:
    transport = message.headers.get("transport", "")
    for one in routes.connections:
        if one.connection_id == message.connection_id:
            known = replace(one, peers=_ANYWHERE, certificates=frozenset())
            return Peer(_HERE, transport=transport), Routes((known,))
    address = message.source.removeprefix("mllp:").partition("|")[0]
    return Peer(address, transport=transport), routes
