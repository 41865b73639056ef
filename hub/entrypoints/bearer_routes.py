"""What routes beside ``/graphql`` have in common: who asks by a credential, and how they refuse."""

from __future__ import annotations

from starlette.responses import JSONResponse, Response

from hub.auth.credentials import authenticate
from hub.auth.scopes import load_scope, stated_purpose
from hub.domain.agreements import operations_scope
from hub.entrypoints.graphql_operations import HubParts
from hub.errors import HubError, Unauthenticated
from hub.storage import policy
from schema.context import Context

_SCOPE = operations_scope("credentials")


def context_of(hub: HubParts, authorization: str | None, purpose: str | None = None) -> Context:
    """Who asks, with the rights of this moment; for the stated purpose, else the credential's own.
    Blocking. Raises Unauthenticated, or Forbidden for another purpose."""
    with hub.database.read(_SCOPE) as session:
        version = policy.version(session)  # first: a change meanwhile must be noticed
        principal = authenticate(session, authorization)
        scope = load_scope(session, principal, stated_purpose(principal, purpose), hub.now())
    return Context(hub.database, hub.crypto, principal, scope, hub.now, policy=version)


def refused(error: HubError) -> Response:
    """A failure as JSON, kept by nobody on the way."""
    headers = {"Cache-Control": "no-store"}
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    body = {"code": error.code, "message": str(error)}
    return JSONResponse(body, error.http_status, headers)
