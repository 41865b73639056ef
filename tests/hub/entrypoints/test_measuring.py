"""`/metrics`: what waits and what was done, with few labels, and not for everybody."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIServer

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr
from sqlalchemy import select, update
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from hub.domain.agreements import unrestricted_scope
from hub.domain.jobs import Job, JobState
from hub.entrypoints.hub import Hub
from hub.entrypoints.measuring import (
    MOST_VISITORS,
    exposition,
    metrics_endpoint,
    serve_metrics,
)
from hub.services.intake import Arrival, Intake
from hub.settings import Settings
from hub.storage import queue
from hub.storage.crypto import Crypto
from hub.storage.session import Database, ScopedSession
from hub.storage.tables import JobRow

SCOPE = unrestricted_scope("test")
PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "watch-the-hub.md"
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def hub(database: Database, crypto: Crypto, folder: Path, now: datetime, **given: Any) -> Hub:
    settings = Settings(data_dir=folder, **given)
    return Hub(settings, database, crypto, Intake(database, crypto, lambda: now), lambda: now)


def samples(content: bytes) -> dict[tuple[str, ...], float]:
    """Name and label values -> value."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(content.decode())
        for sample in family.samples
    }


def receive(found: Hub, number: int) -> None:
    content = f"MSH|^~\\&|A\rPID|1||{number}^^^NORTH^MR\r".encode()
    arrival = Arrival("hl7v2", None, None, "mllp:A", f"C{number}", "ADT^A04", content)
    found.intake.receive(arrival).result(timeout=30)


def test_what_waits_is_measured_with_its_age(
    database: Database, crypto: Crypto, tmp_path: Path
) -> None:
    receive(hub(database, crypto, tmp_path, NOON), 1)
    due = NOON - timedelta(minutes=2)
    database.transaction(SCOPE, lambda s: queue.add(s, Job.PRUNE, {}, now=due))

    found = samples(exposition(hub(database, crypto, tmp_path, NOON + timedelta(minutes=1))))

    assert found["hub_messages_unread",] == 1
    assert found["hub_message_unread_age_seconds",] == 60
    assert found["hub_jobs", queue.DEFAULT_QUEUE, "ready"] == 2
    assert found["hub_job_ready_age_seconds", queue.DEFAULT_QUEUE] == 180
    assert found["hub_database_log_bytes",] > 0


def test_dead_letters_are_counted_until_they_are_retried(
    database: Database, crypto: Crypto, tmp_path: Path
) -> None:
    found = hub(database, crypto, tmp_path, NOON)

    def bury(session: ScopedSession) -> None:
        queue.add(session, Job.PRUNE, {}, now=NOON)
        buried = queue.add(session, Job.SYNC_ALL, {}, now=NOON, lanes=("lane",))
        session.execute(update(JobRow).where(JobRow.id == buried).values(state=JobState.DEAD))

    database.transaction(SCOPE, bury)

    assert samples(exposition(found))["hub_jobs_dead",] == 1
    with database.read(SCOPE) as session:
        dead = session.scalars(select(JobRow.id).where(JobRow.state == JobState.DEAD)).one()
    database.transaction(SCOPE, lambda s: queue.retry_dead(s, dead, now=NOON))
    after = samples(exposition(found))
    assert after["hub_jobs_dead",] == 0
    assert after["hub_jobs", queue.DEFAULT_QUEUE, "ready"] == 2


def test_every_figure_the_page_names_exists(
    database: Database, crypto: Crypto, tmp_path: Path
) -> None:
    named = set(re.findall(r"hub_[a-z_]+", PAGE.read_text()))
    content = exposition(hub(database, crypto, tmp_path, NOON)).decode()
    families = {family.name: family.type for family in text_string_to_metric_families(content)}
    endings = {"counter": ["_total"], "histogram": ["", "_count", "_sum", "_bucket"]}
    there = {name + ending for name, kind in families.items() for ending in endings.get(kind, [""])}
    assert len(named) > 10
    assert named - there == set()


def test_audit_events_that_wait_are_counted(
    database: Database, crypto: Crypto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = hub(database, crypto, tmp_path, NOON)
    assert samples(exposition(found))["hub_audit_waiting",] == 0
    waiting = database.audit_writer or database._gathering
    monkeypatch.setattr(type(waiting), "waiting", property(lambda self: 7))
    assert samples(exposition(found))["hub_audit_waiting",] == 7


def test_many_patients_make_no_more_series(
    database: Database, crypto: Crypto, tmp_path: Path
) -> None:
    found = hub(database, crypto, tmp_path, NOON)
    receive(found, 1)
    before = set(samples(exposition(found)))
    for number in range(2, 60):
        receive(found, number)

    assert set(samples(exposition(found))) == before


@pytest.mark.parametrize(
    ("given", "headers", "status"),
    [
        ({}, {}, 404),
        ({"metrics_token": SecretStr("let-me-in-please-now")}, {}, 404),
        (
            {"metrics_token": SecretStr("let-me-in-please-now")},
            {"Authorization": "Bearer wrong"},
            404,
        ),
        (
            {"metrics_token": SecretStr("let-me-in-please-now")},
            {"Authorization": "Bearer let-me-in-please-now"},
            200,
        ),
        ({"profile": "production"}, {}, 404),
    ],
)
def test_only_who_may_watch_is_answered(
    database: Database,
    crypto: Crypto,
    tmp_path: Path,
    given: dict[str, Any],
    headers: dict[str, str],
    status: int,
) -> None:
    found = hub(database, crypto, tmp_path, NOON, **given)
    app = Starlette(routes=[Route("/metrics", metrics_endpoint(found))])

    assert TestClient(app).get("/metrics", headers=headers).status_code == status


def test_the_demo_answers_this_machine(database: Database, crypto: Crypto, tmp_path: Path) -> None:
    app = Starlette(
        routes=[Route("/metrics", metrics_endpoint(hub(database, crypto, tmp_path, NOON)))]
    )

    assert TestClient(app, client=("127.0.0.1", 1)).get("/metrics").status_code == 200


@pytest.mark.parametrize(
    ("host", "path", "authorization", "status"),
    [
        ("127.0.0.1", "/metrics", "", 200),
        ("127.0.0.1", "/anything", "", 404),
        ("0.0.0.0", "/livez", "", 200),
        ("0.0.0.0", "/metrics", "", 404),
        ("0.0.0.0", "/metrics", "Bearer wrong", 404),
        ("0.0.0.0", "/metrics", "Bearer let-me-in-please-now", 200),
    ],
)
def test_a_port_of_its_own_wants_the_token_where_others_reach_it(
    database: Database,
    crypto: Crypto,
    tmp_path: Path,
    host: str,
    path: str,
    authorization: str,
    status: int,
) -> None:
    found = hub(database, crypto, tmp_path, NOON, metrics_token=SecretStr("let-me-in-please-now"))
    with closing_server(serve_metrics(found, host, 0)) as port:
        asked = HTTPConnection("127.0.0.1", port, timeout=10)
        asked.request("GET", path, headers={"Authorization": authorization})
        answer = asked.getresponse()
        told = answer.read()

    assert answer.status == status
    assert (b"hub_jobs_dead" in told) == (status == 200 and path == "/metrics")


def test_visitors_who_ask_nothing_take_a_bounded_number_of_threads(
    database: Database, crypto: Crypto, tmp_path: Path
) -> None:
    found = hub(database, crypto, tmp_path, NOON)
    with closing_server(serve_metrics(found, "127.0.0.1", 0)) as port:
        silent = [socket.create_connection(("127.0.0.1", port), 10) for _ in range(MOST_VISITORS)]
        try:
            with pytest.raises((OSError, HTTPException)):
                status_of(port)
            silent.pop().close()
            assert eventually(port) == 200
        finally:
            for visitor in silent:
                visitor.close()


def status_of(port: int) -> int:
    asked = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        asked.request("GET", "/livez")
        return asked.getresponse().status
    finally:
        asked.close()


def eventually(port: int) -> int:
    """The answer once a place is free, which a thread gives back after its visitor has left."""
    until = time.monotonic() + 5
    while True:
        try:
            return status_of(port)
        except (OSError, HTTPException):
            if time.monotonic() > until:
                raise
            time.sleep(0.02)


@contextmanager
def closing_server(server: WSGIServer) -> Iterator[int]:
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
