"""The answer to a GraphQL request: a body, a status, and errors that carry no value."""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import orjson
from starlette.responses import Response

from hub import log
from hub.auth.buckets import Reservation
from hub.entrypoints.graphql_request import JSON, HttpRefusal
from hub.errors import HubError, Rejected, Throttled
from schema.documents import Invalid
from schema.live import FieldFailure

logger = log.get(__name__)
OURS = "Something went wrong in the hub; quote the errorId to its operator."
_ALWAYS_SHOWN = frozenset({304, 401, 429, 504})
_UNPROCESSABLE, _PARTIAL = 422, 294
_NO_STORE = (b"cache-control", b"no-store")


class Answer(NamedTuple):
    """Status, body and further headers of one answer; `unprocessable` if the document was readable
    and broke a rule."""

    status: int
    content: Mapping[str, Any]
    headers: Mapping[str, str] = MappingProxyType({})
    unprocessable: bool = False

    @property
    def body(self) -> bytes:
        return b"" if self.status == 304 else orjson.dumps(self.content)

    def response(self, media_type: str, *, draft: bool = False) -> Response:
        """As GraphQL over HTTP says: `application/json` has status 200 whatever the document came
        to; who asks, how often and how long is a matter of HTTP and keeps its status. With `draft`
        as its draft of August 2026 says: a status of its own for each outcome, in both types."""
        shown = self.status
        if draft:
            shown = self._draft_status()
        elif media_type == JSON and shown not in _ALWAYS_SHOWN:
            shown = 200
        body = self.body
        if body and not self.headers:
            return _NotKept(body, shown, media_type)
        headers = {"Cache-Control": "no-store", **self.headers}
        return Response(body, shown, headers, media_type if body else None)

    def _draft_status(self) -> int:
        if self.unprocessable:
            return _UNPROCESSABLE
        partial = self.status == 200 and "errors" in self.content
        return _PARTIAL if partial else self.status


class _NotKept(Response):
    """Bytes of a type, kept by nobody: what Starlette makes of them, without looking for what else
    might be among the headers."""

    def __init__(self, body: bytes, status: int, media_type: str) -> None:
        self.body, self.status_code, self.media_type = body, status, media_type
        self.background = None
        length, kind = b"%d" % len(body), media_type.encode()
        self.raw_headers = [_NO_STORE, (b"content-length", length), (b"content-type", kind)]


def succeeded(
    data: bytes,
    cost: Reservation,
    tag: str | None = None,
    beside: Mapping[str, Any] | None = None,
    failures: Sequence[FieldFailure] = (),
) -> Answer:
    """`data` is JSON already and goes out as it is; with a `tag` its client may keep it; `beside`
    are further extensions, `failures` the fields that are null because nobody answered."""
    content: dict[str, Any] = {"data": orjson.Fragment(data)}
    if failures:
        content["errors"] = [_field_error(failure) for failure in failures]
    content["extensions"] = {"cost": shown_cost(cost), **(beside or {})}
    return Answer(200, content, {} if tag is None else kept_under(tag))


def _field_error(failure: FieldFailure) -> dict[str, Any]:
    error_id = uuid.uuid4().hex
    extensions = {"code": failure.error.code, "errorId": error_id}
    return {"message": str(failure.error), "path": failure.path, "extensions": extensions}


def not_modified(tag: str) -> Answer:
    """The client has the answer already."""
    return Answer(304, {}, kept_under(tag))


def kept_under(tag: str) -> dict[str, str]:
    """Kept by the client alone, and asked about each time before it is used again."""
    vary = "Authorization, Accept"
    return {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": vary}


def failed(error: Exception, cost: Reservation | None = None) -> Answer:
    """A failure as a GraphQL body; anything that is no expected failure is masked."""
    known = isinstance(error, HubError) and error.code != "INTERNAL"
    code = error.code if isinstance(error, HubError) and known else "INTERNAL"
    status = error.http_status if isinstance(error, HubError) else 500
    error_id = uuid.uuid4().hex if known else log.unexpected(logger, error)
    listed: list[dict[str, Any]] = [{"message": str(error) if known else OURS}]
    if isinstance(error, Invalid):
        listed = [dict(item) for item in error.errors]
    for item in listed:
        item["extensions"] = {"code": code, "errorId": error_id}
    content: dict[str, Any] = {"errors": listed}
    headers = {}
    if cost is not None:
        content["extensions"] = {"cost": shown_cost(cost)}
    if isinstance(error, Throttled):
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after)))
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    unprocessable = isinstance(error, Invalid) and error.readable
    return Answer(status, content, headers, unprocessable)


def outcome_of(answer: Answer) -> str:
    """One word for how an operation ended: ok, or the code of its first error."""
    errors = answer.content.get("errors")
    return str(errors[0]["extensions"]["code"]) if errors else "ok"


def refused(refusal: HttpRefusal, media_type: str) -> Response:
    """The answer to a request that is no GraphQL request."""
    body = failed(Rejected(str(refusal))).body
    headers = {"Cache-Control": "no-store", **refusal.headers}
    return Response(body, refusal.status, headers, media_type)


def shown_cost(cost: Reservation) -> dict[str, Any]:
    """What the operation cost and what is left: points, and points per second."""
    return {
        "requestedQueryCost": cost.requested,
        "actualQueryCost": cost.actual,
        "throttleStatus": {
            "maximumAvailable": cost.maximum,
            "currentlyAvailable": cost.available(),
            "restoreRate": cost.rate,
        },
    }
