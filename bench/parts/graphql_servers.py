"""The servers of the GraphQL bench: the hub, parts of it, and a route written by hand."""

from __future__ import annotations

import contextlib
import hashlib
import os
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from types import MappingProxyType, SimpleNamespace
from typing import Any

import orjson
import psycopg
from psycopg_pool import AsyncConnectionPool
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bench.parts.graphql_data import NOW, PLAIN_URL, ROLE_URL, URL, practice_ids
from bench.parts.graphql_queries import FLOORS, TARGET, UNHELD
from hub.auth.credentials import create_client
from hub.auth.documents import add_document
from hub.domain.agreements import (
    READABLE_CLASSES,
    DataClass,
    Domain,
    PrincipalKind,
    Purpose,
    practice_scope,
    unrestricted_scope,
)
from hub.entrypoints.web import create_app
from hub.settings import Settings
from hub.storage.crypto import Crypto
from hub.storage.reads.text import Postgresql
from hub.storage.session import Database
from schema.context import Context
from schema.execute import Engine, _Run
from schema.root import hub_schema

POOL = 8


@contextlib.contextmanager
def hub_on(url: str) -> Iterator[Any]:
    """What an entry point needs of a hub, without jobs and listeners."""
    points = 10**9
    settings = Settings(_env_file=None, graphql_cost_maximum=points, graphql_restore_rate=points)
    database = Database(url)
    yield SimpleNamespace(
        settings=settings,
        database=database,
        crypto=Crypto(bytes(32)),
        now=lambda: datetime.now(UTC),
    )
    database.close()


def grant(url: str) -> str:
    """A new credential of an MSO app that reads every row of every practice under agreements, with
    the target query stored for it; returns its key."""
    name = f"bench {uuid.uuid4().hex}"

    def work(session: Any) -> str:
        client, key = create_client(session, name, PrincipalKind.MSO_APP, now=NOW, developer=True)
        digest = hashlib.sha256(TARGET.encode()).hexdigest()
        add_document(
            session, client, digest=digest, name="target", text=TARGET, cost=652, now=NOW,
            purpose=Purpose.OPERATIONS,
        )  # fmt: skip
        return key

    with hub_on(url) as hub:
        return str(hub.database.transaction(unrestricted_scope("bench"), work))


def hub_app(*, audit: bool, url: str = ROLE_URL) -> Starlette:
    """The application as it is served."""
    if not audit:
        _leave_out_audit()
    hub = contextlib.ExitStack().enter_context(hub_on(url))
    return create_app(hub, connectors=[])


def engine_app(url: str = ROLE_URL) -> Starlette:
    """The engine alone: who asks and what they may spend is known beforehand."""
    _leave_out_audit()
    engine, context = engine_and_context(url)

    async def handle(request: Request) -> Response:
        sent = orjson.loads(await request.body())
        prepared = engine.prepare(context, sent["query"], sent["variables"], None)
        body = b'{"data":' + await engine.answer(context, prepared) + b"}"
        return Response(body, media_type="application/json")

    return Starlette(routes=[Route("/graphql", handle, methods=["POST"])])


def unheld_app() -> Starlette:
    """The engine as a role that passes every policy, with statements that say nothing of scope."""
    Postgresql.has_row_security = False
    return engine_app(URL)


def engine_and_context(url: str) -> tuple[Engine, Context]:
    ids = frozenset(practice_ids(URL if url == ROLE_URL else url))
    scope = replace(
        practice_scope(),
        principal_id="bench",
        kind=PrincipalKind.MSO_APP,
        classes=READABLE_CLASSES - {DataClass.PHI_SENSITIVE},
        rows=MappingProxyType(dict.fromkeys(Domain, ids)),
    )
    principal: Any = SimpleNamespace(id="bench", name="bench")
    context = Context(Database(url), Crypto(bytes(32)), principal, scope, lambda: NOW)
    return Engine(hub_schema(), introspection=False), context


def _leave_out_audit() -> None:
    async def nothing(*_: object) -> None:
        return None

    _Run._audited = nothing  # type: ignore[assignment,method-assign]


def floor_app() -> Starlette:
    """What a careful hand would write for these queries alone."""
    pool = AsyncConnectionPool(
        PLAIN_URL,
        min_size=POOL,
        max_size=POOL,
        open=False,
        kwargs={"autocommit": True, "options": "-c jit=off -c timezone=UTC"},
    )

    async def handle(request: Request) -> Response:
        sent = orjson.loads(await request.body())
        statement = FLOORS[sent["query"]].encode()
        async with pool.connection() as connection:
            cursor = psycopg.AsyncRawCursor(connection)
            await cursor.execute(statement, [sent["variables"]["id"]], prepare=True)
            row = await cursor.fetchone()
        return Response(f'{{"data":{row[0]}}}'.encode(), media_type="application/json")

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> Any:
        await pool.open()
        yield
        await pool.close()

    return Starlette(routes=[Route("/graphql", handle, methods=["POST"])], lifespan=lifespan)


APPS: dict[str, Callable[[], Starlette]] = {
    "hub": lambda: hub_app(audit=True),
    "hub unaudited": lambda: hub_app(audit=False),
    "engine": engine_app,
    UNHELD: unheld_app,
    "floor": floor_app,
    "SQLite": lambda: hub_app(audit=True, url=os.environ["BENCH_SQLITE_URL"]),
}
