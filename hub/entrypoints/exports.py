"""Bulk exports at the edge: the reader handed to the jobs, and ``GET /exports/{token}``.

The download is for the credential that asked for the export, once, and only while it still has the
right to export. What is sent is decrypted on the way; the file is deleted after it.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from hub.auth.credentials import authenticate, principal_of
from hub.auth.scopes import load_scope
from hub.domain.agreements import Principal, operations_scope
from hub.entrypoints.bearer_routes import refused
from hub.errors import Forbidden, HubError
from hub.services import exports
from hub.services.exports import Chunk
from hub.storage.export_files import ExportFile
from hub.storage.session import ScopedSession
from hub.storage.tables import Client, Export
from schema import exporting
from schema.context import Context
from schema.root import hub_schema

if TYPE_CHECKING:
    from hub.entrypoints.hub import Hub

MEDIA_TYPE = "application/jsonl"
_SCOPE = operations_scope("exports")


class ExportReader:
    """Reads chunks of exports; who asks and what they may read is looked up for each."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def __call__(self, request: exports.Request) -> Chunk:
        """The next chunk. Raises Forbidden once the credential or its right to export is gone."""
        hub = self._hub
        with hub.database.read(_SCOPE) as session:
            client = session.get(Client, request.client_id)
            if client is None or client.revoked_at is not None:
                raise Forbidden("The credential that asked for the export was revoked.")
            principal = principal_of(client)
            require_right(principal)
            scope = load_scope(session, principal, request.purpose, hub.now())
        context = Context(hub.database, hub.crypto, principal, scope, hub.now)
        return exporting.read_chunk(hub_schema(), context, request)


def require_right(principal: Principal) -> None:
    """Raises Forbidden unless the credential may export."""
    if not principal.export:
        raise Forbidden("This credential may not export; create one with `--export`.")


def export_routes(hub: Hub) -> list[Route]:
    """The route of downloads."""

    async def download(request: Request) -> Response:
        if request.method != "GET":  # HEAD comes with GET, and must not spend the one download
            return Response(status_code=405, headers={"Allow": "GET"})
        token = request.path_params["token"]
        header = request.headers.get("authorization")
        try:
            row = await run_in_threadpool(_take, hub, token, header)
        except HubError as error:
            return refused(error)
        body = _once(_file(hub, row), row.chunks)
        return StreamingResponse(body, headers=_headers(row), media_type=MEDIA_TYPE)

    return [Route("/exports/{token}", download, methods=["GET"])]


def _take(hub: Hub, token: str, header: str | None) -> Export:
    with hub.database.read(_SCOPE) as session:
        principal = authenticate(session, header)
    require_right(principal)
    now = hub.now()

    def work(session: ScopedSession) -> Export:
        row = exports.take(session, hub.crypto, token=token, client_id=principal.id, now=now)
        if not _file(hub, row).path.exists():  # else the one download would be spent on nothing
            raise HubError("The file lies on another machine; share HUB_DATA_DIR.")
        return row

    return hub.database.transaction(_SCOPE, work)


def _file(hub: Hub, row: Export) -> ExportFile:
    return ExportFile(hub.settings.data_dir, hub.crypto, row.id)


def _once(file: ExportFile, chunks: int) -> Iterator[bytes]:
    try:
        yield from file.read(chunks)
    finally:
        file.delete()


def _headers(row: Export) -> dict[str, str]:
    digest = base64.b64encode(bytes.fromhex(row.digest)).decode()
    name = Path(f"{row.id}.{row.format}").name
    return {
        "Cache-Control": "no-store",
        "Content-Disposition": f'attachment; filename="{name}"',
        "Repr-Digest": f"sha-256=:{digest}:",
        "X-Content-Type-Options": "nosniff",
    }
