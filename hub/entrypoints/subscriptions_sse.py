"""Subscriptions as server-sent events: GraphQL over SSE, one connection per operation.

Each event has the number of the change as its id, so that a browser's Last-Event-ID resumes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import orjson
from starlette.responses import StreamingResponse
from starlette.types import Message, Send

from hub.entrypoints.graphql_answer import failed
from hub.entrypoints.graphql_request import EVENT_STREAM, Question
from hub.entrypoints.subscriptions import Subscriptions

SLOWEST_SECONDS = 10.0
_COMPLETE = b"event: complete\ndata:\n\n"
_ALIVE = b":\n\n"


class EventStream(StreamingResponse):
    """A stream that ends when its reader does not read for `SLOWEST_SECONDS`."""

    def __init__(self, content: AsyncGenerator[bytes, None]) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        self._content = content
        super().__init__(content, headers=headers, media_type=EVENT_STREAM)

    async def stream_response(self, send: Send) -> None:
        async def in_time(message: Message) -> None:
            await asyncio.wait_for(send(message), SLOWEST_SECONDS)

        try:
            async with aclosing(self._content):
                await super().stream_response(in_time)
        except TimeoutError:
            return


async def sse(
    subscriptions: Subscriptions,
    question: Question,
    authorization: str | None,
    last_event_id: str | None,
) -> AsyncGenerator[bytes, None]:
    """The bytes of one operation's stream; a failure is its last event before `complete`."""
    found = subscriptions.notices(question, authorization, last_event_id)
    try:
        async with aclosing(found) as notices:
            async for notice in notices:
                if notice.sequence is None:
                    yield _ALIVE
                else:
                    yield _event(notice.content, notice.sequence)
    except Exception as error:
        yield _event(failed(error).content)
    yield _COMPLETE


def _event(content: Any, sequence: int | None = None) -> bytes:
    number = b"" if sequence is None else b"id: %d\n" % sequence
    return b"event: next\n" + number + b"data: " + orjson.dumps(content) + b"\n\n"
