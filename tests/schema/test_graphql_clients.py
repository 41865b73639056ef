"""The API through clients that others wrote: gql for Python; graphql-request, graphql-ws and a
browser's WebSocket on Node.

One scenario each: a query with variables to its last page, a dry run, one effect for one key, typed
errors, a stored document, an export followed by a subscription and downloaded, a resumed stream.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx2
import pytest
from gql import Client, GraphQLRequest
from gql.transport.exceptions import TransportQueryError
from gql.transport.httpx import HTTPXTransport
from gql.transport.websockets import WebsocketsTransport

from hub.auth.credentials import create_client
from hub.auth.documents import add_document
from hub.domain.agreements import Domain, PrincipalKind, Purpose, unrestricted_scope
from hub.entrypoints.hub import open_hub
from hub.entrypoints.service import Service
from hub.settings import Settings
from hub.storage.tables import Patient, Practice, ServiceAgreement

TOOLS = Path(__file__).resolve().parent.parent / "graphql_clients"
SCOPE = unrestricted_scope("test")
STORED = "{ practices { nodes { name } } }"
NAMES = ["Abe", "Bea", "Cid", "Dov", "Eve"]
LONGEST = 60
PATIENTS = """query Patients($after: String, $first: Int!) {
  patients(first: $first, after: $after, orderBy: NAME) {
    nodes { familyName } pageInfo { hasNextPage endCursor } } }"""
OPEN = """mutation Open($input: OpenPurchasingRoundInput!) { openPurchasingRound(input: $input) {
  __typename ... on OpenPurchasingRoundPayload { round { id name } }
  ... on UserErrors { errors { code field message } } } }"""
START = """mutation Start($input: StartExportInput!) { startExport(input: $input) {
  ... on StartExportPayload { downloadPath export { id } } } }"""
STATE = "query State($id: ID!) { node(id: $id) { ... on Export { state rows } } }"
JOBS = "subscription Jobs($after: ID) { jobProgress(after: $after) { id job { kind state } } }"
SEEN = {
    "names": NAMES,
    "dry": "March",
    "afterDry": 0,
    "same": True,
    "afterBoth": 1,
    "refused": {
        "__typename": "UserErrors",
        "errors": [
            {
                "code": "BAD_INPUT",
                "field": "name",
                "message": "A name has 1 to 200 characters.",
            }
        ],
    },
    "invalid": "BAD_INPUT",
    "stored": {"practices": {"nodes": [{"name": "North"}]}},
    "inOrder": True,
    "export": {"state": "READY", "rows": 5},
    "lines": [{"familyName": name} for name in NAMES],
    "again": 404,
    "resumed": True,
}


@dataclass
class Served:
    """A hub that listens, with a practice and a credential."""

    url: str
    key: str
    document: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}


def seed(hub: Any) -> str:
    """Five patients under an agreement; returns the credential's key."""
    now = hub.now()

    def work(session: Any) -> str:
        session.add(Practice(id="north", name="North", zone="UTC", created_at=now))
        session.flush()
        for domain in (Domain.CLINICAL, Domain.SUPPLY):
            session.add(
                ServiceAgreement(
                    practice_id="north", domain=domain.value, granularity="ROW",
                    purposes=["OPERATIONS"], starts_on=date(2020, 1, 1),
                )
            )  # fmt: skip
        for name in NAMES:
            session.add(Patient(practice_id="north", family_name=name, received_at=now))
        client, key = create_client(
            session, "app", PrincipalKind.MSO_APP, now=now, write=True, export=True, developer=True
        )
        digest = hashlib.sha256(STORED.encode()).hexdigest()
        facts: dict[str, Any] = {"name": "stored", "purpose": Purpose.OPERATIONS, "cost": 25}
        add_document(session, client, digest=digest, text=STORED, now=now, **facts)
        return key

    key: str = hub.database.transaction(SCOPE, work)
    return key


@pytest.fixture
def served(migrated_url: str, tmp_path: Path) -> Iterator[Served]:
    settings = Settings(
        _env_file=None,
        data_dir=tmp_path,
        database_url=migrated_url.replace("+psycopg", ""),
        http_port=0,
        mllp_port=0,
        log_level="error",
    )
    hub = open_hub(settings, exclusive=True, migrate=True)
    try:
        key = seed(hub)
        with Service(hub, ["web", "jobs"]) as service:
            digest = hashlib.sha256(STORED.encode()).hexdigest()
            url = f"http://127.0.0.1:{service.http_port}/graphql"
            yield Served(url, key, f"sha256:{digest}")
    finally:
        hub.close()


def test_the_scenario_with_gql(served: Served) -> None:
    seen: dict[str, Any] = {}
    transport = HTTPXTransport(url=served.url, headers=served.headers, timeout=LONGEST)
    with Client(transport=transport) as http:

        def ask(text: str, **variables: Any) -> Any:
            return http.execute(GraphQLRequest(text, variable_values=variables))

        seen["names"] = list(names(ask))
        seen |= mutations(ask)
        started = ask(
            START, input={"query": "{ patients(orderBy: NAME) { nodes { familyName } } }"}
        )
        started = started["startExport"]
        events = asyncio.run(followed(served))
        seen["inOrder"] = [int(e["id"]) for e in events] == sorted({int(e["id"]) for e in events})
        seen["export"] = ask(STATE, id=started["export"]["id"])["node"]
    with httpx2.Client(headers=served.headers, timeout=LONGEST, trust_env=False) as plain:
        seen["stored"] = plain.post(served.url, json={"documentId": served.document}).json()["data"]
        path = urljoin(served.url, started["downloadPath"])
        seen["lines"] = [json.loads(line) for line in plain.get(path).text.splitlines()]
        seen["again"] = plain.get(path).status_code
        seen["resumed"] = resumed(plain, served.url, events[0]["id"])
    assert seen == SEEN


def names(ask: Any) -> Iterator[str]:
    after = None
    while True:
        page = ask(PATIENTS, after=after, first=2)["patients"]
        yield from (node["familyName"] for node in page["nodes"])
        if not page["pageInfo"]["hasNextPage"]:
            return
        after = page["pageInfo"]["endCursor"]


def mutations(ask: Any) -> dict[str, Any]:
    def rounds() -> int:
        found: int = ask("{ purchasingRounds { totalCount } }")["purchasingRounds"]["totalCount"]
        return found

    def opened(**given: Any) -> Any:
        return ask(OPEN, input=given)["openPurchasingRound"]

    seen: dict[str, Any] = {"dry": opened(name="March", validateOnly=True)["round"]["name"]}
    seen["afterDry"] = rounds()
    both = [opened(name="March", idempotencyKey="march")["round"]["id"] for _ in range(2)]
    seen |= {"same": both[0] == both[1], "afterBoth": rounds(), "refused": opened(name=" ")}
    with pytest.raises(TransportQueryError) as invalid:
        ask("{ nothing }")
    errors: Any = invalid.value.errors
    return seen | {"invalid": errors[0]["extensions"]["code"]}


async def followed(served: Served) -> list[Any]:
    """The events of jobs until the export's is done, over WebSocket."""
    transport = WebsocketsTransport(
        url=served.url.replace("http", "ws"),
        init_payload={"authorization": f"Bearer {served.key}"},
        subprotocols=[WebsocketsTransport.GRAPHQLWS_SUBPROTOCOL],
        connect_timeout=LONGEST,
        ack_timeout=LONGEST,
        connect_args={"open_timeout": LONGEST, "proxy": None},
    )
    events = []
    request = GraphQLRequest(JOBS, variable_values={"after": "0"})
    async with Client(transport=transport) as session, aclosing(session.subscribe(request)) as told:
        async for data in told:
            events.append(data["jobProgress"])
            done = events[-1]["job"] == {"kind": "exports.run", "state": "DONE"}
            if done and len(events) > 1:  # the job is told as it is by now: the first may be done
                break
    return events


def resumed(http: httpx2.Client, url: str, event_id: str) -> bool:
    """True if a stream of server-sent events goes on after the event."""
    headers = {"Accept": "text/event-stream", "Last-Event-ID": event_id}
    with http.stream("POST", url, json={"query": JOBS}, headers=headers) as response:
        for line in response.iter_lines():
            if line.startswith("id: "):
                return int(line.removeprefix("id: ")) > int(event_id)
    return False


def npm(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["npm", *arguments, "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"npm {arguments[0]} failed: {done.stderr}"
    return done.stdout.strip()


@pytest.fixture(scope="module")
def node_modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages, fetched and found to be the ones pinned."""
    folder = tmp_path_factory.mktemp("graphql_clients")
    package = json.loads((TOOLS / "package.json").read_text(encoding="utf-8"))
    (folder / "package.json").write_text('{"private": true}', encoding="utf-8")
    archives = []
    for name, version in package["dependencies"].items():
        archive = folder / npm(folder, "pack", f"{name}@{version}").splitlines()[-1]
        digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        assert f"sha512-{digest}" == package["integrity"][name], name
        archives.append(f"./{archive.name}")
    npm(folder, "install", "--no-save", "--no-package-lock", *archives)
    return folder


if (shutil.which("node") and shutil.which("npm")) or os.environ.get("CI"):

    def test_the_scenario_on_node(served: Served, node_modules: Path) -> None:
        done = subprocess.run(
            ["node", TOOLS / "scenario.mjs", node_modules, served.url],
            env={
                **os.environ,
                "CLIENT_AUTHORIZATION": f"Bearer {served.key}",
                "CLIENT_DOCUMENT": served.document,
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        seen = json.loads(done.stdout)
        assert seen.pop("events") >= 2
        assert seen == SEEN
