"""``POST /webhooks/{connector}/{endpoint_token}``: verify the raw bytes, store, answer 202.

The token finds the connection, so the sender never names a practice. An unknown token, connector or
route get the same 404. Nothing is parsed here; a duplicate is answered like the first.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import defaultdict, deque

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connectors import registry
from connectors.sdk.signatures import (
    SignatureInvalid,
    VerifiedRequest,
    scheme_from_manifest,
    verify,
)
from hub import log
from hub.domain.agreements import operations_scope
from hub.domain.records import Issue
from hub.entrypoints.http_protocol import (
    NOBODY_WAITS,
    BodyTooLarge,
    BodyTooSlow,
    closing,
    read_body,
)
from hub.entrypoints.hub import Hub
from hub.errors import HubError, NotFound
from hub.services.connections import SecretStore
from hub.services.intake import Arrival
from hub.storage import connections
from hub.storage.tables import Connection

logger = log.get(__name__)
_SCOPE = operations_scope("webhooks")
STORE_SECONDS = 10.0
REFUSED_KEPT = 60
REFUSED_SECONDS = 60.0
LONGEST_ID = 200


def webhook_routes(hub: Hub) -> list[Route]:
    """The routes of the webhook receiver."""
    receiver = _Receiver(hub)
    path = "/webhooks/{connector}/{endpoint_token}"
    return [Route(path, receiver.receive, methods=["POST"])]


class _Receiver:
    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._refused: defaultdict[str, deque[float]] = defaultdict(deque)
        """By connection: when its refused ones were kept."""

    async def receive(self, request: Request) -> Response:
        connector_id = request.path_params["connector"]
        try:
            manifest = registry.get(connector_id)
            if manifest.webhook is None:
                raise NotFound
            connection = await asyncio.to_thread(
                self._connection, connector_id, request.path_params["endpoint_token"]
            )
        except NotFound:
            return _answer(404, "There is no such endpoint.")
        content_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
        if content_type not in manifest.webhook.content_types:
            return _answer(415, f"Send {' or '.join(manifest.webhook.content_types)}.")
        most = manifest.webhook.max_body_bytes
        try:
            body = await read_body(request.receive, most, request.headers.get("content-length"))
        except BodyTooLarge:
            return _answer(413, f"A body has at most {most} bytes.")
        except BodyTooSlow:
            return _answer(408, "The body took too long to come; send the event again.")
        except ClientDisconnect:
            return Response(status_code=NOBODY_WAITS)
        try:
            verified = await asyncio.to_thread(
                self._verify, manifest.webhook, connection, request, body
            )
        except SignatureInvalid as error:
            logger.warning("webhook refused", connection_id=connection.id, reason=str(error))
            fault = Issue("signature", "", str(error))
            await self._keep_refused(connection, fault, content_type, body)
            return _answer(401, str(error))
        except HubError as error:
            logger.error("webhook not configured", connection_id=connection.id, code=error.code)
            return _answer(503, "The endpoint is not ready; try again later.")
        if len(verified.id) > LONGEST_ID:
            sentence = f"An event id has at most {LONGEST_ID} characters."
            await self._keep_refused(connection, Issue("id", "id", sentence), content_type, body)
            return _answer(400, sentence)
        return await self._store(connection, verified, content_type, body)

    def _connection(self, connector_id: str, token: str) -> Connection:
        digest = self._hub.crypto.digest(f"endpoint:{token}")
        with self._hub.database.read(_SCOPE) as session:
            found = connections.by_endpoint(session, connector_id, digest)
        if found is None:
            raise NotFound
        return found

    def _verify(
        self,
        webhook: registry.WebhookManifest,
        connection: Connection,
        request: Request,
        body: bytes,
    ) -> VerifiedRequest:
        config = registry.validate_config(connection.connector_id, connection.config)
        store = SecretStore(self._hub.database, self._hub.crypto, connection.id)
        secrets = [store.get(reference) for reference in getattr(config, "webhook_secrets", ())]
        scheme = scheme_from_manifest({"scheme": webhook.scheme, **webhook.params})
        return verify(scheme, secrets, dict(request.headers), body, self._hub.now())

    async def _store(
        self, connection: Connection, verified: VerifiedRequest, content_type: str, body: bytes
    ) -> Response:
        arrival = Arrival(
            kind="x12" if content_type in {"application/edi-x12", "application/x12"} else "webhook",
            connection_id=connection.id,
            practice_id=connection.practice_id,
            source=f"webhook:{connection.id}",
            control_id=verified.id or hashlib.sha256(body).hexdigest(),
            message_type=content_type,
            content=body,
            content_type=content_type,
            lanes=(f"connection:{connection.id}",),
        )
        try:
            async with asyncio.timeout(STORE_SECONDS):
                stored = await asyncio.wrap_future(self._hub.intake.receive(arrival))
        except Exception as error:
            logger.error("webhook not stored", error_type=type(error).__name__)
            return _answer(503, "The event could not be stored; send it again.")
        if stored.conflict:
            return _answer(409, "The event id was used for another body; it was kept for review.")
        return JSONResponse({"id": stored.inbox_id}, status_code=202)

    async def _keep_refused(
        self, connection: Connection, fault: Issue, content_type: str, body: bytes
    ) -> None:
        """Keep what was not proven genuine, or has an impossible id, for an operator to see, a few
        a minute, never read."""
        now, kept = time.monotonic(), self._refused[connection.id]
        while kept and now - kept[0] > REFUSED_SECONDS:
            kept.popleft()
        if len(kept) >= REFUSED_KEPT:
            return
        kept.append(now)
        arrival = Arrival(
            kind="webhook",
            connection_id=connection.id,
            practice_id=None,
            source=f"webhook:{connection.id}:unproven",
            control_id=hashlib.sha256(body).hexdigest(),
            message_type=content_type,
            content=body,
            content_type=content_type,
            state="refused",
            fault=fault,
        )
        try:
            async with asyncio.timeout(STORE_SECONDS):
                await asyncio.wrap_future(self._hub.intake.receive(arrival))
        except Exception as error:
            logger.error("refused webhook not kept", error_type=type(error).__name__)


def _answer(status: int, sentence: str) -> Response:
    return JSONResponse({"error": sentence}, status, closing(status))
