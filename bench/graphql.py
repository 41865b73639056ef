"""GraphQL reads beside a hand-written route and PostGraphile, on PostgreSQL; and on SQLite.

    python bench/graphql.py [--json] [--rounds N] [--seconds S] [--full] [--peer DIRECTORY]

One server process under uvicorn, the load from another process, 16 connections, practices at
random. Every server answers the same query over the same rows; answers are compared first. CPU is
that of the server and of all PostgreSQL backends of the database, per request. Figures are medians
over interleaved rounds; compare ratios, not milliseconds. Credentials, agreements and the cost
bucket are left out on all sides, scope, data classes, limits and price are on; audit is a server of
its own. `--full` loads 200 000 patients. PostGraphile is installed from npm into a temporary
directory, or taken from `--peer`; without Node its claims are missing.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
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
from starlette.applications import Starlette  # noqa: E402
from starlette.concurrency import run_in_threadpool  # noqa: E402
from starlette.requests import Request  # noqa: E402
from starlette.responses import Response  # noqa: E402
from starlette.routing import Route  # noqa: E402

from hub.domain.agreements import (  # noqa: E402
    READABLE_CLASSES,
    Domain,
    PrincipalKind,
    practice_scope,
)
from hub.storage import tables  # noqa: E402
from hub.storage.crypto import Crypto  # noqa: E402
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
NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)
CONNECTIONS, POOL = 16, 8
TICKS = os.sysconf("SC_CLK_TCK")

TARGET = """query Target($id: ID!) { node(id: $id) { ... on Practice { id name
  patients(first: 50) { nodes { id familyName givenName birthDate sex status
    coverages(first: 1) { nodes { payerName planName memberId status } }
    appointments(first: 5) { nodes { startsAt status minutes provider { familyName } } }
  } } } } }"""
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
QUERIES = {"target": TARGET, "practice": SMALL}
FLOORS = {"target": FLOOR_TARGET, "practice": FLOOR_SMALL}
PEERS = {"target": PEER_TARGET, "practice": PEER_SMALL}


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
    server.dispose()
    load(URL, practices, patients)
    return practice_ids(URL)


# Servers


def engine_and_context(url: str, *, audit: bool) -> tuple[Engine, Context]:
    """The engine as an MSO app with full rows of every practice uses it."""
    if not audit:
        _Run.note_reading = lambda *_: None  # type: ignore[method-assign]
    ids = frozenset(practice_ids(url))
    scope = replace(
        practice_scope(),
        principal_id="bench",
        kind=PrincipalKind.MSO_APP,
        classes=READABLE_CLASSES,
        rows=MappingProxyType(dict.fromkeys(Domain, ids)),
    )
    principal: Any = SimpleNamespace(id="bench", name="bench")
    context = Context(Database(url), Crypto(bytes(32)), principal, scope, lambda: NOW)
    return Engine(hub_schema(), introspection=False), context


def hub_app(*, audit: bool) -> Starlette:
    engine, context = engine_and_context(URL, audit=audit)

    def answer(body: bytes) -> bytes:
        sent = orjson.loads(body)
        prepared = engine.prepare(context, sent["query"], sent["variables"], None)
        data = orjson.Fragment(engine.answer(context, prepared))
        return orjson.dumps({"data": data})

    async def handle(request: Request) -> Response:
        body = await run_in_threadpool(answer, await request.body())
        return Response(body, media_type="application/json")

    return Starlette(routes=[Route("/graphql", handle, methods=["POST"])])


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
    "hub": lambda: hub_app(audit=False),
    "hub, audited": lambda: hub_app(audit=True),
    "floor": floor_app,
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


@dataclass
class Running:
    """A server under load: its process and how it is asked."""

    name: str
    process: subprocess.Popen[bytes]
    port: int
    bodies: dict[str, list[bytes]]


def bodies(name: str, ids: list[str]) -> dict[str, list[bytes]]:
    def body(query: str, row_id: str) -> bytes:
        return orjson.dumps({"query": query, "variables": {"id": row_id}})

    found = {}
    for kind in QUERIES:
        if name == "floor":
            found[kind] = [body(kind, row_id) for row_id in ids]
        elif name == "PostGraphile":
            found[kind] = [body(PEERS[kind], row_id) for row_id in ids]
        else:
            found[kind] = [body(QUERIES[kind], global_id("Practice", i)) for i in ids]
    return found


@contextlib.contextmanager
def serving(name: str, port: int, ids: list[str], peer: Path | None) -> Iterator[Running]:
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
        environment, peer = dict(os.environ), None
    process = subprocess.Popen(command, env=environment, cwd=peer)
    running = Running(name, process, port, bodies(name, ids))
    try:
        _wait_until_it_answers(running)
        yield running
    finally:
        process.terminate()
        process.wait(timeout=20)


def _wait_until_it_answers(running: Running) -> None:
    for _ in range(300):
        with contextlib.suppress(OSError):
            asyncio.run(ask(running.port, running.bodies["practice"][0]))
            return
        time.sleep(0.1)
    raise RuntimeError(f"{running.name} does not answer")


# Load


async def ask(port: int, body: bytes) -> Any:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = await _request(reader, writer, body)
    writer.close()
    return orjson.loads(answer)


async def _request(reader: asyncio.StreamReader, writer: Any, body: bytes) -> bytes:
    head = f"POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
    writer.write(head.encode() + b"Content-Type: application/json\r\n\r\n" + body)
    answered = (await reader.readuntil(b"\r\n\r\n")).lower()
    if b" 200 " not in answered.partition(b"\r\n")[0]:
        raise RuntimeError(answered.decode())
    size = int(answered.partition(b"content-length:")[2].partition(b"\r\n")[0])
    return await reader.readexactly(size)


async def load_for(port: int, sent: list[bytes], seconds: float, connections: int) -> list[float]:
    """The latency of each request made in that time."""
    until, latencies = time.perf_counter() + seconds, []

    async def one(number: int) -> None:
        drawn = random.Random(number)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while (start := time.perf_counter()) < until:
            await _request(reader, writer, drawn.choice(sent))
            latencies.append(time.perf_counter() - start)
        writer.close()

    await asyncio.gather(*(one(number) for number in range(connections)))
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
    sent = running.bodies[kind]
    asyncio.run(load_for(running.port, sent, 0.5, CONNECTIONS))
    backends = _backends()
    before = _cpu([running.process.pid]), _cpu(backends)
    start = time.perf_counter()
    latencies = asyncio.run(load_for(running.port, sent, seconds, CONNECTIONS))
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


# SQLite


def sqlite_milliseconds(rounds: int, patients: int) -> float:
    """CPU of one target query in process, from document text to answer bytes."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/hub.db"
        load(url, 5, patients)
        engine, context = engine_and_context(url, audit=False)
        ids = [global_id("Practice", row_id) for row_id in practice_ids(url)]
        found = []
        for _ in range(rounds + 1):
            start = time.process_time()
            for turn in range(200):
                variables = {"id": ids[turn % len(ids)]}
                engine.answer(context, engine.prepare(context, TARGET, variables, None))
            found.append((time.process_time() - start) / 200 * 1000)
        context.database.close()
    return statistics.median(found[1:])


# Claims


def ratios(samples: dict[str, list[Sample]], over: str, of: Callable[[Sample], float]) -> float:
    pairs = zip(samples["hub"], samples[over], strict=True)
    return statistics.median(of(ours) / of(theirs) for ours, theirs in pairs)


def claims(kind: str, samples: dict[str, list[Sample]]) -> list[dict[str, Any]]:
    cpu: Callable[[Sample], float] = lambda sample: sample.cpu  # noqa: E731
    rate: Callable[[Sample], float] = lambda sample: sample.rate  # noqa: E731
    found = []

    def add(claim: str, over: str, of: Callable[[Sample], float], goal: float, up: bool) -> None:
        value = ratios(samples, over, of) if over in samples else None
        found.append(_claim(f"{claim} / {over}", value, "ratio", goal, up=up))

    if kind == "target":
        add("G1 target query: requests a second", "floor", rate, 0.95, True)
        add("G1 target query: requests a second", "PostGraphile", rate, 2.2, True)
        add("G1 target query: p99", "floor", lambda sample: sample.p99, 1.2, False)
        add("G2 target query: CPU", "floor", cpu, 1.05, False)
        add("G2 target query: CPU", "PostGraphile", cpu, 0.6, False)
        server = statistics.median(sample.server for sample in samples["hub"])
        found.append(_claim("G2 target query: CPU of the server", server, "ms", 0.4, up=False))
    else:
        add("G4 practice{id name}: CPU", "floor", cpu, 1.3, False)
        add("G4 practice{id name}: CPU", "PostGraphile", cpu, 0.8, False)
    return found


def _claim(claim: str, value: float | None, unit: str, goal: float, *, up: bool) -> dict[str, Any]:
    ok = value is not None and (value >= goal if up else value <= goal)
    shown = None if value is None else round(value, 3)
    return {"claim": claim, "value": shown, "unit": unit, "goal": goal, "ok": ok}


def compare_answers(servers: list[Running]) -> None:
    """Raises if the hub and the floor differ, or the peer has other names in it."""
    for kind in QUERIES:
        for place in range(3):
            answers = {
                server.name: asyncio.run(ask(server.port, server.bodies[kind][place]))
                for server in servers
            }
            own = answers["hub"]
            if own != answers["floor"] or own != answers["hub, audited"]:
                raise RuntimeError(f"the answers to {kind} differ")
            peer = answers.get("PostGraphile")
            if peer is not None and _names(peer) != _names(own):
                raise RuntimeError(
                    f"PostGraphile answers {kind} with other rows: {str(peer)[:500]}"
                )


def _names(value: Any) -> list[Any]:
    """Every name in an answer, in order."""
    if isinstance(value, dict):
        own = [value[key] for key in ("familyName", "name", "memberId") if key in value]
        return own + [name for item in value.values() for name in _names(item)]
    return [name for item in value for name in _names(item)] if isinstance(value, list) else []


def run(options: argparse.Namespace) -> list[dict[str, Any]]:
    practices, patients = (50, 4000) if options.full else (20, 200)
    ids = prepare_postgresql(practices, patients)
    peer = find_peer(options.peer)
    found = []
    with contextlib.ExitStack() as stack:
        names = [*APPS, *(["PostGraphile"] if peer else [])]
        servers = [
            stack.enter_context(serving(name, 8790 + number, ids, peer))
            for number, name in enumerate(names)
        ]
        compare_answers(servers)
        for kind in QUERIES:
            samples: dict[str, list[Sample]] = {server.name: [] for server in servers}
            for _ in range(options.rounds):
                for server in servers:
                    samples[server.name].append(measure(server, kind, options.seconds))
            for name, taken in samples.items():
                middle = [
                    statistics.median(getattr(sample, figure) for sample in taken)
                    for figure in ("rate", "server", "database", "p99")
                ]
                print(
                    f"{kind}: {name}: {middle[0]:.0f} req/s, CPU {middle[1]:.2f} + "
                    f"{middle[2]:.2f} ms, p99 {middle[3] * 1000:.1f} ms",
                    file=sys.stderr,
                )
            found += claims(kind, samples)
    in_process = sqlite_milliseconds(options.rounds, patients)
    found.append(_claim("G8 SQLite, target query in process: CPU", in_process, "ms", 1.2, up=False))
    return found


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
    if options.serve:
        uvicorn.run(
            APPS[options.serve](), host="127.0.0.1", port=options.port,
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
