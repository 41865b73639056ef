"""Hostile requests: each is refused with a 4xx and little work, and reads no more than it must.

The work is the process's CPU time around the call, the least of three with a document the hub has
not seen before.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from hub.auth.credentials import create_client
from hub.domain.agreements import PrincipalKind, unrestricted_scope
from hub.entrypoints.graphql_request import LARGEST_BODY, LONGEST_NAME
from hub.entrypoints.web import create_app
from hub.settings import Settings
from hub.storage.crypto import Crypto
from hub.storage.session import Database
from hub.storage.tables import Base
from schema.execute import Engine
from schema.root import hub_schema

SCOPE = unrestricted_scope("test")
MOST_CPU = 0.1
CHUNK = 64 * 1024
JSON = "application/json"
Make = Callable[[int], Any]


@dataclass
class Answer:
    status: int = 0
    body: bytes = b""
    chunks: int = 0
    cpu: float = 0.0

    @property
    def code(self) -> str:
        return str(json.loads(self.body)["errors"][0]["extensions"]["code"])


@dataclass
class Caller:
    """Calls the application without a network between."""

    app: Any
    key: str
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)

    def __call__(
        self, body: bytes, *, method: str = "POST", kind: str = JSON, **headers: str
    ) -> Answer:
        named = {
            "host": "localhost",
            "authorization": f"Bearer {self.key}",
            "accept": "application/graphql-response+json",
            "content-type": kind,
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        scope = {
            "type": "http",
            "method": method,
            "path": "/graphql",
            "raw_path": b"/graphql",
            "query_string": b"",
            "scheme": "http",
            "server": ("localhost", 80),
            "client": ("192.0.2.1", 1),
            "http_version": "1.1",
            "headers": [(name.encode(), value.encode()) for name, value in named.items()],
        }
        answer = Answer()
        self.loop.run_until_complete(self._call(scope, body, answer))
        return answer

    async def _call(self, scope: dict[str, Any], body: bytes, answer: Answer) -> None:
        async def receive() -> dict[str, Any]:
            begin = answer.chunks * CHUNK
            if begin >= len(body) and answer.chunks:
                await asyncio.sleep(60)  # who sent all waits for the answer
            answer.chunks += 1
            more = begin + CHUNK < len(body)
            chunk = body[begin : begin + CHUNK]
            return {"type": "http.request", "body": chunk, "more_body": more}

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                answer.status = message["status"]
            answer.body += message.get("body", b"")

        started = time.process_time()
        await self.app(scope, receive, send)
        answer.cpu = time.process_time() - started


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    """The edge is the same over every database."""
    folder = tmp_path_factory.mktemp("abuse")
    now = datetime(2026, 3, 2, 15, tzinfo=UTC)
    database = Database(f"sqlite:///{folder / 'hub.db'}")
    with database.write_engine.begin() as connection:
        Base.metadata.create_all(connection)
    _, key = database.transaction(
        SCOPE, lambda s: create_client(s, "mso", PrincipalKind.MSO_APP, now=now, write=True)
    )
    hub: Any = SimpleNamespace(
        settings=Settings(_env_file=None, data_dir=folder, graphql_cost_maximum=10**9),
        database=database,
        crypto=Crypto(bytes(32)),
        now=lambda: now,
    )
    caller = Caller(create_app(hub, connectors=[]), key)
    assert caller(posted("{ __typename }")).status == 200
    yield caller
    caller.loop.run_until_complete(caller.loop.shutdown_default_executor())
    caller.loop.close()
    database.close()


def posted(query: str, **more: Any) -> bytes:
    return json.dumps({"query": query, **more}).encode()


def inside(selection: str) -> str:
    return f"{{ practices {{ nodes {{ {selection} }} }} }}"


def chain(length: int, link: str, end: str) -> str:
    """Fragments of fragments; `link` says what one holds of the next, `{n}`."""
    links = [
        f"fragment f{i} on Practice {{ {link.replace('{n}', f'f{i + 1}').replace('{i}', str(i))} }}"
        for i in range(length)
    ]
    return " ".join([inside("...f0"), *links, f"fragment f{length} on Practice {{ {end} }}"])


DOCUMENTS = {
    "a fragment bomb that ends in an unknown field": chain(90, "...{n} ...{n}", "nope"),
    "aliases through fragments": chain(
        30, "a{i}: patients { nodes { practice { ...{n} } } }", "name"
    ),
    "a cycle of fragments": chain(3, "...{n} ...f0", "...f0"),
    "a fragment of itself": inside("...f") + " fragment f on Practice { ...f ...f }",
    "an undefined fragment": inside("...missing ...missing"),
    "undefined fragments in a chain": chain(50, "...{n} ...missing", "name"),
    "depth 3000": "{ " * 3000 + "a" + " }" * 3000,
    "depth 3000 in words": "{ practices " * 600 + "}" * 600,
    "10000 fields": inside(" ".join(["id"] * 10_000)),
    "4000 fields": inside(" ".join(["id"] * 4_000)),
    "900 fields": inside(" ".join(["id"] * 900)),
    "2000 directives": inside("name " + "@a " * 2000),
    "150 directives that are known": inside("name " + "@skip(if: false) " * 150),
    "500 aliases": inside(" ".join(f"a{i}: id" for i in range(300))),
    "aliases of roots": "{ " + " ".join(f"a{i}: __typename" for i in range(200)) + " }",
    "a list nested 4000 deep": inside("patients(where: " + "[" * 4000 + "]" * 4000 + ") { id }"),
    "an object nested 300 deep": inside("patients(where: " + "{a:" * 300 + "1" + "}" * 300 + ")"),
    "a page of 2147483647": "{ patients(first: 2147483647) { nodes { id } } }",
    "a page of -1": "{ patients(first: -1) { nodes { id } } }",
    "an altered cursor": '{ patients(first: 1, after: "zzzz") { nodes { id } } }',
    "unfinished": "{ practices { nodes { name ",
    "a text never closed": '{ practices(where: "' + "x" * 14_000,
    "nothing but commas": "," * 14_000,
    "no operation": "fragment f on Practice { name }",
    "a name of 14000 letters": "{ " + "a" * 14_000 + " }",
    "introspection in introspection": "{ __schema { types { "
    + "fields { type { " * 30
    + "name"
    + " } }" * 30
    + " } } }",
}
BODIES: dict[str, tuple[Make, int]] = {
    "a number": (lambda _: b"7", 400),
    "a list": (lambda n: b"[" + posted(f"{{ a{n} }}") + b"]", 400),
    "null": (lambda _: b"null", 400),
    "text": (lambda _: b'"query"', 400),
    "nothing": (lambda _: b"", 400),
    "invalid UTF-8": (lambda _: b'{"query": "\xff\xfe"}', 400),
    "a lone surrogate": (lambda _: b'{"query": "{ \\ud800 }"}', 400),
    "variables 100000 deep": (
        lambda _: (
            b'{"query": "{ a }", "variables": {"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}}"
        ),
        400,
    ),
    "variables 1000 deep": (
        lambda n: (
            b'{"query": "query($a: ID) { __typename } # %d", "variables": {"a": ' % n
            + b'{"b":' * 900
            + b"1"
            + b"}" * 902
        ),
        400,
    ),
    "a member twice": (lambda _: b'{"query": "{ __typename }", "query": "{ x }"}', 400),
    "a variable twice": (
        lambda _: b'{"query": "{ __typename }", "variables": {"a": 1, "\\u0061": 2}}',
        400,
    ),
    "40000 members, the last twice": (
        lambda _: b"{" + b",".join(b'"%d":1' % i for i in [*range(20_000), 19_999]) + b"}",
        400,
    ),
    "NaN": (lambda _: b'{"query": "{ __typename }", "variables": {"a": NaN}}', 400),
    "infinity": (lambda _: b'{"query": "{ __typename }", "variables": {"a": -Infinity}}', 400),
    "U+0000": (lambda _: b'{"query": "{ __typename }", "variables": {"a": "\\u0000"}}', 400),
    "an operation name of 1 MB": (
        lambda _: posted("query A { __typename }", operationName="A" * 1_000_000),
        413,
    ),
    "an operation name too long": (
        lambda _: posted("query A { __typename }", operationName="A" * (LONGEST_NAME + 1)),
        400,
    ),
    "20 MB": (lambda _: b'{"query": "' + b"x" * 20_000_000 + b'"}', 413),
    "the largest body, of nothing": (lambda _: b" " * LARGEST_BODY, 400),
}


def least_cpu(attempt: Callable[[int], Answer], status: int) -> Answer:
    answers = [attempt(number) for number in range(3)]
    assert {answer.status for answer in answers} == {status}, answers[0].body
    return min(answers, key=lambda answer: answer.cpu)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_hostile_document_is_refused_with_little_work(call: Caller, name: str) -> None:
    query = DOCUMENTS[name]
    status = 404 if "cursor" in name else 400
    answer = least_cpu(lambda n: call(posted(f"{query} # {n}")), status)
    assert answer.cpu < MOST_CPU
    assert answer.code in {"BAD_INPUT", "COST_EXCEEDED", "NOT_FOUND"}
    assert len(answer.body) < 4000


@pytest.mark.parametrize("name", BODIES)
def test_a_hostile_body_is_refused_with_little_work(call: Caller, name: str) -> None:
    make, status = BODIES[name]
    bodies = [make(number) for number in range(3)]
    answer = least_cpu(lambda n: call(bodies[n]), status)
    assert answer.cpu < MOST_CPU
    assert answer.code == "BAD_INPUT"
    assert len(answer.body) < 1000
    assert answer.chunks <= LARGEST_BODY // CHUNK + 1


def test_a_body_announced_as_large_or_compressed_is_not_read_at_all(call: Caller) -> None:
    large = call(b"x", content_length="20000000")
    bomb = call(gzip.compress(b" " * 50_000_000), content_encoding="gzip")
    assert [(a.status, a.chunks) for a in (large, bomb)] == [(413, 0), (415, 0)]
    assert max(large.cpu, bomb.cpu) < MOST_CPU


@pytest.mark.parametrize(
    ("method", "kind", "status"),
    [
        ("GET", JSON, 405),
        ("PUT", JSON, 405),
        ("DELETE", JSON, 405),
        ("POST", "text/plain", 415),
        ("POST", "application/x-www-form-urlencoded", 415),
        ("POST", "multipart/form-data; boundary=x", 415),
        ("POST", "application/graphql", 415),
        ("POST", "", 415),
    ],
)
def test_another_method_or_type_is_refused_before_the_body_is_read(
    call: Caller, method: str, kind: str, status: int
) -> None:
    answer = call(posted("{ __typename }"), method=method, kind=kind)
    assert (answer.status, answer.chunks, answer.code) == (status, 0, "BAD_INPUT")
    assert answer.cpu < MOST_CPU


@pytest.mark.parametrize(
    "query",
    [
        "{ __schema { types { name } } }",
        "{ harmless: __schema { types { name } } }",
        '{ a: __type(name: "Patient") { fields { name } } }',
        "{ ...f } fragment f on Query { __schema { queryType { name } } }",
        "{ ... { ...f } } fragment f on Query { ... on Query { b: __schema { types { name } } } }",
    ],
)
def test_a_credential_that_is_no_developers_cannot_introspect(query: str) -> None:
    documents = Engine(hub_schema(), introspection=False).documents
    with pytest.raises(Exception, match="not valid") as refused:
        documents.get(query)
    assert "Patient" not in str(getattr(refused.value, "errors", ""))
