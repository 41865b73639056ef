"""``GET /purchasing/rounds/{id}/scenarios``: a round and its scenarios as one HTML page.

Read through the schema under the rights of the credential, so that figures obey the small-group
rule as they do everywhere. For apps of the MSO that may read financial data.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from hub.domain.agreements import DataClass
from hub.entrypoints.bearer_routes import context_of, refused
from hub.entrypoints.purchasing_page import scenarios_page
from hub.errors import Forbidden, HubError, NotFound
from schema.context import Context
from schema.execute import Engine
from schema.root import hub_schema

if TYPE_CHECKING:
    from hub.entrypoints.hub import Hub

_FIGURES = {
    "pooledCost": "pooled_cost",
    "difference": "difference",
    "lowerBound": "lower_bound",
    "gap": "gap",
    "name": "name",
    "state": "state",
    "suppliers": "suppliers",
    "orders": "orders",
    "summary": "summary",
    "explanation": "explanation",
}
"""Field of the schema → key of the page."""
_QUERY = """query Scenarios($id: ID!) { node(id: $id) { ... on PurchasingRound {
  name pooledCost lowerBound gap
  scenarios(first: 100) { nodes { name state pooledCost difference lowerBound gap suppliers orders
    summary explanation } } } } }"""
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def purchasing_routes(hub: Hub) -> list[Route]:
    """The route of the page."""
    engine = Engine(hub_schema(), introspection=False)

    async def scenarios(request: Request) -> Response:
        try:
            context = await run_in_threadpool(_context, hub, request.headers.get("authorization"))
            named = {"id": request.path_params["id"]}
            prepared = engine.prepare(context, _QUERY, named, None)
            read = orjson.loads(await engine.answer(context, prepared))
            page = _page(read["node"])
        except HubError as error:
            return refused(error)
        return HTMLResponse(page, headers=_HEADERS)

    return [Route("/purchasing/rounds/{id}/scenarios", scenarios, methods=["GET"])]


def _context(hub: Hub, authorization: str | None) -> Context:
    """Who asks, with the rights of this moment. Blocking."""
    context = context_of(hub, authorization)
    if not context.scope.is_mso or DataClass.FINANCIAL not in context.scope.classes:
        raise Forbidden("Scenarios are for the MSO's own apps that read financial data.")
    return context


def _page(round_: Mapping[str, Any] | None) -> str:
    if not round_:
        raise NotFound
    return scenarios_page(_keys(round_), [_keys(row) for row in round_["scenarios"]["nodes"]])


def _keys(row: Mapping[str, Any]) -> dict[str, Any]:
    found = {key: row.get(name) for name, key in _FIGURES.items()}
    return {**found, "state": (found["state"] or "").lower()}
