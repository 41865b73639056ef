"""GraphiQL: self-hosted, for the demo profile, asking nobody but the hub and keeping nothing."""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from graphql import get_introspection_query
from starlette.testclient import TestClient

from hub.auth.credentials import create_client
from hub.domain.agreements import PrincipalKind, unrestricted_scope
from hub.entrypoints.graphiql import page
from hub.entrypoints.hub import Hub
from hub.entrypoints.web import create_app
from hub.services.intake import Intake
from hub.settings import Settings
from hub.storage.crypto import Crypto
from hub.storage.session import Database
from hub.storage.tables import Base

FOLDER = Path(page.__file__).parent
HTML = {"accept": "text/html"}


@pytest.fixture
def hub(tmp_path: Path, crypto: Crypto) -> Iterator[Hub]:
    database = Database(f"sqlite:///{tmp_path / 'hub.db'}")
    with database.write_engine.begin() as connection:
        Base.metadata.create_all(connection)

    def now() -> datetime:
        return datetime.now(UTC)

    yield Hub(Settings(data_dir=tmp_path), database, crypto, Intake(database, crypto, now), now)
    database.close()


def browser(hub: Hub, **settings: Any) -> TestClient:
    hub.settings = Settings(data_dir=hub.settings.data_dir, **settings)
    return TestClient(create_app(hub), base_url="http://127.0.0.1")


def test_the_page_and_its_assets_come_from_the_hub_alone(hub: Hub) -> None:
    client = browser(hub)
    answer = client.get("/graphql", headers=HTML)
    assert answer.status_code == 200
    addresses = re.findall(r'(?:src|href)="([^"]+)"', answer.text)
    assert all(a.startswith(("graphql/assets/", "data:")) for a in addresses)
    for address in addresses:
        if address.startswith("graphql/"):
            assert client.get(f"/{address}").status_code == 200, address
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "http" not in policy
    assert "unsafe" not in policy
    assert answer.headers["cache-control"] == "no-store"


def test_production_serves_no_page_and_no_assets(hub: Hub) -> None:
    client = browser(hub, profile="production")
    assert client.get("/graphql", headers=HTML).status_code in {405, 406}
    assert client.get("/graphql/assets/page.js").status_code == 404


def test_an_unknown_asset_and_a_way_out_of_the_folder_are_not_found(hub: Hub) -> None:
    client = browser(hub)
    for name in ("nothing.js", "page.py", "..%2fpage.py", "%2e%2e%2fpage.py"):
        assert client.get(f"/graphql/assets/{name}").status_code == 404


def test_an_asset_the_browser_holds_is_not_sent_again(hub: Hub) -> None:
    client = browser(hub)
    first = client.get("/graphql/assets/graphiql.min.js")
    etag = first.headers["etag"]
    again = client.get("/graphql/assets/graphiql.min.js", headers={"if-none-match": etag})
    assert (again.status_code, again.content) == (304, b"")
    plain = client.get("/graphql/assets/graphiql.min.js", headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.content == first.content


def test_third_party_files_are_the_published_ones() -> None:
    stated = (FOLDER / "third_party" / "THIRD_PARTY.md").read_text()
    for name in page.THIRD_PARTY:
        content = gzip.decompress((FOLDER / "third_party" / f"{name}.gz").read_bytes())
        assert hashlib.sha256(content).hexdigest() in stated, name


def test_the_page_keeps_nothing_in_the_browser() -> None:
    script = (FOLDER / "page.js").read_text()
    for word in (
        "localStorage",
        "sessionStorage",
        "indexedDB",
        "cookie",
        "pushState",
        "replaceState",
    ):
        assert word not in script
    assert "storage: noStorage" in script
    assert "shouldPersistHeaders: false" in script


def test_the_question_graphiql_asks_for_its_documentation_is_answered(hub: Hub) -> None:
    scope = unrestricted_scope("test")
    _, key = hub.database.transaction(
        scope, lambda s: create_client(s, "page", PrincipalKind.MSO_APP, now=hub.now())
    )
    answer = browser(hub).post(
        "/graphql",
        json={"query": get_introspection_query(), "operationName": "IntrospectionQuery"},
        headers={"authorization": f"Bearer {key}"},
    )
    assert "errors" not in answer.json()
    names = {kind["name"] for kind in answer.json()["data"]["__schema"]["types"]}
    assert {"Practice", "Patient", "PurchasingRound"} <= names
