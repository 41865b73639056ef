"""Files inside clinical documents: ``GET /documents/{document}/{position}``.

Who may read a document, and what the audit trail says of it, is decided by a query like any other:
its files are handed out to whoever may read it with its identifiers. The purpose
is that of the header ``Hub-Purpose``, else the credential's own.
"""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hub.domain.agreements import Domain
from hub.entrypoints.bearer_routes import context_of, refused
from hub.entrypoints.graphql_operations import HubParts
from hub.errors import HubError, NotFound
from hub.storage import clinical_documents
from hub.storage.reads.write import global_id, read_global_id
from schema.context import Context
from schema.execute import Engine
from schema.root import hub_schema

PURPOSE = "hub-purpose"
_NAME = "documentFile"
_DOCUMENT = """query documentFile($id: ID!) { node(id: $id) { ... on ClinicalDocument {
  title fileName practice { id } } } }"""
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9.+-]*/[a-z0-9][a-z0-9.+-]*")
_ANY = "application/octet-stream"


def document_routes(hub: HubParts) -> list[Route]:
    """The route of downloads."""
    engine = Engine(hub_schema(), introspection=False)

    async def download(request: Request) -> Response:
        document_id, position = request.path_params["document"], request.path_params["position"]
        try:
            stated = (request.headers.get(name) for name in ("authorization", PURPOSE))
            context = await run_in_threadpool(context_of, hub, *stated)
            practice_id = await _practice_of(engine, context, document_id)
            return await run_in_threadpool(_file, context, practice_id, document_id, position)
        except HubError as error:
            return refused(error)

    return [Route("/documents/{document}/{position:int}", download, methods=["GET"])]


async def _practice_of(engine: Engine, context: Context, document_id: str) -> str:
    """The practice of a document whose files the caller may read. Raises NotFound."""
    variables = {"id": global_id("ClinicalDocument", document_id)}
    try:
        prepared = engine.prepare(context, _DOCUMENT, variables, _NAME)
    except HubError as error:
        await run_in_threadpool(engine.note_refusal, context, _DOCUMENT, error)
        raise NotFound from error
    data: dict[str, Any] = orjson.loads(await engine.answer(context, prepared))
    found = data["node"]
    practice = read_global_id(found["practice"]["id"]) if found else None
    if practice is None or practice[1] not in context.scope.rows.get(Domain.CLINICAL, frozenset()):
        raise NotFound  # rows without identifiers have no files
    return practice[1]


def _file(context: Context, practice_id: str, document_id: str, position: int) -> Response:
    with context.read() as session:
        row = clinical_documents.part(session, practice_id, document_id, position)
        content = clinical_documents.content(context.crypto, row) if row is not None else b""
    if row is None or not content:
        raise NotFound
    media_type = row.media_type if _MEDIA_TYPE.fullmatch(row.media_type) else _ANY
    digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
    headers = {
        "Cache-Control": "no-store",
        "Content-Disposition": f'attachment; filename="{row.id}"',
        "Content-Security-Policy": "sandbox",
        "Repr-Digest": f"sha-256=:{digest}:",
        "X-Content-Type-Options": "nosniff",
        "Content-Type": media_type,
    }
    return Response(content, headers=headers)
