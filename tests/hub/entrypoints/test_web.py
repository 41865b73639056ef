"""Which host names the application answers under, and what it says of what it did not expect."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from hub.entrypoints.hub import open_hub
from hub.entrypoints.web import catalogue, create_app, hosts_of
from hub.settings import Settings


@pytest.mark.parametrize(
    ("settings", "host", "answered"),
    [
        ({}, "localhost", True),
        ({}, "hub.example", False),
        ({"public_url": "https://hub.example/x"}, "hub.example", True),
        ({"http_host": "0.0.0.0", "public_url": "https://hub.example"}, "evil.example", False),
        ({"http_host": "10.1.2.3"}, "10.1.2.3", True),
    ],
)
def test_the_hub_answers_under_its_own_names(settings, host, answered):
    assert (host in hosts_of(Settings(_env_file=None, **settings))) is answered


def test_listening_everywhere_without_a_public_name_answers_any():
    assert hosts_of(Settings(_env_file=None, http_host="0.0.0.0")) == ["*"]


def test_the_catalogue_lists_the_installed_connectors():
    assert "ehr_hl7v2" in {entry["id"] for entry in catalogue()}


def test_what_a_route_did_not_expect_is_told_by_an_id_and_logged_without_values(
    data_dir: Path,
) -> None:
    async def broken(_: Request) -> Response:
        raise ValueError("Quillfeather")

    hub = open_hub(Settings(_env_file=None, data_dir=data_dir), migrate=True)
    app = create_app(hub, routes=[Route("/broken/{patient}", broken)])
    with TestClient(app, "http://localhost", raise_server_exceptions=False) as http:
        with capture_logs() as logged:
            answer = http.get("/broken/Quillfeather")
    hub.close()
    told = answer.json()
    assert (answer.status_code, told["code"]) == (500, "INTERNAL")
    [line] = [line for line in logged if line["event"] == "request failed"]
    assert line["error_id"] == told["errorId"]
    assert (line["error_type"], line["url_path"]) == ("ValueError", "/broken/{patient}")
    assert "Quillfeather" not in answer.text + str(logged)
