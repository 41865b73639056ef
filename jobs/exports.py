"""Running a bulk export: chunk after chunk, each read under the rights of its moment."""

from __future__ import annotations

from hub.domain.agreements import operations_scope
from hub.errors import Cancelled, Conflict, Forbidden, HubError, NotFound, Rejected
from hub.services import exports
from hub.services.exports import Chunk, Request
from hub.storage.export_files import ExportFile
from hub.storage.session import ScopedSession
from jobs.context import RunningJob

_SCOPE = operations_scope("export")


def run(job: RunningJob) -> None:
    """Write an export from where an earlier attempt got to; one that may not go on, or was
    cancelled, is ended and its file deleted."""
    context, export_id = job.context, str(job.args["export_id"])
    if context.read_chunk is None:
        raise HubError("This process was started without a reader for exports.")
    with ExportFile(context.settings.data_dir, context.crypto, export_id) as file:
        try:
            chunks = _write_all(job, file, export_id)
        except (Cancelled, Forbidden, Rejected, NotFound, Conflict):
            job.transaction(_SCOPE, lambda session: _end(job, session, export_id, ""))
            file.delete()
            raise
        digest = file.digest(chunks)
        job.finish(_SCOPE, lambda session: _end(job, session, export_id, digest))


def _write_all(job: RunningJob, file: ExportFile, export_id: str) -> int:
    """Write what is missing; returns how many chunks there are."""
    context = job.context
    while True:
        job.check()
        with context.database.read(_SCOPE) as session:
            request = exports.load(session, context.crypto, export_id)
        if request.chunks and request.cursor is None:
            return request.chunks
        assert context.read_chunk is not None  # noqa: S101 - asked before
        chunk = context.read_chunk(request)
        job.progress(rows=_keep(job, file, request, chunk), chunks=request.chunks + 1)


def _keep(job: RunningJob, file: ExportFile, request: Request, chunk: Chunk) -> int:
    """First the file, then the row: a kill in between repeats the chunk in its place."""
    end = file.write(request.chunks, chunk.text, start=request.bytes)
    now = job.context.now()
    return job.transaction(
        _SCOPE, lambda session: exports.advance(session, request.id, chunk, end=end, now=now)
    )


def _end(job: RunningJob, session: ScopedSession, export_id: str, digest: str) -> None:
    exports.end(
        session,
        export_id,
        state="ready" if digest else "failed",
        digest=digest,
        now=job.context.now(),
    )
