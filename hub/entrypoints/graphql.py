"""GraphQL over HTTP: an own shell around the engine, so that nothing odd reaches it.

POST with a JSON object only, bounded before it is read; authenticated, then executed in a thread.
Errors carry a fixed code and an error id, never a value. The media type is negotiated as GraphQL
over HTTP says: `application/graphql-response+json` with the status of the outcome,
`application/json` with 200.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from hub import log
from hub.auth.credentials import authenticate
from hub.auth.scopes import load_scope, stated_purpose
from hub.domain.agreements import Principal, Scope, unrestricted_scope
from hub.entrypoints.connection_rules import prepare_connection
from hub.entrypoints.query_page import CONTENT_SECURITY_POLICY, PAGE
from hub.errors import Forbidden, HubError, Rejected
from hub.settings import Settings
from hub.storage import audit
from hub.storage.crypto import Crypto
from hub.storage.session import Database
from schema.context import ConnectorEntry, Context
from schema.documents import Invalid
from schema.execute import Engine
from schema.root import hub_schema

logger = log.get(__name__)
LARGEST_BODY = 256 * 1024
JSON, GRAPHQL_JSON = "application/json", "application/graphql-response+json"
_SCOPE = unrestricted_scope("credentials")
_OURS = "Something went wrong in the hub; quote the errorId to its operator."


class HubParts(Protocol):
    """What the HTTP edge needs of the hub."""

    @property
    def settings(self) -> Settings: ...
    @property
    def database(self) -> Database: ...
    @property
    def crypto(self) -> Crypto: ...
    def now(self) -> datetime: ...


@dataclass(frozen=True, slots=True)
class Question:
    """A well-formed GraphQL request."""

    query: str
    variables: dict[str, Any]
    operation_name: str | None
    purpose: object


class HttpRefusal(Exception):
    """A request that is no GraphQL request: status and one sentence."""

    def __init__(self, status: int, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers


class GraphQLEndpoint:
    """The handler of ``/graphql``."""

    def __init__(self, hub: HubParts, connectors: Sequence[ConnectorEntry]) -> None:
        self._hub = hub
        self._connectors = connectors
        self._demo = hub.settings.profile == "demo"
        self._engine = Engine(hub_schema(), introspection=self._demo)

    async def handle(self, request: Request) -> Response:
        if request.method in ("GET", "HEAD") and self._demo and _wants_html(request):
            return HTMLResponse(PAGE, headers={"Content-Security-Policy": CONTENT_SECURITY_POLICY})
        media_type = _negotiate(request.headers.get("accept"))
        try:
            if request.method != "POST":
                raise HttpRefusal(405, "Send GraphQL requests with POST.", Allow="POST")
            if media_type is None:
                raise HttpRefusal(406, f"The answer is {JSON} or {GRAPHQL_JSON}.")
            _check_headers(request)
            question = read_question(await _read_body(request))
        except HttpRefusal as refusal:
            return _refused(refusal, media_type or JSON)
        header = request.headers.get("authorization")
        status, body = await run_in_threadpool(self.answer, question, header)
        if media_type == JSON and status != 401:
            status = 200
        headers = {"Cache-Control": "no-store"}
        if status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return Response(body, status, headers, media_type)

    def answer(self, question: Question, authorization: str | None) -> tuple[int, bytes]:
        """Status and body for one request. Blocking; never raises."""
        try:
            with self._hub.database.read(_SCOPE) as session:
                principal = authenticate(session, authorization)
            scope = self._scope(principal, question)
            context = Context(
                self._hub.database,
                self._hub.crypto,
                principal,
                scope,
                self._hub.now,
                self._connectors,
                prepare_connection=prepare_connection,
                own_documents=self._demo or principal.developer,
            )
            data = self._engine.execute(
                context, question.query, question.variables, question.operation_name
            )
            return 200, orjson.dumps({"data": data})
        except Exception as error:
            return error_body(error)

    def _scope(self, principal: Principal, question: Question) -> Scope:
        now = self._hub.now()
        try:
            purpose = stated_purpose(principal, question.purpose)
        except Forbidden as error:
            reason = str(error)
            self._hub.database.transaction(
                _SCOPE,
                lambda session: audit.append(
                    session,
                    now=now,
                    principal_id=principal.id,
                    principal_name=principal.name,
                    purpose=principal.default_purpose.value,
                    action="execute",
                    outcome="denied",
                    reason=reason,
                ),
            )
            raise
        with self._hub.database.read(_SCOPE) as session:
            return load_scope(session, principal, purpose, now)


def error_body(error: Exception) -> tuple[int, bytes]:
    """Status and GraphQL body of a failure; anything that is no expected failure is masked."""
    error_id = uuid.uuid4().hex
    known = isinstance(error, HubError) and error.code != "INTERNAL"
    code = error.code if isinstance(error, HubError) and known else "INTERNAL"
    status = error.http_status if isinstance(error, HubError) else 500
    if not known:
        logger.error(
            "request failed", error_id=error_id, code=code, error_type=type(error).__name__
        )
    listed: list[dict[str, Any]] = [{"message": str(error) if known else _OURS}]
    if isinstance(error, Invalid):
        listed = [dict(item) for item in error.errors]
    for item in listed:
        item["extensions"] = {"code": code, "errorId": error_id}
    return status, orjson.dumps({"errors": listed})


def read_question(body: bytes) -> Question:
    """A request from its body. Raises HttpRefusal (400) for anything but one JSON object.

    U+0000 is refused anywhere, as it cannot be stored and would end in another error than
    "missing".
    """
    if b"\\u0000" in body:
        raise HttpRefusal(400, "The body contains the character U+0000.")
    try:
        sent = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise HttpRefusal(400, "The body is not JSON.") from None
    if not isinstance(sent, dict):
        raise HttpRefusal(400, "The body is not one JSON object.")
    query, variables = sent.get("query"), sent.get("variables")
    name, extensions = sent.get("operationName"), sent.get("extensions")
    if not isinstance(query, str):
        raise HttpRefusal(400, "`query` must be text.")
    if variables is not None and not isinstance(variables, dict):
        raise HttpRefusal(400, "`variables` must be an object.")
    if name is not None and not isinstance(name, str):
        raise HttpRefusal(400, "`operationName` must be text.")
    if extensions is not None and not isinstance(extensions, dict):
        raise HttpRefusal(400, "`extensions` must be an object.")
    return Question(query, variables or {}, name or None, (extensions or {}).get("purpose"))


def _check_headers(request: Request) -> None:
    content_type = request.headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() != JSON:
        raise HttpRefusal(415, f"Send {JSON}.")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise HttpRefusal(415, "Send the body without compression.")
    length = request.headers.get("content-length", "0")
    if not length.isascii() or not length.isdigit() or int(length[:12]) > LARGEST_BODY:
        raise HttpRefusal(413, "The body is too large.")


async def _read_body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_BODY:
            raise HttpRefusal(413, "The body is too large.")
    return bytes(body)


def _negotiate(accept: str | None) -> str | None:
    """The media type of the answer; None if neither is acceptable."""
    if accept is None or not accept.strip():
        return JSON
    best, best_q = None, 0.0
    for part in accept.split(","):
        media, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    quality = float(parameter[2:])
                except ValueError:
                    quality = 0.0
        offered = {GRAPHQL_JSON: GRAPHQL_JSON, JSON: JSON, "*/*": JSON, "application/*": JSON}
        if media in offered and quality > best_q:
            best, best_q = offered[media], quality
    return best


def _wants_html(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")


def _refused(refusal: HttpRefusal, media_type: str) -> Response:
    _, body = error_body(Rejected(str(refusal)))
    headers = {"Cache-Control": "no-store", **refusal.headers}
    return Response(body, refusal.status, headers, media_type)
