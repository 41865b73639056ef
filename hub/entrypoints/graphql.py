"""GraphQL over HTTP: an own shell around the engine, so that nothing odd reaches it.

POST or QUERY (RFC 10008) with a JSON object, or GET where a setting allows it; bounded before it is
read, authenticated, then executed for as long as somebody waits. The media type is negotiated as
GraphQL over HTTP says: `application/graphql-response+json` with the status of the outcome,
`application/json` with 200.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive

from hub import tracing
from hub.entrypoints.graphiql.page import page
from hub.entrypoints.graphql_answer import failed, refused
from hub.entrypoints.graphql_operations import HubParts, Operations
from hub.entrypoints.graphql_request import (
    EVENT_STREAM,
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
from hub.entrypoints.graphql_time import in_time
from hub.entrypoints.http_protocol import NOBODY_WAITS
from hub.entrypoints.stored_documents import plan_stored
from hub.entrypoints.subscriptions import Subscriptions
from hub.entrypoints.subscriptions_sse import EventStream, sse
from hub.entrypoints.subscriptions_ws import WebSocketEndpoint
from hub.errors import Unauthenticated
from schema.context import ConnectorEntry


class GraphQLEndpoint:
    """The handler of ``/graphql`` for plain requests."""

    def __init__(self, hub: HubParts, connectors: Sequence[ConnectorEntry]) -> None:
        self._settings = hub.settings
        self._demo = hub.settings.profile == "demo"
        self.operations = Operations(hub, connectors)
        plan_stored(hub, self.operations.engine)
        self._subscriptions = Subscriptions(self.operations)
        self.websocket = WebSocketEndpoint(self.operations, self._subscriptions).handle

    async def handle(self, request: Request) -> Response:
        if request.method in ("GET", "HEAD") and self._demo and wants_html(request):
            return page()
        media_type = negotiate(request.headers.get("accept"))
        try:
            if media_type is None:
                raise HttpRefusal(406, f"The answer is {JSON}, {GRAPHQL_JSON} or {EVENT_STREAM}.")
            question = await self._question(request, streamed=media_type == EVENT_STREAM)
        except HttpRefusal as refusal:
            return refused(refusal, media_type if media_type == GRAPHQL_JSON else JSON)
        except ClientDisconnect:
            return Response(status_code=NOBODY_WAITS)
        if media_type == EVENT_STREAM:
            return await self._stream(request, question)
        return await self._answer(
            question, media_type, request.headers, request.receive, request.method
        )

    async def plain(
        self, method: str, headers: Mapping[str, str], receive: Receive
    ) -> Response | None:
        """The answer to a POST or QUERY from its headers, names in lower case; None, and nothing
        was read, if it is for `handle`."""
        media_type = negotiate(headers.get("accept"))
        if media_type is None or media_type == EVENT_STREAM:
            return None
        try:
            check_headers(headers)
            question = read_question(await read_body(receive))
        except HttpRefusal as refusal:
            return refused(refusal, media_type)
        except ClientDisconnect:
            return Response(status_code=NOBODY_WAITS)
        return await self._answer(question, media_type, headers, receive, method)

    async def _answer(
        self,
        question: Question,
        media_type: str,
        headers: Mapping[str, str],
        receive: Receive,
        method: str,
    ) -> Response:
        header, known = headers.get("authorization"), headers.get("if-none-match")
        with tracing.span(
            "graphql",
            {"graphql.operation.name": question.operation_name},
            parent=headers.get("traceparent") or "",
            kind="SERVER",
        ):
            answer = await in_time(
                lambda running: self.operations.answer(
                    question, header, running, method=method, if_none_match=known
                ),
                self._settings.graphql_seconds,
                lambda: _disconnected(receive),
            )
        if answer is None:
            return Response(status_code=NOBODY_WAITS)
        return answer.response(media_type, draft=self._settings.graphql_status == "draft")

    async def _stream(self, request: Request, question: Question) -> Response:
        """An event stream; who is not known gets an ordinary answer."""
        header = request.headers.get("authorization")
        try:
            await run_in_threadpool(self.operations.principal, header)
        except Unauthenticated as error:
            return failed(error).response(JSON)
        last_event_id = request.headers.get("last-event-id")
        return EventStream(sse(self._subscriptions, question, header, last_event_id))

    async def _question(self, request: Request, *, streamed: bool) -> Question:
        """The request; a stream may also be asked for with GET if its address says nothing but the
        digest of a stored document."""
        if request.method == "GET":
            bare = streamed and set(request.query_params) <= {"documentId", "operationName"}
            if self._settings.graphql_get or bare:
                return question_in_url(request.query_params)
        if request.method not in ("POST", "QUERY"):
            allowed = "GET, POST, QUERY" if self._settings.graphql_get else "POST, QUERY"
            text = "Send GraphQL requests with POST, or queries with QUERY."
            raise HttpRefusal(405, text, **{"Allow": allowed, "Accept-Query": JSON})
        if streamed and request.method == "QUERY":
            raise HttpRefusal(406, "Ask for an event stream with POST.")
        check_headers(request.headers)
        return read_question(await read_body(request.receive))


async def _disconnected(receive: Receive) -> None:
    """Returns when the client is gone; the body must have been read."""
    while (await receive())["type"] != "http.disconnect":
        pass
