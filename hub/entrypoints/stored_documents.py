"""Stored documents are planned when the service starts, so that the first request with one finds
its plan, and one that its credential may no longer run is told of at once."""

from __future__ import annotations

from collections.abc import Callable

from hub import log
from hub.auth.credentials import principal_of
from hub.auth.documents import all_documents
from hub.auth.scopes import load_scope, stated_purpose
from hub.domain.agreements import Principal, operations_scope
from hub.entrypoints.graphql_operations import HubParts
from hub.errors import HubError
from hub.storage.session import ScopedSession
from hub.storage.tables import Client, ClientDocument
from schema.context import Context
from schema.execute import Engine
from schema.trusted import sampled

logger = log.get(__name__)
_SCOPE = operations_scope("stored documents")


def plan_stored(hub: HubParts, engine_of: Callable[[Principal], Engine]) -> int:
    """Plan every stored document under the rights of its credential; returns how many could be.
    Blocking."""
    found: list[tuple[ClientDocument, Context]] = []
    with hub.database.read(_SCOPE) as session:
        for document, client in all_documents(session):
            try:
                found.append((document, _context(hub, session, client, document)))
            except HubError as error:
                _told(document, client.id, error)
    planned = 0
    for document, context in found:
        try:
            # It asks for the document twice, so that it is kept with its plan.
            list(sampled(engine_of(context.principal), context, document.text))
        except HubError as error:
            _told(document, context.principal.id, error)
        else:
            planned += 1
    return planned


def _told(document: ClientDocument, principal_id: str, error: HubError) -> None:
    logger.warning(
        "stored document cannot run",
        document_id=f"sha256:{document.digest}",
        principal_id=principal_id,
        code=error.code,
    )


def _context(
    hub: HubParts, session: ScopedSession, client: Client, document: ClientDocument
) -> Context:
    principal = principal_of(client)
    purpose = stated_purpose(principal, document.purpose)
    scope = load_scope(session, principal, purpose, hub.now())
    return Context(hub.database, hub.crypto, principal, scope, hub.now)
