"""QUERY on a real socket: the server lets the method through, and a 304 has no body."""

from __future__ import annotations

import http.client
import json
from pathlib import Path

from hub.auth.credentials import create_client
from hub.domain.agreements import PrincipalKind, unrestricted_scope
from hub.entrypoints.hub import open_hub
from hub.entrypoints.service import Service
from hub.settings import Settings

SCOPE = unrestricted_scope("test")


def test_the_server_takes_query_and_answers_304_without_a_body(data_dir: Path) -> None:
    settings = Settings(_env_file=None, data_dir=data_dir, http_port=0, log_level="error")
    hub = open_hub(settings, exclusive=True, migrate=True)
    try:
        _, key = hub.database.transaction(
            SCOPE, lambda s: create_client(s, "c", PrincipalKind.MSO_APP, now=hub.now())
        )
        body = json.dumps({"query": "{ items { nodes { name } } }"})
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        with Service(hub, ["web"]) as service:
            connection = http.client.HTTPConnection("127.0.0.1", service.http_port or 0)
            connection.request("QUERY", "/graphql", body, headers)
            first = connection.getresponse()
            assert first.status == 200
            assert json.loads(first.read())["data"] == {"items": {"nodes": []}}
            tag = first.headers["ETag"]
            connection.request("QUERY", "/graphql", body, {**headers, "If-None-Match": tag})
            again = connection.getresponse()
            assert (again.status, again.read(), again.headers["ETag"]) == (304, b"", tag)
            connection.close()
    finally:
        hub.close()
