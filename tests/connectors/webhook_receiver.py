"""Where simulated vendors send their webhooks to in tests."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from connectors import registry
from connectors.sdk.signatures import SignatureInvalid, scheme_from_manifest, verify


@dataclass
class WebhookReceiver:
    """A stand-in for the hub, of one connector's webhooks: verifies, answers, and keeps what it
    took; the first `refuse` it cannot store."""

    connector_id: str
    secret: str
    refuse: int = 0
    taken: list[tuple[str, bytes]] = field(default_factory=list)
    forged: int = 0

    async def receive(self, request: Request) -> Response:
        body = await request.body()
        manifest = registry.get(self.connector_id).webhook
        assert manifest is not None
        assert request.headers["content-type"] in manifest.content_types
        scheme = scheme_from_manifest({"scheme": manifest.scheme, **manifest.params})
        try:
            verified = verify(scheme, [self.secret], request.headers, body, datetime.now(UTC))
        except SignatureInvalid:
            self.forged += 1
            return Response(status_code=401)
        if self.refuse:
            self.refuse -= 1
            return Response(status_code=503)
        self.taken.append((verified.id, body))
        return Response(status_code=202)

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/hook", self.receive, methods=["POST"])])
