"""GraphQL over WebSocket, subprotocol `graphql-transport-ws` and no other.

The credential comes with `connection_init` and is asked for again at every event. Close codes are
the protocol's; 4413 is the hub's own for a reader that does not read.
"""

from __future__ import annotations

import asyncio
from contextlib import ExitStack, aclosing
from typing import Any
from urllib.parse import urlsplit

import orjson
from graphql import OperationType
from starlette.concurrency import run_in_threadpool
from starlette.websockets import WebSocket, WebSocketDisconnect

from hub.entrypoints import strict_json
from hub.entrypoints.graphql_answer import failed
from hub.entrypoints.graphql_operations import Operations
from hub.entrypoints.graphql_request import HttpRefusal, Question, question_of
from hub.entrypoints.graphql_time import in_time
from hub.entrypoints.refusals import REFUSALS
from hub.entrypoints.subscriptions import Subscriptions
from hub.errors import Rejected, Throttled, Unauthenticated

SUBPROTOCOL = "graphql-transport-ws"
INIT_SECONDS = 10.0
SLOWEST_SECONDS = 10.0
MOST_OPERATIONS = 50
BAD_REQUEST, UNAUTHORIZED, FORBIDDEN, NOT_ACCEPTABLE = 4400, 4401, 4403, 4406
INIT_TIMEOUT, SUBSCRIBER_EXISTS, SLOW_READER, TOO_MANY_INITS = 4408, 4409, 4413, 4429
_POLICY, TRY_AGAIN_LATER = 1008, 1013
Json = dict[str, Any]


class _Close(Exception):
    """End the connection with this code."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class WebSocketEndpoint:
    """The handler of WebSocket connections to ``/graphql``."""

    def __init__(self, operations: Operations, subscriptions: Subscriptions) -> None:
        self._operations = operations
        self._subscriptions = subscriptions

    async def handle(self, websocket: WebSocket) -> None:
        public = urlsplit(self._operations.hub.settings.public_url).netloc
        if not _same_origin(websocket, public):
            await websocket.close(_POLICY)
        elif SUBPROTOCOL not in websocket.scope.get("subprotocols", ()):
            await websocket.accept()
            await websocket.close(NOT_ACCEPTABLE, "Subprotocol not acceptable")
        else:
            await websocket.accept(SUBPROTOCOL)
            await _Conversation(websocket, self._operations, self._subscriptions).run()


def _same_origin(websocket: WebSocket, public: str) -> bool:
    """A browser says which page connects; other programs say nothing."""
    origin = websocket.headers.get("origin")
    return origin is None or urlsplit(origin).netloc in {websocket.headers.get("host"), public}


class _Conversation:
    """One connection."""

    def __init__(
        self, websocket: WebSocket, operations: Operations, subscriptions: Subscriptions
    ) -> None:
        self._websocket = websocket
        self._operations = operations
        self._subscriptions = subscriptions
        self._authorization: str | None = None
        self._acknowledged = False
        self._running: dict[str, asyncio.Task[None]] = {}
        self._held = ExitStack()
        self._sending = asyncio.Lock()
        self._ended: asyncio.Future[_Close] = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        reading = asyncio.ensure_future(self._read())
        try:
            ends: set[asyncio.Future[Any]] = {reading, self._ended}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if self._ended.done():
                await self._close(self._ended.result())
        finally:
            tasks = [reading, *self._running.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._held.close()

    async def _close(self, close: _Close) -> None:
        try:
            async with asyncio.timeout(1):
                await self._websocket.close(close.code, str(close))
        except (TimeoutError, RuntimeError, WebSocketDisconnect):
            return

    def _end(self, close: _Close) -> None:
        if not self._ended.done():
            self._ended.set_result(close)

    async def _read(self) -> None:
        deadline = asyncio.get_running_loop().time() + INIT_SECONDS
        try:
            while True:
                async with asyncio.timeout_at(None if self._acknowledged else deadline):
                    message = _message(await self._websocket.receive())
                await self._take(message)
        except TimeoutError:
            self._end(_Close(INIT_TIMEOUT, "Connection initialisation timeout"))
        except _Close as close:
            self._end(close)
        except WebSocketDisconnect:
            return

    async def _take(self, message: Json) -> None:
        kind = message.get("type")
        if kind == "connection_init":
            await self._initialise(message.get("payload"))
        elif kind == "ping":
            await self._send({"type": "pong"})
        elif kind == "subscribe":
            await self._subscribe(message)
        elif kind == "complete" and isinstance(message.get("id"), str):
            task = self._running.pop(message["id"], None)
            if task is not None:
                task.cancel()
        elif kind != "pong":
            raise _Close(BAD_REQUEST, "Invalid message received")

    async def _initialise(self, payload: object) -> None:
        if self._authorization is not None:
            raise _Close(TOO_MANY_INITS, "Too many initialisation requests")
        stated = payload if isinstance(payload, dict) else {}
        header = stated.get("authorization", stated.get("Authorization"))
        self._authorization = header if isinstance(header, str) else ""
        scope = self._websocket.scope
        try:
            if REFUSALS in scope:
                await scope[REFUSALS].check(scope, self._authorization)
            asking = await run_in_threadpool(self._operations.principal, self._authorization)
            self._held.enter_context(self._subscriptions.open.held(asking.id))
        except Unauthenticated:
            raise _Close(FORBIDDEN, "Forbidden") from None
        except Throttled as error:
            raise _Close(TRY_AGAIN_LATER, str(error)) from None
        self._acknowledged = True
        await self._send({"type": "connection_ack"})

    async def _subscribe(self, message: Json) -> None:
        key, payload = message.get("id"), message.get("payload")
        if not self._acknowledged:
            raise _Close(UNAUTHORIZED, "Unauthorized")
        if not isinstance(key, str) or not key or not isinstance(payload, dict):
            raise _Close(BAD_REQUEST, "Invalid message received")
        if key in self._running:
            raise _Close(SUBSCRIBER_EXISTS, f"Subscriber for {key[:80]} already exists")
        if len(self._running) >= MOST_OPERATIONS:
            await self._fail(key, Rejected("This connection has too many operations."))
            return
        self._running[key] = asyncio.ensure_future(self._operate(key, payload))

    async def _operate(self, key: str, payload: Json) -> None:
        try:
            failure = await self._outcome(key, payload)
            if failure is None:
                await self._send({"id": key, "type": "complete"})
            else:
                await self._fail(key, failure)
        except Unauthenticated:
            self._end(_Close(FORBIDDEN, "Forbidden"))
        except _Close as close:
            self._end(close)
        except WebSocketDisconnect:
            return
        finally:
            if self._running.get(key) is asyncio.current_task():
                del self._running[key]

    async def _outcome(self, key: str, payload: Json) -> Exception | None:
        """What ended the operation; None if it came to its end. Raises what ends the connection."""
        try:
            await self._answer(key, question_of(payload))
        except HttpRefusal as refusal:
            return Rejected(str(refusal))
        except (Unauthenticated, WebSocketDisconnect, _Close):
            raise
        except Exception as error:
            return error
        return None

    async def _answer(self, key: str, question: Question) -> None:
        kind = await run_in_threadpool(self._kind, question)
        if kind is not OperationType.SUBSCRIPTION:
            await self._answer_once(key, question)
            return
        found = self._subscriptions.notices(question, self._authorization)
        async with aclosing(found) as notices:
            async for notice in notices:
                if notice.sequence is not None:
                    await self._next(key, notice.content)

    async def _answer_once(self, key: str, question: Question) -> None:
        header = self._authorization
        answer = await in_time(
            lambda running: self._operations.answer(question, header, running),
            self._operations.hub.settings.graphql_seconds,
        )
        if answer is not None:
            await self._next(key, answer.content)

    def _kind(self, question: Question) -> OperationType:
        return self._operations.open(question, self._authorization).kind

    async def _next(self, key: str, content: Any) -> None:
        await self._send({"id": key, "type": "next", "payload": content})

    async def _fail(self, key: str, error: Exception) -> None:
        payload = failed(error).content["errors"]
        await self._send({"id": key, "type": "error", "payload": payload})

    async def _send(self, message: Json) -> None:
        text = orjson.dumps(message).decode()
        try:
            async with asyncio.timeout(SLOWEST_SECONDS), self._sending:
                await self._websocket.send_text(text)
        except TimeoutError:
            raise _Close(SLOW_READER, "The reader is too slow") from None
        except RuntimeError:  # closed meanwhile
            raise WebSocketDisconnect from None


def _message(received: Any) -> Json:
    """A message of the client. Raises WebSocketDisconnect, or _Close for anything but an object."""
    if received["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(received.get("code", 1005))
    try:
        message = strict_json.parsed((received.get("text") or "").encode())
    except ValueError:
        message = None
    if not isinstance(message, dict):
        raise _Close(BAD_REQUEST, "Invalid message received")
    return message
