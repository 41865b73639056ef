"""Load on the servers of the GraphQL bench: processes, requests, and what a round of them took."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import http.client
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import psycopg

from bench.parts.graphql_data import NAME, PLAIN_URL, SERVER
from bench.parts.graphql_queries import COLD, FLOORS, KEPT, NEW, PEERS, QUERIES, STORED, TARGET
from hub.storage.reads.write import global_id

CONNECTIONS = 16
WARM_SECONDS = 0.5
LOOK_SECONDS = 0.25
SCRIPT = Path(__file__).parents[1] / "graphql.py"
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
        command = [sys.executable, str(SCRIPT), "--serve", name, "--port", str(port)]
        environment, peer = {**os.environ, "BENCH_SQLITE_URL": sqlite}, None
    process = subprocess.Popen(command, env=environment, cwd=peer)
    running = Running(name, process, port, bodies(name, ids), key)
    try:
        wait_until_it_answers(running)
        yield running
    finally:
        process.terminate()
        process.wait(timeout=20)


def wait_until_it_answers(running: Running) -> None:
    """Raises if it does not within half a minute."""
    for _ in range(300):
        with contextlib.suppress(OSError):
            ask(running, "practice")
            return
        time.sleep(0.1)
    raise RuntimeError(f"{running.name} does not answer")


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


def warm(running: Running, kind: str) -> None:
    """Load it before the first round, in which it would still be opening connections."""
    asyncio.run(load_for(running, kind, WARM_SECONDS, CONNECTIONS))


def measure(running: Running, kind: str, seconds: float) -> Sample:
    """One round: requests a second, CPU milliseconds a request of server and PostgreSQL, p99."""
    with contextlib.closing(Backends()) as backends:
        before, start = cpu_nanoseconds(running.process.pid), time.perf_counter()
        latencies = asyncio.run(_watched(running, kind, seconds, backends))
        took = time.perf_counter() - start
        server, database = cpu_nanoseconds(running.process.pid) - before, backends.spent()
    count = len(latencies)
    p99 = sorted(latencies)[int(count * 0.99)]
    return Sample(count / took, server / count / 1e6, database / count / 1e6, p99)


async def _watched(running: Running, kind: str, seconds: float, backends: Backends) -> list[float]:
    async def look() -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            backends.look()

    looking = asyncio.create_task(look())
    try:
        return await load_for(running, kind, seconds, CONNECTIONS)
    finally:
        looking.cancel()


class Backends:
    """What PostgreSQL's backends of the database spend from now on. Servers under no load close
    connections meanwhile and others open them, so it looks at them again and again: of one that
    ended the last look counts, of one that began all."""

    def __init__(self) -> None:
        self._connection = psycopg.connect(SERVER.replace("+psycopg", ""), autocommit=True)
        self._first = self._read()
        self._last = dict(self._first)

    def close(self) -> None:
        self._connection.close()

    def look(self) -> None:
        self._last |= self._read()

    def spent(self) -> int:
        """CPU nanoseconds of all of them."""
        self.look()
        return sum(self._last.values()) - sum(self._first.values())

    def _read(self) -> dict[int, int]:
        statement = "SELECT pid FROM pg_stat_activity WHERE datname = %s"
        found = {}
        for (pid,) in self._connection.execute(statement, [NAME]):
            with contextlib.suppress(OSError):  # it ended between
                found[pid] = cpu_nanoseconds(pid)
        return found


def cpu_nanoseconds(pid: int) -> int:
    """CPU of a process and all its threads, those that ended too: its clock of
    clock_getcpuclockid(3), as /proc tells hundredths of a second only. Raises OSError if there is
    none."""
    return time.clock_gettime_ns(~pid << 3 | 2)


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
