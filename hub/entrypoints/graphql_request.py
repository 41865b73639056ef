"""A GraphQL request as it arrives over HTTP: bounded before it is read, refused in one sentence.

GraphQL over HTTP: POST with one JSON object, or GET with its members in the query string where a
setting allows it; the media type of the answer is negotiated.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.types import Receive

from hub.entrypoints import http_protocol, strict_json

LARGEST_BODY = 256 * 1024
LONGEST_NAME = 200
JSON, GRAPHQL_JSON = "application/json", "application/graphql-response+json"
EVENT_STREAM = "text/event-stream"
DOCUMENT_ID = "sha256:"
_OFFERED = {
    GRAPHQL_JSON: GRAPHQL_JSON,
    JSON: JSON,
    EVENT_STREAM: EVENT_STREAM,
    "*/*": JSON,
    "application/*": JSON,
}


class Question(NamedTuple):
    """A well-formed GraphQL request: a document, or the digest of a stored one."""

    query: str | None
    variables: dict[str, Any]
    operation_name: str | None
    purpose: object = None
    document_id: str | None = None
    freshness: bool = False
    max_age_seconds: int | None = None
    plan: bool = False
    emergency_access: str | None = None

    @property
    def asks_freshness(self) -> bool:
        return self.freshness or self.max_age_seconds is not None

    @property
    def asks_beside(self) -> bool:
        """True if the answer is to say more than its data, which is not kept under its tag."""
        return self.asks_freshness or self.plan


class HttpRefusal(Exception):
    """A request that is no GraphQL request: status and one sentence."""

    def __init__(self, status: int, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers


def read_question(body: bytes) -> Question:
    """A request from its body. Raises HttpRefusal (400) for anything but one JSON object.

    U+0000 is refused anywhere, as it cannot be stored and would end in another error than
    "missing".
    """
    if b"\\u0000" in body:
        raise HttpRefusal(400, "The body contains the character U+0000.")
    return question_of(_parsed(body, "The body"))


def question_of(sent: object) -> Question:
    """A request from its JSON. Raises HttpRefusal (400)."""
    if not isinstance(sent, dict):
        raise HttpRefusal(400, "The body is not one JSON object.")
    query, variables = sent.get("query"), sent.get("variables")
    name, extensions = sent.get("operationName"), sent.get("extensions")
    document_id = sent.get("documentId")
    if document_id is not None:
        digest = _digest(document_id)
        if query is not None:
            raise HttpRefusal(400, "Send `query` or `documentId`, not both.")
    elif not isinstance(query, str):
        raise HttpRefusal(400, "`query` must be text.")
    else:
        digest = None
    if variables is not None and not isinstance(variables, dict):
        raise HttpRefusal(400, "`variables` must be an object.")
    if name is not None and not isinstance(name, str):
        raise HttpRefusal(400, "`operationName` must be text.")
    if name is not None and len(name) > LONGEST_NAME:
        raise HttpRefusal(400, f"`operationName` has at most {LONGEST_NAME} characters.")
    if extensions is not None and not isinstance(extensions, dict):
        raise HttpRefusal(400, "`extensions` must be an object.")
    return Question(
        query,
        variables or {},
        name or None,
        document_id=digest,
        **(_asked_beside(extensions) if extensions else {}),
    )


def _asked_beside(extensions: Mapping[str, Any]) -> dict[str, Any]:
    """What the hub knows of a request's extensions."""
    seconds = extensions.get("maxAgeSeconds")
    flags = {name: extensions.get(name) for name in ("freshness", "plan")}
    for name, flag in flags.items():
        if flag is not None and not isinstance(flag, bool):
            raise HttpRefusal(400, f"`extensions.{name}` must be true or false.")
    whole = isinstance(seconds, int) and not isinstance(seconds, bool) and seconds >= 0
    if seconds is not None and not whole:
        raise HttpRefusal(400, "`extensions.maxAgeSeconds` must be a whole number of seconds.")
    emergency = extensions.get("emergencyAccess")
    if emergency is not None and not isinstance(emergency, str):
        raise HttpRefusal(400, "`extensions.emergencyAccess` must be the id of one.")
    return {
        "purpose": extensions.get("purpose"),
        "emergency_access": emergency,
        "max_age_seconds": seconds,
        **{name: bool(flag) for name, flag in flags.items()},
    }


def question_in_url(parameters: Mapping[str, str]) -> Question:
    """A request from the query string of a GET. Raises HttpRefusal (400)."""
    if any("\x00" in value for value in parameters.values()):
        raise HttpRefusal(400, "The address contains the character U+0000.")
    sent: dict[str, Any] = dict(parameters)
    for name in ("variables", "extensions"):
        if name in sent:
            if "\\u0000" in sent[name]:
                raise HttpRefusal(400, "The address contains the character U+0000.")
            sent[name] = _parsed(sent[name].encode(), f"`{name}`")
    return question_of(sent)


def _digest(document_id: object) -> str:
    if not isinstance(document_id, str) or not document_id.startswith(DOCUMENT_ID):
        raise HttpRefusal(400, f"`documentId` must be text that begins with {DOCUMENT_ID}")
    return document_id.removeprefix(DOCUMENT_ID)


def _parsed(text: bytes, what: str) -> Any:
    try:
        return strict_json.parsed(text)
    except ValueError:
        raise HttpRefusal(
            400, f"{what} is not JSON, or names a member of an object twice."
        ) from None


def check_headers(headers: Mapping[str, str]) -> None:
    """Raises HttpRefusal unless the body is announced as plain JSON within its bound."""
    content_type = headers.get("content-type", "")
    if content_type != JSON and content_type.partition(";")[0].strip().lower() != JSON:
        raise HttpRefusal(415, f"Send {JSON}.", **{"Accept-Query": JSON})
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise HttpRefusal(415, "Send the body without compression.")
    length = headers.get("content-length", "0")
    if not length.isascii() or not length.isdigit() or int(length[:12]) > LARGEST_BODY:
        raise HttpRefusal(413, "The body is too large.")


async def read_body(receive: Receive) -> bytes:
    """The body. Raises HttpRefusal where it grows too large (413) or does not come (408), and
    ClientDisconnect if its sender is gone."""
    try:
        return await http_protocol.read_body(receive, LARGEST_BODY)
    except http_protocol.BodyTooLarge:
        raise HttpRefusal(413, "The body is too large.") from None
    except http_protocol.BodyTooSlow:
        raise HttpRefusal(408, "The body took too long to come.", Connection="close") from None


@lru_cache(maxsize=64)
def negotiate(accept: str | None) -> str | None:
    """The media type of the answer; None if none is acceptable."""
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
        if media in _OFFERED and quality > best_q:
            best, best_q = _OFFERED[media], quality
    return best


def wants_html(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")
