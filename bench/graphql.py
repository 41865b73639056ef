"""GraphQL reads beside a hand-written route and PostGraphile, on PostgreSQL; and on SQLite.

    python bench/graphql.py [--json] [--rounds N] [--seconds S] [--full] [--peer DIRECTORY]

One server process under uvicorn, the load from another process, 16 connections, practices at
random. Every server answers the same query over the same rows; answers are compared first. "hub" is
the application as it is served: credential, agreements, scope, limits, cost bucket and audit on;
"hub unaudited" leaves the audit out, "engine" credential and bucket as well. They run as a role
that row-level security holds, which "engine unheld" is not, nor says for whom it reads. CPU is that
of the server and of all PostgreSQL backends of the database, per request; it is the figure to trust
on a machine that does other things too, rates and p99 are not. Figures are medians of the ratios of
interleaved rounds. A cold document has a name never seen before (known shape), or fields in an
order never seen before (new shape). `--full` loads 200 000 patients. PostGraphile is installed from
npm into a temporary directory, or taken from `--peer`; without Node its claims are missing.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import http.client
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any

# This script's directory comes first on the path and holds names of packages.
HERE = Path(__file__).resolve().parent
sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != HERE]
sys.path.insert(0, str(HERE.parent))

import orjson  # noqa: E402
import psycopg  # noqa: E402
import uvicorn  # noqa: E402
from psycopg_pool import AsyncConnectionPool  # noqa: E402
from sqlalchemy import create_engine, insert, select, text  # noqa: E402
from sqlalchemy.engine import make_url  # noqa: E402
from starlette.applications import Starlette  # noqa: E402
from starlette.requests import Request  # noqa: E402
from starlette.responses import Response  # noqa: E402
from starlette.routing import Route  # noqa: E402

from hub import log  # noqa: E402
from hub.auth.credentials import create_client  # noqa: E402
from hub.auth.documents import add_document  # noqa: E402
from hub.domain.agreements import (  # noqa: E402
    READABLE_CLASSES,
    DataClass,
    Domain,
    PrincipalKind,
    Purpose,
    practice_scope,
    unrestricted_scope,
)
from hub.entrypoints.interpreter import settle, share_threads  # noqa: E402
from hub.entrypoints.web import create_app  # noqa: E402
from hub.settings import Settings  # noqa: E402
from hub.storage import tables  # noqa: E402
from hub.storage.crypto import Crypto  # noqa: E402
from hub.storage.migrate import give_rights  # noqa: E402
from hub.storage.reads.text import Postgresql  # noqa: E402
from hub.storage.reads.write import global_id  # noqa: E402
from hub.storage.session import Database  # noqa: E402
from hub.storage.tables import Base  # noqa: E402
from schema.context import Context  # noqa: E402
from schema.execute import Engine, _Run  # noqa: E402
from schema.root import hub_schema  # noqa: E402

SERVER = os.environ.get(
    "HUB_TEST_POSTGRESQL_URL", "postgresql+psycopg://postgres@127.0.0.1:5432/postgres"
)
NAME = "hub_bench_graphql"
URL = SERVER.rsplit("/", 1)[0] + f"/{NAME}"
PLAIN_URL = URL.replace("+psycopg", "")
ROLE = "mso_hub_bench"
ROLE_URL = make_url(URL).set(username=ROLE, password=ROLE).render_as_string(hide_password=False)
"""The same database as a role that owns nothing."""
NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)
CONNECTIONS, POOL = 16, 8
TICKS = os.sysconf("SC_CLK_TCK")

TARGET = """query Target($id: ID!) { node(id: $id) { ... on Practice { id name
  patients(first: 50) { nodes { id familyName givenName birthDate sex status
    coverages(first: 1) { nodes { payerName planName memberId status } }
    appointments(first: 5) { nodes { startsAt status minutes provider { familyName } } }
  } } } } }"""
ROWS = TARGET.replace("birthDate sex", "birthDate age sex")
RELAY = """query Target($id: ID!) { node(id: $id) { ... on Practice { id name
  patients(first: 50) { edges { cursor node { id familyName givenName birthDate sex status
    coverages(first: 1) { edges { node { payerName planName memberId status } } }
    appointments(first: 5) { edges { node { startsAt status minutes provider { familyName } } } }
  } } pageInfo { hasNextPage } } } } }"""
SMALL = "query Small($id: ID!) { node(id: $id) { ... on Practice { id name } } }"

_ID = "replace(encode(convert_to('{}:' || {}, 'UTF8'), 'base64'), E'\\n', '')"
FLOOR_TARGET = f"""
SELECT json_build_object('node', json_build_object('id', {_ID.format("Practice", "p.id")},
 'name', p.name, 'patients', json_build_object('nodes', (
  SELECT coalesce(json_agg(json_build_object(
    'id', {_ID.format("Patient", "c.id")}, 'familyName', c.family_name, 'givenName', c.given_name,
    'birthDate', c.birth_date, 'sex', upper(c.sex), 'status', upper(c.status),
    'coverages', json_build_object('nodes', (
      SELECT coalesce(json_agg(json_build_object('payerName', v.payer_name, 'planName', v.plan_name,
        'memberId', v.member_id, 'status', v.status)), '[]')
      FROM (SELECT * FROM coverages v WHERE v.practice_id = c.practice_id AND v.patient_id = c.id
            ORDER BY v.priority, v.id LIMIT 1) v)),
    'appointments', json_build_object('nodes', (
      SELECT coalesce(json_agg(json_build_object(
        'startsAt', to_char(a.starts_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'status', upper(a.status), 'minutes', a.minutes,
        'provider', (SELECT json_build_object('familyName', d.family_name) FROM providers d
                     WHERE d.practice_id = a.practice_id AND d.id = a.provider_id))), '[]')
      FROM (SELECT * FROM appointments a WHERE a.practice_id = c.practice_id
            AND a.patient_id = c.id ORDER BY a.starts_at, a.id LIMIT 5) a)))), '[]')
  FROM (SELECT * FROM patients c WHERE c.practice_id = p.id
        ORDER BY c.family_name, c.given_name, c.id LIMIT 50) c))))::text
FROM practices p WHERE p.id = $1"""
FLOOR_ROWS = FLOOR_TARGET.replace(
    "'birthDate', c.birth_date,",
    "'birthDate', c.birth_date, "
    "'age', date_part('year', age((now() AT TIME ZONE 'UTC')::date, c.birth_date))::int,",
)
FLOOR_RELAY = f"""
SELECT json_build_object('node', json_build_object('id', {_ID.format("Practice", "p.id")},
 'name', p.name, 'patients', (
  SELECT json_build_object('edges', coalesce(json_agg(json_build_object('cursor', c.id, 'node',
   json_build_object(
    'id', {_ID.format("Patient", "c.id")}, 'familyName', c.family_name, 'givenName', c.given_name,
    'birthDate', c.birth_date, 'sex', upper(c.sex), 'status', upper(c.status),
    'coverages', json_build_object('edges', (
      SELECT coalesce(json_agg(json_build_object('node', json_build_object(
        'payerName', v.payer_name, 'planName', v.plan_name,
        'memberId', v.member_id, 'status', v.status))), '[]')
      FROM (SELECT * FROM coverages v WHERE v.practice_id = c.practice_id AND v.patient_id = c.id
            ORDER BY v.priority, v.id LIMIT 1) v)),
    'appointments', json_build_object('edges', (
      SELECT coalesce(json_agg(json_build_object('node', json_build_object(
        'startsAt', to_char(a.starts_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'status', upper(a.status), 'minutes', a.minutes,
        'provider', (SELECT json_build_object('familyName', d.family_name) FROM providers d
                     WHERE d.practice_id = a.practice_id AND d.id = a.provider_id)))), '[]')
      FROM (SELECT * FROM appointments a WHERE a.practice_id = c.practice_id
            AND a.patient_id = c.id ORDER BY a.starts_at, a.id LIMIT 5) a))
   )) ORDER BY c.place) FILTER (WHERE c.place <= 50), '[]'),
   'pageInfo', json_build_object('hasNextPage', count(*) > 50))
  FROM (SELECT c.*, row_number() OVER (ORDER BY c.family_name, c.given_name, c.id) place
        FROM (SELECT * FROM patients c WHERE c.practice_id = p.id
              ORDER BY c.family_name, c.given_name, c.id LIMIT 51) c) c)))::text
FROM practices p WHERE p.id = $1"""
FLOOR_SMALL = f"""SELECT json_build_object('node', json_build_object(
  'id', {_ID.format("Practice", "p.id")}, 'name', p.name))::text
FROM practices p WHERE p.id = $1"""

PEER_TARGET = """query Target($id: String!) { practiceByRowId(rowId: $id) { id name
  patientsByPracticeIdList(first: 50, orderBy: [FAMILY_NAME_ASC, GIVEN_NAME_ASC, ROW_ID_ASC]) {
    id familyName givenName birthDate sex status
    coveragesByPracticeIdAndPatientIdList(first: 1, orderBy: [PRIORITY_ASC, ROW_ID_ASC]) {
      payerName planName memberId status }
    appointmentsByPracticeIdAndPatientIdList(first: 5, orderBy: [STARTS_AT_ASC, ROW_ID_ASC]) {
      startsAt status minutes providerByPracticeIdAndProviderId { familyName } } } } }"""
PEER_SMALL = "query Small($id: String!) { practiceByRowId(rowId: $id) { id name } }"
QUERIES = {"target": TARGET, "practice": SMALL, "rows": ROWS, "relay": RELAY}
FLOORS = {"target": FLOOR_TARGET, "practice": FLOOR_SMALL, "rows": FLOOR_ROWS, "relay": FLOOR_RELAY}
PEERS = {"target": PEER_TARGET, "practice": PEER_SMALL, "rows": PEER_TARGET}
STORED, COLD, NEW = "stored document", "known shape", "new shape"
KEPT = "not modified"
UNHELD = "engine unheld"
ASKED = {
    "target": ("hub", "hub unaudited", "engine", UNHELD, "floor", "PostGraphile"),
    "practice": ("hub", "engine", UNHELD, "floor", "PostGraphile"),
    "rows": ("hub", "floor", "PostGraphile"),
    "relay": ("hub", "floor"),
    STORED: ("hub", "hub unaudited"),
    COLD: ("hub", "PostGraphile"),
    NEW: ("hub", "PostGraphile"),
    KEPT: ("hub", "floor"),
}
"""Who is asked for each kind of request."""


# Data


def load(url: str, practices: int, patients: int) -> None:
    """A new database of synthetic rows: one coverage and two or three appointments a patient."""
    engine = create_engine(url)
    drawn = random.Random(7)
    with engine.begin() as connection:
        Base.metadata.create_all(connection)
        for number in range(practices):
            _load_practice(connection, drawn, number, patients)
    if not url.startswith("sqlite"):
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))
    engine.dispose()


def _load_practice(connection: Any, drawn: random.Random, number: int, patients: int) -> None:
    def new() -> str:
        return str(uuid.UUID(int=drawn.getrandbits(128), version=4))

    practice = new()
    common = {"practice_id": practice, "external_id": "", "content_hash": ""}
    row = {"id": practice, "name": f"Practice {number:04d}", "zone": "America/Chicago"}
    connection.execute(insert(tables.Practice), [{**row, "created_at": NOW}])
    terms = {"granularity": "ROW", "purposes": ["OPERATIONS"], "starts_on": date(2026, 1, 1)}
    agreed = [{"id": new(), "practice_id": practice, "domain": d.value, **terms} for d in Domain]
    connection.execute(insert(tables.ServiceAgreement), agreed)
    providers = [
        {"practice_id": practice, "id": new(), "npi": f"{n:010d}", "family_name": f"Healer {n}"}
        for n in range(10)
    ]
    connection.execute(insert(tables.Provider), [{**p, "external_id": p["id"]} for p in providers])
    people = [
        {
            **common,
            "id": new(),
            "family_name": f"Family {drawn.randrange(5000):04d}",
            "given_name": f"Given {drawn.randrange(500):03d}",
            "birth_date": date(1940, 1, 1) + timedelta(days=drawn.randrange(30_000)),
            "sex": drawn.choice(["female", "male"]),
        }
        for _ in range(patients)
    ]
    connection.execute(insert(tables.Patient), people)
    coverages, appointments = [], []
    for place, person in enumerate(people):
        own = {**common, "patient_id": person["id"]}
        coverages.append(
            {
                **own,
                "id": new(),
                "priority": 1,
                "payer_code": "GLM",
                "payer_name": "Great Lakes Mutual",
                "plan_name": "Choice PPO",
                "member_id": f"M{drawn.randrange(10**9):09d}",
            }
        )
        for turn in range(2 + place % 2):
            moment = NOW + timedelta(days=7 * turn, minutes=drawn.randrange(2000))
            booked = {"id": new(), "status": "booked", "starts_at": moment, "minutes": 20}
            provider = drawn.choice(providers)["id"]
            appointments.append({**own, **booked, "provider_id": provider})
    connection.execute(insert(tables.Coverage), coverages)
    rows = [{**row, "external_id": row["id"]} for row in appointments]
    connection.execute(insert(tables.Appointment), rows)


def practice_ids(url: str) -> list[str]:
    engine = create_engine(url)
    with engine.connect() as connection:
        found = [row[0] for row in connection.execute(select(tables.Practice.id))]
    engine.dispose()
    return sorted(found)


def prepare_postgresql(practices: int, patients: int) -> list[str]:
    """The bench's database, kept from an earlier run of the same size."""
    server = create_engine(SERVER, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        known = connection.scalar(
            text("SELECT count(*) FROM pg_database WHERE datname = :name"), {"name": NAME}
        )
        if known:
            connection.execute(text(f"DROP DATABASE {NAME} WITH (FORCE)"))
        connection.execute(text(f"CREATE DATABASE {NAME}"))
        if not connection.scalar(
            text("SELECT 1 FROM pg_roles WHERE rolname = :name"), {"name": ROLE}
        ):
            connection.execute(text(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{ROLE}'"))
    server.dispose()
    load(URL, practices, patients)
    give_rights(URL, ROLE)
    return practice_ids(URL)


# Servers


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
PEER_SERVER = """
import { createServer } from "node:http";
import { postgraphile } from "postgraphile";
import { makePgService } from "postgraphile/adaptors/pg";
import { PostGraphileAmberPreset } from "postgraphile/presets/amber";
import { grafserv } from "postgraphile/grafserv/node";
const preset = {
  extends: [PostGraphileAmberPreset],
  pgServices: [makePgService({ connectionString: process.env.URL, schemas: ["public"],
    poolConfig: { max: 8 } })],
  schema: { defaultBehavior: "list" },
  grafserv: { graphiql: false, watch: false },
};
const server = createServer();
server.on("error", (e) => { throw e; });
await postgraphile(preset).createServ(grafserv).addTo(server);
server.listen(Number(process.env.PORT), "127.0.0.1");
"""


Body = Callable[[random.Random], bytes]


@dataclass
class Running:
    """A server under load: its process and how it is asked."""

    name: str
    process: subprocess.Popen[bytes]
    port: int
    bodies: dict[str, Body]
    key: str

    def asked(self, kind: str) -> Callable[[random.Random], bytes]:
        """Makes whole HTTP requests of one kind."""
        if kind == KEPT and self.name == "hub":
            return _one_of(conditional_requests(self))
        body = self.bodies[kind]
        fixed = f"POST /graphql HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {self.key}\r\n"

        def make(drawn: random.Random) -> bytes:
            sent = body(drawn)
            head = f"{fixed}Content-Type: application/json\r\nContent-Length: {len(sent)}\r\n\r\n"
            return head.encode() + sent

        return make


def bodies(name: str, ids: list[str]) -> dict[str, Body]:
    """What a server is sent for each kind of request."""
    if name == "floor":
        found = {kind: _one_of([_body(kind, row_id) for row_id in ids]) for kind in FLOORS}
        return {**found, KEPT: found["target"]}
    queries = PEERS if name == "PostGraphile" else QUERIES
    asked = ids if name == "PostGraphile" else [global_id("Practice", row_id) for row_id in ids]
    found = {
        kind: _one_of([_body(query, row_id) for row_id in asked]) for kind, query in queries.items()
    }
    target = queries["target"]
    found[COLD] = lambda drawn: _body(_renamed(target, drawn), drawn.choice(asked))
    found[NEW] = lambda drawn: _body(
        _reordered(_renamed(target, drawn), drawn), drawn.choice(asked)
    )
    digest = hashlib.sha256(TARGET.encode()).hexdigest()
    stored = [{"documentId": f"sha256:{digest}", "variables": {"id": row_id}} for row_id in asked]
    found[STORED] = _one_of([orjson.dumps(each) for each in stored])
    return found


def _body(query: str, row_id: str) -> bytes:
    return orjson.dumps({"query": query, "variables": {"id": row_id}})


def conditional_requests(running: Running) -> list[bytes]:
    """QUERY for a practice's name, each with the tag of its answer: all are answered 304."""
    connection = http.client.HTTPConnection("127.0.0.1", running.port)
    bearer = {"Authorization": f"Bearer {running.key}", "Content-Type": "application/json"}
    found = []
    for sent in sorted({running.bodies["practice"](random.Random(seed)) for seed in range(50)}):
        connection.request("QUERY", "/graphql", sent, bearer)
        answer = connection.getresponse()
        answer.read()
        headers = {**bearer, "If-None-Match": answer.headers["ETag"], "Host": "localhost"}
        lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
        head = f"QUERY /graphql HTTP/1.1\r\n{''.join(lines)}Content-Length: {len(sent)}\r\n\r\n"
        found.append(head.encode() + sent)
    connection.close()
    return found


def _one_of(made: list[bytes]) -> Body:
    return lambda drawn: drawn.choice(made)


def _renamed(query: str, drawn: random.Random) -> str:
    return query.replace("Target", f"T{drawn.getrandbits(64):x}", 1)


def _reordered(query: str, drawn: random.Random) -> str:
    for fields in (
        "familyName givenName birthDate sex status",
        "payerName planName memberId status",
    ):
        order = fields.split()
        drawn.shuffle(order)
        query = query.replace(fields, " ".join(order), 1)
    return query


@contextlib.contextmanager
def serving(
    name: str, port: int, ids: list[str], peer: Path | None, key: str, sqlite: str = ""
) -> Iterator[Running]:
    if name == "PostGraphile":
        assert peer is not None
        (peer / "server.mjs").write_text(PEER_SERVER)
        command = [str(node_of(peer)), "server.mjs"]
        environment = {
            **os.environ,
            "URL": PLAIN_URL,
            "PORT": str(port),
            "GRAPHILE_ENV": "production",
        }
        environment["NODE_ENV"] = "production"
    else:
        command = [sys.executable, __file__, "--serve", name, "--port", str(port)]
        environment, peer = {**os.environ, "BENCH_SQLITE_URL": sqlite}, None
    process = subprocess.Popen(command, env=environment, cwd=peer)
    running = Running(name, process, port, bodies(name, ids), key)
    try:
        _wait_until_it_answers(running)
        yield running
    finally:
        process.terminate()
        process.wait(timeout=20)


def _wait_until_it_answers(running: Running) -> None:
    for _ in range(300):
        with contextlib.suppress(OSError):
            ask(running, "practice")
            return
        time.sleep(0.1)
    raise RuntimeError(f"{running.name} does not answer")


# Load


def ask(running: Running, kind: str, seed: int = 0) -> Any:
    """One answer, read."""

    async def once() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        answer = await _request(reader, writer, running.asked(kind)(random.Random(seed)))
        writer.close()
        return answer

    return orjson.loads(asyncio.run(once()))


async def _request(reader: asyncio.StreamReader, writer: Any, sent: bytes) -> bytes:
    writer.write(sent)
    answered = (await reader.readuntil(b"\r\n\r\n")).lower()
    if answered.startswith(b"http/1.1 304 "):
        return b""
    size = int(answered.partition(b"content-length:")[2].partition(b"\r\n")[0])
    body = await reader.readexactly(size)
    if b" 200 " not in answered.partition(b"\r\n")[0] or body.startswith(b'{"errors"'):
        raise RuntimeError((answered + body[:500]).decode())
    return body


async def load_for(running: Running, kind: str, seconds: float, connections: int) -> list[float]:
    """The latency of each request made in that time."""
    until, latencies, make = time.perf_counter() + seconds, [], running.asked(kind)

    async def one() -> None:
        drawn = random.Random()
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        while time.perf_counter() < until:
            sent = make(drawn)
            start = time.perf_counter()
            await _request(reader, writer, sent)
            latencies.append(time.perf_counter() - start)
        writer.close()

    await asyncio.gather(*(one() for _ in range(connections)))
    return latencies


@dataclass(frozen=True)
class Sample:
    rate: float
    server: float
    database: float
    p99: float

    @property
    def cpu(self) -> float:
        return self.server + self.database


def measure(running: Running, kind: str, seconds: float) -> Sample:
    """One round: requests a second, CPU milliseconds a request of server and PostgreSQL, p99."""
    asyncio.run(load_for(running, kind, 0.5, CONNECTIONS))
    backends = _backends()
    before = _cpu([running.process.pid]), _cpu(backends)
    start = time.perf_counter()
    latencies = asyncio.run(load_for(running, kind, seconds, CONNECTIONS))
    took = time.perf_counter() - start
    after = _cpu([running.process.pid]), _cpu(backends)
    count = len(latencies)
    server, database = (1000 * (b - a) / count for a, b in zip(before, after, strict=True))
    return Sample(count / took, server, database, sorted(latencies)[int(count * 0.99)])


def _cpu(pids: list[int]) -> float:
    """CPU seconds of some processes, threads included."""
    total = 0
    for pid in pids:
        with contextlib.suppress(FileNotFoundError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
    return total / TICKS


def resident(running: Running) -> float:
    """Resident memory of a server, in MB."""
    text = Path(f"/proc/{running.process.pid}/status").read_text()
    return int(text.partition("VmRSS:")[2].split()[0]) / 1024


def _backends() -> list[int]:
    with psycopg.connect(SERVER.replace("+psycopg", ""), autocommit=True) as connection:
        rows = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = %s", [NAME]
        ).fetchall()
    return [row[0] for row in rows]


# Peer


def node_of(peer: Path) -> Path:
    own = peer / "node_modules" / ".bin" / "node"
    return own if own.exists() else Path(shutil.which("node") or "node")


def find_peer(given: str | None) -> Path | None:
    """A directory with PostGraphile, installed if need be; None without Node 22."""
    if given is not None:
        return Path(given)
    npm = shutil.which("npm")
    if npm is None:
        return None
    peer = Path(tempfile.mkdtemp(prefix="postgraphile-"))
    wanted = ["postgraphile@5", "node@22"]
    done = subprocess.run(
        [npm, "install", "--no-fund", "--no-audit", *wanted], cwd=peer, capture_output=True
    )
    return peer if done.returncode == 0 else None


# In this process and on SQLite


def plain_microseconds(url: str, rounds: int) -> float:
    """CPU of one leaf of an answer made by graphql-core: introspection, which is nothing stored."""
    _, context = engine_and_context(url)
    engine = Engine(hub_schema(), introspection=True)
    text = "{ __schema { types { name kind description fields { name description } } } }"
    found = []

    async def once() -> int:
        prepared = engine.prepare(context, text, {}, None)
        return _leaves(orjson.loads(await engine.answer(context, prepared)))

    with asyncio.Runner() as loop:
        for _ in range(rounds + 1):
            start = time.process_time()
            leaves = sum(loop.run(once()) for _ in range(5))
            found.append((time.process_time() - start) / leaves * 1e6)
    context.database.close()
    return statistics.median(found[1:])


def _leaves(value: Any) -> int:
    if isinstance(value, dict):
        return sum(map(_leaves, value.values()))
    return sum(map(_leaves, value)) if isinstance(value, list) else 1


def sqlite_milliseconds(options: argparse.Namespace, patients: int) -> float:
    """CPU of one target query over HTTP on SQLite, everything on."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/hub.db"
        load(url, 5, patients)
        key, ids = grant(url), practice_ids(url)
        with serving("SQLite", 8799, ids, None, key, url) as running:
            taken = [measure(running, "target", options.seconds) for _ in range(options.rounds)]
    return statistics.median(sample.server for sample in taken)


# Claims

Of = Callable[[Sample], float]


def ratio(ours: list[Sample], theirs: list[Sample], of: Of) -> float:
    return statistics.median(of(a) / of(b) for a, b in zip(ours, theirs, strict=True))


def claims(taken: dict[str, dict[str, list[Sample]]]) -> list[dict[str, Any]]:
    """What was claimed, from the samples by kind of request and server."""
    cpu: Of = lambda sample: sample.cpu  # noqa: E731
    rate: Of = lambda sample: sample.rate  # noqa: E731
    p99: Of = lambda sample: sample.p99  # noqa: E731
    database: Of = lambda sample: sample.database  # noqa: E731
    found = []

    def add(claim: str, kind: str, over: str, of: Of, goal: float, *, up: bool = False) -> None:
        ours, theirs = taken[kind]["hub"], taken[kind].get(over)
        value = None if theirs is None else ratio(ours, theirs, of)
        found.append(_claim(f"{claim} / {over}", value, "ratio", goal, up=up))

    add("G1 target query: requests a second", "target", "floor", rate, 0.95, up=True)
    add("G1 target query: requests a second", "target", "PostGraphile", rate, 2.2, up=True)
    add("G1 target query: p99", "target", "floor", p99, 1.2)
    add("G2 target query: CPU", "target", "floor", cpu, 1.05)
    add("G2 target query: CPU", "target", "PostGraphile", cpu, 0.6)
    server = statistics.median(sample.server for sample in taken["target"]["hub"])
    found.append(_claim("G2 target query: CPU of the server", server, "ms", 0.4, up=False))
    add("G3 with a computed field: CPU", "rows", "PostGraphile", cpu, 1.0)
    add("G3 with a computed field: CPU", "rows", "floor", cpu, 1.7)
    add("G4 practice{id name}: CPU", "practice", "floor", cpu, 1.3)
    add("G4 practice{id name}: CPU", "practice", "PostGraphile", cpu, 0.8)
    add("G5 never seen, known shape: CPU", COLD, "PostGraphile", cpu, 0.65)
    add("G5 never seen, new shape: CPU", NEW, "PostGraphile", cpu, 0.85)
    stored = ratio(taken[STORED]["hub"], taken["target"]["hub"], cpu)
    found.append(_claim("G5 stored document: CPU / warm text", stored, "ratio", 1.05, up=False))
    bare = ratio(taken["target"]["hub unaudited"], taken["target"]["engine"], cpu)
    found.append(_claim("G7 target query: CPU / engine alone", bare, "ratio", 1.05, up=False))
    add("G7 practice{id name}: CPU", "practice", "engine", cpu, 1.05)
    held = ratio(taken["target"]["engine"], taken["target"][UNHELD], database)
    claim = "G7 target query: PostgreSQL's CPU with row-level security / without"
    found.append(_claim(claim, held, "ratio", 1.18, up=False))
    small = ratio(taken["practice"]["engine"], taken["practice"][UNHELD], database)
    print(
        f"PostgreSQL's CPU of practice{{id name}} with it / without: {small:.2f}", file=sys.stderr
    )
    add("G9 304 / target query: requests a second", KEPT, "floor", rate, 5, up=True)
    add("G13 Relay form: CPU", "relay", "floor", cpu, 1.1)
    audited = ratio(taken["target"]["hub"], taken["target"]["hub unaudited"], database)
    print(f"PostgreSQL's CPU with audit / without: {audited:.2f}", file=sys.stderr)
    return found


def _claim(claim: str, value: float | None, unit: str, goal: float, *, up: bool) -> dict[str, Any]:
    ok = value is not None and (value >= goal if up else value <= goal)
    shown = None if value is None else round(value, 3)
    return {"claim": claim, "value": shown, "unit": unit, "goal": goal, "ok": ok}


def compare_answers(servers: dict[str, Running]) -> None:
    """Raises if the servers differ in their answers, or the peer has other names in it."""
    for kind, names in ASKED.items():
        if kind == KEPT:
            continue
        for seed in range(3):
            answers = {n: ask(servers[n], kind, seed) for n in names if n in servers}
            own = answers["hub"]["data"]
            peer = answers.pop("PostGraphile", None)
            if any(answer["data"] != own for answer in answers.values()):
                raise RuntimeError(f"the answers to {kind} differ")
            if peer is not None and sorted(_names(peer)) != sorted(_names(own)):
                raise RuntimeError(f"PostGraphile answers {kind} with other rows")


def _names(value: Any) -> list[Any]:
    """Every name in an answer, in order."""
    if isinstance(value, dict):
        own = [value[key] for key in ("familyName", "name", "memberId") if key in value]
        return own + [name for item in value.values() for name in _names(item)]
    return [name for item in value for name in _names(item)] if isinstance(value, list) else []


def run(options: argparse.Namespace) -> list[dict[str, Any]]:
    practices, patients = (50, 4000) if options.full else (20, 200)
    ids = prepare_postgresql(practices, patients)
    peer, key = find_peer(options.peer), grant(URL)
    taken: dict[str, dict[str, list[Sample]]] = {}
    with contextlib.ExitStack() as stack:
        names = [name for name in APPS if name != "SQLite"] + (["PostGraphile"] if peer else [])
        servers = {
            name: stack.enter_context(serving(name, 8790 + number, ids, peer, key))
            for number, name in enumerate(names)
        }
        compare_answers(servers)
        for kind, asked in ASKED.items():
            taken[kind] = {name: [] for name in asked if name in servers}
            for _ in range(options.rounds):
                for name, samples in taken[kind].items():
                    samples.append(measure(servers[name], kind, options.seconds))
            for name, samples in taken[kind].items():
                _show(kind, name, samples)
        memory = resident(servers["hub"])
    found = claims(taken)
    plain = plain_microseconds(URL, options.rounds)
    found.append(_claim("G6 plain: CPU per leaf", plain, "µs", 3, up=False))
    on_sqlite = sqlite_milliseconds(options, patients)
    found.append(_claim("G8 SQLite, target query: CPU", on_sqlite, "ms", 1.2, up=False))
    found.append(_claim("G10 resident memory of the server", memory, "MB", 100, up=False))
    return found


def _show(kind: str, name: str, samples: list[Sample]) -> None:
    rate, server, database, p99 = (
        statistics.median(getattr(sample, figure) for sample in samples)
        for figure in ("rate", "server", "database", "p99")
    )
    cpu = f"CPU {server:.2f} + {database:.2f} ms"
    print(f"{kind}: {name}: {rate:.0f} req/s, {cpu}, p99 {p99 * 1000:.1f} ms", file=sys.stderr)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--full", action="store_true", help="200 000 patients")
    parser.add_argument("--peer", help="a directory with PostGraphile installed")
    parser.add_argument("--serve", choices=sorted(APPS), help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    log.configure()
    if options.serve:
        share_threads()
        served = APPS[options.serve]()
        settle()
        uvicorn.run(
            served, host="127.0.0.1", port=options.port,
            log_level="error", access_log=False,
        )  # fmt: skip
        return 0
    found = run(options)
    for claim in found:
        shown = "missing" if claim["value"] is None else f"{claim['value']} {claim['unit']}"
        print(f"{claim['claim']}: {shown} (goal {claim['goal']})")
    if options.json:
        print(json.dumps({"claims": found}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
