"""The connectors of an installation, listed like everything else."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from starlette.testclient import TestClient

from hub.entrypoints.web import create_app
from hub.settings import Settings

PAGE = """query($first: Int, $after: String) { connectors(first: $first, after: $after) {
  totalCount nodes { id kind } edges { cursor node { id } }
  pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""


@pytest.fixture
def app(world: Any, tmp_path: Any) -> Any:
    """A credential of an installation with three connectors."""
    hub = SimpleNamespace(
        settings=Settings(_env_file=None, data_dir=tmp_path), database=world.database,
        crypto=world.crypto, now=lambda: world.now,
    )  # fmt: skip
    entries: Any = [
        {"id": name, "name": name, "kind": "supply", "version": "1", "capabilities": []}
        for name in ("c", "a", "b")
    ]
    found = world.app(world.practice("North"))
    with TestClient(create_app(hub, connectors=entries), base_url="http://localhost") as http:
        found.http = http
        yield found


def test_they_are_walked_page_by_page_in_the_order_of_their_ids(app: Any) -> None:
    first = app.data(PAGE, first=2)["connectors"]
    assert first["totalCount"] == 3
    assert [node["id"] for node in first["nodes"]] == ["a", "b"]
    assert [edge["node"]["id"] for edge in first["edges"]] == ["a", "b"]
    info = first["pageInfo"]
    assert (info["hasNextPage"], info["hasPreviousPage"]) == (True, False)
    assert (info["startCursor"], info["endCursor"]) == tuple(e["cursor"] for e in first["edges"])
    last = app.data(PAGE, first=2, after=info["endCursor"])["connectors"]
    assert [node["id"] for node in last["nodes"]] == ["c"]
    assert last["pageInfo"]["hasNextPage"] is False
    assert last["totalCount"] == 3


def test_pages_are_bounded_and_cursors_known(app: Any) -> None:
    assert app.code(PAGE, first=0) == app.code(PAGE, first=101) == "BAD_INPUT"
    assert app.code(PAGE, after="z") == "NOT_FOUND"
    assert len(app.data(PAGE)["connectors"]["nodes"]) == 3
