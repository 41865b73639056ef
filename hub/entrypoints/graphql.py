"""GraphQL over HTTP: an own shell around the engine, so that nothing odd reaches it.

POST with a JSON object, or GET where a setting allows it; bounded before it is read, authenticated,
then executed in a thread for as long as somebody waits. The media type is negotiated as GraphQL
over HTTP says: `application/graphql-response+json` with the status of the outcome,
`application/json` with 200.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from hub.entrypoints.graphql_answer import Answer, failed, refused
from hub.entrypoints.graphql_operations import HubParts, Operations
from hub.entrypoints.graphql_request import (
    GRAPHQL_JSON,
    JSON,
    HttpRefusal,
    Question,
    check_headers,
    negotiate,
    question_in_url,
    read_body,
    read_question,
    wants_html,
)
from hub.entrypoints.query_page import CONTENT_SECURITY_POLICY, PAGE
from hub.errors import TooSlow
from hub.storage.running import Running
from schema.context import ConnectorEntry

_NOBODY_WAITS = 499
_TOO_SLOW = (
    "The operation took too long. Ask for less or try again; a mutation may still take effect, so "
    "repeat it with its idempotency key."
)


class GraphQLEndpoint:
    """The handler of ``/graphql`` for plain requests."""

    def __init__(self, hub: HubParts, connectors: Sequence[ConnectorEntry]) -> None:
        self._settings = hub.settings
        self._demo = hub.settings.profile == "demo"
        self._operations = Operations(hub, connectors)
        self._left_running: set[asyncio.Future[Answer]] = set()

    async def handle(self, request: Request) -> Response:
        if request.method in ("GET", "HEAD") and self._demo and wants_html(request):
            return HTMLResponse(PAGE, headers={"Content-Security-Policy": CONTENT_SECURITY_POLICY})
        media_type = negotiate(request.headers.get("accept"))
        try:
            if media_type not in (JSON, GRAPHQL_JSON):
                raise HttpRefusal(406, f"The answer is {JSON} or {GRAPHQL_JSON}.")
            question = await self._question(request)
        except HttpRefusal as refusal:
            return refused(refusal, media_type or JSON)
        header, reading = request.headers.get("authorization"), request.method == "GET"
        answer = await self._within_time(
            request,
            lambda running: self._operations.answer(
                question, header, running, queries_only=reading
            ),
        )
        return (
            Response(status_code=_NOBODY_WAITS) if answer is None else answer.response(media_type)
        )

    async def _question(self, request: Request) -> Question:
        if request.method == "GET" and self._settings.graphql_get:
            return question_in_url(request.query_params)
        if request.method != "POST":
            allowed = "GET, POST" if self._settings.graphql_get else "POST"
            raise HttpRefusal(405, "Send GraphQL requests with POST.", Allow=allowed)
        check_headers(request)
        return read_question(await read_body(request))

    async def _within_time(
        self, request: Request, work: Callable[[Running], Answer]
    ) -> Answer | None:
        """The answer, a failure once the time is up, or None if the client went away; what is left
        running in the database is ended."""
        running = Running()
        answer = asyncio.ensure_future(run_in_threadpool(work, running))
        gone = asyncio.ensure_future(_disconnected(request))
        done, _ = await asyncio.wait(
            {answer, gone},
            timeout=self._settings.graphql_seconds,
            return_when=asyncio.FIRST_COMPLETED,
        )
        gone.cancel()
        if answer in done:
            return answer.result()
        self._left_running.add(answer)
        answer.add_done_callback(self._left_running.discard)
        await run_in_threadpool(running.stop)
        return None if gone in done else failed(TooSlow(_TOO_SLOW))


async def _disconnected(request: Request) -> None:
    """Returns when the client is gone; the body must have been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
