"""Refused credentials in the audit trail, over every transport, bounded however many there are.

The first refusal of an address is written at once, further ones are counted and written when the
minute is over. Addresses beyond the most that are told apart share one count.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime

from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as AsgiScope

from hub import log
from hub.domain.agreements import operations_scope
from hub.entrypoints.graphql_answer import failed
from hub.entrypoints.graphql_request import JSON
from hub.entrypoints.key_limit import KeyLimit, address_of
from hub.errors import Throttled
from hub.storage import audit
from hub.storage.session import Database, ScopedSession

logger = log.get(__name__)
MINUTE = 60.0
MOST_ADDRESSES = 100
OTHERS = "further addresses"
UNAUTHENTICATED, WEBSOCKET_FORBIDDEN = 401, 4403
REFUSALS = "hub.refusals"
"""Where the scope has them for credentials that come with a message or a form."""
_SCOPE = operations_scope("refused credentials")


class Refusals:
    """The refusals of one process."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._limit = KeyLimit(database, now)
        self._database = database
        self._now = now
        self._more: Counter[str] = Counter()

    def note(self, address: str) -> None:
        """One more refusal of an address; call it in the event loop."""
        if not self._more:
            asyncio.get_running_loop().call_later(MINUTE, self.flush)
        known = address in self._more or len(self._more) < MOST_ADDRESSES
        name = address if known else OTHERS
        if name in self._more:
            self._more[name] += 1
        else:
            self._more[name] = 0
            self._write(name, 1)

    def note_of(self, scope: AsgiScope) -> None:
        """One more refusal of the address a request or WebSocket came from."""
        self.note(address_of(scope))
        self._limit.note(address_of(scope))

    async def check(self, scope: AsgiScope, authorization: str | None = None) -> None:
        """Raises Throttled for an unknown key from an address with too many refusals, and counts
        it. It is that of the request unless it came otherwise."""
        address = address_of(scope)
        if not self._limit.is_reached(address):
            return
        if authorization is None:
            sent = [value for name, value in scope["headers"] if name == b"authorization"]
            authorization = sent[0].decode("latin-1") if sent else ""
        try:
            await self._limit.check(address, authorization)
        except Throttled:
            self.note(address)
            raise

    def flush(self) -> None:
        """Write what was only counted, and begin anew."""
        more, self._more = self._more, Counter()
        for name, count in more.items():
            if count:
                self._write(name, count)

    def _write(self, name: str, count: int) -> None:
        now = self._now()

        def work(session: ScopedSession) -> None:
            audit.append(
                session,
                now=now,
                principal_id="",
                principal_name="unknown",
                purpose="",
                action="execute",
                outcome="denied",
                operation="authenticate",
                entities={"Credential": count},
                reason=f"Refused from {name}.",
            )

        self._database.submit(_SCOPE, work).add_done_callback(_written)


def _written(done: Future[None]) -> None:
    error = done.exception()
    if error is not None:
        logger.error("refusal not audited", error_type=type(error).__name__)


class RefusedCredentials:
    """Tells `Refusals` of every answer that refuses a credential, and asks it first, as one answer
    in the form of GraphQL can be shown by every client."""

    def __init__(self, app: ASGIApp, refusals: Refusals) -> None:
        self._app = app
        self._refusals = refusals

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        async def watched(message: Message) -> None:
            if _refuses(message):
                self._refusals.note_of(scope)
            await send(message)

        try:
            if scope["type"] == "http":
                await self._refusals.check(scope)
        except Throttled as error:
            await failed(error).response(JSON)(scope, receive, send)
            return
        scope[REFUSALS] = self._refusals
        await self._app(scope, receive, watched)


def _refuses(message: Message) -> bool:
    if message["type"] == "http.response.start":
        return bool(message["status"] == UNAUTHENTICATED)
    return bool(message["type"] == "websocket.close" and message.get("code") == WEBSOCKET_FORBIDDEN)
