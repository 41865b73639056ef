"""Pulling sources page by page: the vendor is called outside any transaction, each page is one."""

from __future__ import annotations

from collections.abc import Sequence

from connectors import registry
from connectors.sdk.base import Source, StreamSpec, Window
from connectors.sdk.ctx import Ctx
from hub import log
from hub.domain.agreements import Scope, practice_scope, unrestricted_scope
from hub.domain.records import Page
from hub.errors import HubError, NotSupported, Transient
from hub.services import connections as connection_service
from hub.services import sync
from hub.storage import connections
from hub.storage.tables import Connection
from jobs.calling import calling, stored_connection
from jobs.context import RunningJob

logger = log.get(__name__)
_SCOPE = unrestricted_scope("sync")
RUN_SECONDS = 1800.0


def sync_all(job: RunningJob) -> None:
    """Ask for a sync of every connection whose connector has streams, the schedule's hourly
    round."""
    sources = registry.sources()
    context = job.context
    job.finish(
        _SCOPE,
        lambda session: sync.request_all(session, sources=sources, now=context.now()),
    )


def sync_streams(job: RunningJob) -> None:
    """Read every stream of a connection, those others depend on first, each from its cursor."""
    connection = stored_connection(job.context, str(job.args["connection_id"]))
    with job.context.database.read(_SCOPE) as session:
        practices = connections.practices(session, connection.id)
    if connection.paused:
        return
    with calling(job, connection, seconds=RUN_SECONDS) as (connector, ctx):
        if not isinstance(connector, Source):
            raise NotSupported("This connector has no streams to read.", feature="source")
        for stream in in_order(connector.streams()):
            _sync_stream(job, connector, ctx, connection, stream, practices)
    job.finish(_SCOPE, lambda session: connection_service.note_success(session, connection.id))


def in_order(streams: Sequence[StreamSpec]) -> list[StreamSpec]:
    """Streams with those they depend on before them."""
    pending = list(streams)
    done: list[StreamSpec] = []
    while pending:
        names = {stream.name for stream in done}
        ready = [stream for stream in pending if set(stream.depends_on) <= names]
        if not ready:
            raise NotSupported("The streams depend on each other in a circle.", feature="streams")
        done.extend(ready)
        pending = [stream for stream in pending if stream not in ready]
    return done


def _sync_stream(
    job: RunningJob,
    source: Source,
    ctx: Ctx,
    connection: Connection,
    stream: StreamSpec,
    practices: dict[str, str],
) -> None:
    """One run of one stream; a stream the vendor does not offer is noted and skipped."""
    context = job.context
    run_id, cursor = job.transaction(
        _SCOPE, lambda session: sync.start_run(session, connection.id, stream.name, context.now())
    )
    code = text = ""
    unreadable = b""
    window = Window(until=context.now() - stream.safety_lag)
    try:
        for page in source.read(ctx, stream.name, cursor, window):
            job.check()
            _apply(job, run_id, page, practices)
    except NotSupported as error:
        code, text = sync.NOT_SUPPORTED, str(error)
    except HubError as error:
        code, text = error.code, str(error)
        unreadable = error.raw if isinstance(error, Transient) else b""
        logger.warning(
            "sync interrupted", stream=stream.name, connection_id=connection.id, code=code
        )
        raise
    except BaseException as error:  # a bug, or the time limit: the run is not to look done
        code, text = "INTERNAL", f"An unexpected {type(error).__name__} stopped the sync."
        raise
    finally:
        context.database.transaction(
            _SCOPE,
            lambda session: sync.end_run(
                session,
                context.crypto,
                run_id,
                now=context.now(),
                until=window.until,
                code=code,
                text=text,
                unreadable=unreadable,
            ),
        )


def _apply(job: RunningJob, run_id: str, page: Page, practices: dict[str, str]) -> None:
    """One page, its records and its cursor, in one transaction over the connection's practices."""
    context = job.context
    of_practices = any(getattr(record.data, "entity", None) is not None for record in page.records)
    scope: Scope = practice_scope(*sorted(set(practices.values()))) if of_practices else _SCOPE
    job.transaction(
        scope,
        lambda session: sync.apply_page(
            session,
            context.crypto,
            run_id=run_id,
            page=page,
            practices=practices,
            now=context.now(),
        ),
    )
