"""``POST /hl7/{connection}``: HL7 v2 over HTTP, judged and stored exactly like over MLLP.

The body is one message or several (bare, in a batch or in MLLP blocks); the answer holds their
acknowledgements in the same order and framing. Instead of the sender's address a credential is
checked: an MSO app may send for the practices whose agreements cover clinical data, a practice's
app for its own.

| Status | Acknowledgements | The sender |
| --- | --- | --- |
| 200 | all AA or CA | is done |
| 202 | none were asked for (MSH-15, MSH-16) | is done |
| 400 | at least one AR or CR | corrects what it sends; the same bytes are refused again |
| 422 | at least one AE or CE, no AR | corrects the message; it is kept here and can be replayed |
| 503 | at least one was not stored | sends all again; what was stored is answered as before |
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connectors.sdk.hl7v2.acks import read_ack
from connectors.sdk.hl7v2.batches import (
    MOST_MESSAGES,
    is_batch,
    read_batch,
    split_blocks,
    split_messages,
)
from connectors.sdk.hl7v2.framing import HEAD_KEPT, Frame, wrap
from hub import log
from hub.auth.credentials import authenticate
from hub.auth.scopes import load_scope
from hub.domain.agreements import Domain, operations_scope
from hub.entrypoints.hl7_judging import CONTENT_TYPE
from hub.entrypoints.hl7_outcomes import Outcomes
from hub.entrypoints.hl7_receive import Receiver, Reply
from hub.entrypoints.hl7_routes import Hl7Connection, Peer, Routes
from hub.entrypoints.http_protocol import (
    NOBODY_WAITS,
    BodyTooLarge,
    BodyTooSlow,
    closing,
    read_body,
)
from hub.entrypoints.hub import Hub
from hub.errors import Forbidden, HubError, NotFound, Unauthenticated
from hub.services import connections

logger = log.get(__name__)
_SCOPE = operations_scope("HL7 over HTTP")
CONTENT_TYPES = frozenset({CONTENT_TYPE, "x-application/hl7-v2+er7", "text/plain"})
LARGEST_BODY = 10 * 1024 * 1024
SLOWEST_BODY = 120.0
"""Seconds for a body of that size over a slow line."""
ANYWHERE = ("0.0.0.0/0", "::/0")


CurrentRoutes = Callable[[], Routes]
"""`hub.entrypoints.hl7_route_table.RouteTable`: the routes as stored, read again now and then."""


def hl7_routes(hub: Hub, routes: CurrentRoutes) -> list[Route]:
    """The route of HL7 over HTTP."""
    endpoint = _Endpoint(hub, routes)
    return [Route("/hl7/{connection}", endpoint.receive, methods=["POST"])]


@dataclass(frozen=True, slots=True)
class _Endpoint:
    hub: Hub
    routes: CurrentRoutes

    async def receive(self, request: Request) -> Response:
        content_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
        if content_type not in CONTENT_TYPES:
            return _refused(415, f"Send {CONTENT_TYPE} or text/plain.")
        try:
            connection = await asyncio.to_thread(
                self.admit,
                request.headers.get("authorization"),
                request.path_params["connection"],
            )
        except HubError as error:
            return _refused(error.http_status, str(error))
        except Exception as error:  # the database is away
            logger.error("hl7 not stored", error_type=type(error).__name__)
            return _refused(503, "The hub cannot store anything now; send it again.")
        announced = request.headers.get("content-length")
        try:
            body = await read_body(request.receive, LARGEST_BODY, announced, SLOWEST_BODY)
        except BodyTooLarge:
            return _refused(413, f"A body has at most {LARGEST_BODY} bytes.")
        except BodyTooSlow:
            return _refused(408, "The body took too long to come; send it again.")
        except ClientDisconnect:
            return Response(status_code=NOBODY_WAITS)
        messages = split_messages(body)
        if not messages:
            return _refused(400, "The body holds no message.")
        if len(messages) > MOST_MESSAGES:
            return _refused(
                413, f"A body has at most {MOST_MESSAGES} messages; send them in parts."
            )
        peer = Peer(request.client.host if request.client else "", transport="http")
        largest = connection.config.receiving.limits.frame_bytes
        receiver = Receiver(
            self.hub.intake,
            routes=lambda: Routes((connection,)),
            now=self.hub.now,
            processed=Outcomes(self.hub.database),
        )
        replies = [await _receive(receiver, block, largest, peer) for block in split_blocks(body)]
        return _answer(replies, framed=body.lstrip(b" \t\r\n")[:1] == b"\x0b")

    def admit(self, authorization: str | None, name: str) -> Hl7Connection:
        """The connection as this credential may use it. Blocking.

        Raises Unauthenticated, Forbidden for a credential that only reads or has no clinical data,
        and NotFound both for an unknown connection and for one that serves no practice of the
        credential.
        """
        with self.hub.database.read(_SCOPE) as session:
            principal = authenticate(session, authorization)
            if Domain.CLINICAL not in principal.domains:
                raise Forbidden("This credential is not granted clinical data.")
            if not principal.write:
                raise Forbidden("This credential only reads; create one with `--allow write`.")
            purpose = principal.default_purpose
            scope = load_scope(session, principal, purpose, self.hub.now())
            try:
                connection_id = connections.named(session, name).id
            except NotFound:
                raise NotFound from None  # as for a connection of other practices
        found = [one for one in self.routes().connections if one.connection_id == connection_id]
        if not found:
            raise NotFound
        return restricted(found[0], scope.practices(Domain.CLINICAL))


def from_anywhere(connection: Hl7Connection) -> Hl7Connection:
    """The connection for a sender that is known by other means than its address."""
    return replace(connection, peers=ANYWHERE, certificates=frozenset[str]())


def restricted(connection: Hl7Connection, practices: frozenset[str]) -> Hl7Connection:
    """The connection with the facilities of some practices, from any address. Raises NotFound if
    there are none."""
    facilities = {
        code: facility
        for code, facility in connection.facilities.items()
        if facility.practice_id in practices
    }
    if not facilities:
        raise NotFound
    return from_anywhere(replace(connection, facilities=facilities))


def status_of(replies: list[Reply]) -> int:
    """The gravest outcome decides; the table above."""
    acks = [ack for reply in replies for ack in (reply.ack, *reply.more)]
    codes = {(read_ack(one) or ("",))[0] for ack in acks for one in split_messages(ack)}
    if not all(reply.stored for reply in replies):
        return 503
    if codes & {"AR", "CR"}:
        return 400
    if codes & {"AE", "CE"}:
        return 422
    return 200 if codes - {""} else 202


def _answer(replies: list[Reply], *, framed: bool) -> Response:
    acks = [ack for reply in replies for ack in (reply.ack, *reply.more) if ack]
    body = b"".join(wrap(ack) if framed else ack.rstrip(b"\r") + b"\r" for ack in acks)
    headers = {"Cache-Control": "no-store", "Content-Type": CONTENT_TYPE}
    return Response(body, status_of(replies), headers)


async def _receive(receiver: Receiver, block: bytes, largest: int, peer: Peer) -> Reply:
    if is_batch(block) or len(split_messages(block)) > 1:
        return await receiver.receive_batch(read_batch(block), peer)
    if len(block) > largest:
        return await receiver.receive(Frame(block[:HEAD_KEPT], "too_large", len(block)), peer)
    return await receiver.receive(Frame(block, "", len(block)), peer)


def _refused(status: int, sentence: str) -> Response:
    headers = {"Cache-Control": "no-store", **closing(status)}
    if status == Unauthenticated.http_status:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse({"error": sentence}, status, headers)
