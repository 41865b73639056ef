"""What the service says of itself when it has started."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from hub.entrypoints.hub import open_hub
from hub.entrypoints.service import Service
from hub.settings import Settings


@pytest.mark.parametrize(
    ("roles", "told"),
    [(["web", "mllp"], {"port", "mllp_port"}), (["mllp"], {"mllp_port"}), (["web"], {"port"})],
)
def test_the_ports_that_were_bound_are_told_and_no_others(
    tmp_path: Path, roles: list[str], told: set[str]
) -> None:
    settings = Settings(data_dir=tmp_path, http_port=0, mllp_port=0)
    with capture_logs() as logged, Service(open_hub(settings, migrate=True), roles) as service:
        bound = {"port": service.http_port, "mllp_port": service.mllp_port}
    service.hub.close()
    (line,) = [line for line in logged if line["event"] == "hub started"]
    assert {name: line[name] for name in bound if line[name] is not None} == {
        name: bound[name] for name in told
    }
    assert all(bound[name] > 0 for name in told)
    assert line["database"] == f"SQLite {sqlite3.sqlite_version}"


@pytest.mark.parametrize(("roles", "gives_way"), [(["jobs"], True), (["jobs", "mllp"], False)])
def test_jobs_go_behind_other_processes_where_they_are_all_that_this_one_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, roles: list[str], gives_way: bool
) -> None:
    told: list[bool] = []

    class Worker:
        def __init__(self, _: object, *, gives_way: bool) -> None:
            told.append(gives_way)

        def start(self) -> None: ...

        def stop(self) -> None: ...

    monkeypatch.setattr("jobs.worker.JobWorker", Worker)
    settings = Settings(data_dir=tmp_path, http_port=0, mllp_port=0)
    with Service(open_hub(settings, migrate=True), roles) as service:
        pass
    service.hub.close()
    assert told == [gives_way]
