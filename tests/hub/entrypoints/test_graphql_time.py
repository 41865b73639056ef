"""Nobody is waited for longer than agreed: slow answers, clients that left, readers that stall."""

from __future__ import annotations

import asyncio
import json
import time
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.concurrency import run_in_threadpool
from starlette.websockets import WebSocket

from hub.entrypoints import subscriptions_ws
from hub.entrypoints.graphql_answer import Answer
from hub.entrypoints.graphql_time import in_time
from hub.entrypoints.open_streams import OpenStreams
from hub.entrypoints.subscriptions_ws import SLOW_READER, SUBPROTOCOL, WebSocketEndpoint
from hub.storage.running import Running


class Slow:
    """Work that goes on until it is stopped, five seconds at most."""

    def __init__(self) -> None:
        self.stopped = False

    async def __call__(self, running: Running) -> Answer:
        return await run_in_threadpool(self._work, running)

    def _work(self, running: Running) -> Answer:
        until = time.monotonic() + 5
        while not running.stopped and time.monotonic() < until:
            time.sleep(0.01)
        self.stopped = running.stopped
        return Answer(200, {})


async def answered(work: Slow, seconds: float, gone_after: float) -> Answer | None:
    answer = await in_time(work, seconds, lambda: asyncio.sleep(gone_after))
    while not work.stopped:
        await asyncio.sleep(0.01)
    return answer


def test_what_nobody_waits_for_any_more_is_stopped() -> None:
    assert asyncio.run(answered(Slow(), seconds=60, gone_after=0.05)) is None


def test_what_takes_too_long_is_answered_and_stopped() -> None:
    answer = asyncio.run(answered(Slow(), seconds=0.05, gone_after=60))
    assert answer is not None
    assert answer.status == 504
    assert answer.content["errors"][0]["extensions"]["code"] == "UPSTREAM"


def test_a_reader_that_does_not_read_is_disconnected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscriptions_ws, "SLOWEST_SECONDS", 0.05)
    inbox = [{"type": "websocket.connect"}] + [
        {"type": "websocket.receive", "text": json.dumps(message)}
        for message in ({"type": "connection_init"}, {"type": "ping"})
    ]
    sent: list[Any] = []

    async def receive() -> Any:
        if not inbox:
            await asyncio.sleep(60)
        return inbox.pop(0)

    async def send(message: Any) -> None:
        if "pong" in message.get("text", ""):
            await asyncio.sleep(60)
        sent.append(message)

    scope = {"type": "websocket", "headers": [], "subprotocols": [SUBPROTOCOL]}
    operations: Any = SimpleNamespace(
        hub=SimpleNamespace(settings=SimpleNamespace(public_url="")),
        principal=lambda _: SimpleNamespace(id="one"),
    )
    subscriptions: Any = SimpleNamespace(open=OpenStreams())
    endpoint = WebSocketEndpoint(operations, subscriptions)
    asyncio.run(endpoint.handle(WebSocket(scope, receive, send)))
    assert [message["type"] for message in sent] == [
        "websocket.accept", "websocket.send", "websocket.close",
    ]  # fmt: skip
    assert sent[-1]["code"] == SLOW_READER
