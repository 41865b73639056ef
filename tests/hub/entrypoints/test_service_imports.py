"""What a process that only answers HTTP loads: each package it can do without is memory and time
at every worker's start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hub.entrypoints.hub import open_hub
from hub.settings import Settings

_PROGRAM = """
import sys
from hub import settings
from hub.entrypoints.hub import open_hub
from hub.entrypoints.service import Service
with Service(open_hub(settings.load(), exclusive=True), ["web"]):
    print(*sys.modules)
"""
OF_OTHER_ROLES = (
    "dramatiq",  # jobs
    "redis",
    "pika",
    "highspy",  # solvers, in processes of their own
    "numpy",
    "scipy",
    "httpx2",  # calls to vendors, until one is made
    "alembic",  # migrations
    "opentelemetry",  # traces, where they are wanted
    "mako",  # pages of the console, until one is looked at
    "pygments",
    "jobs.worker",
    "hub.domain.purchasing.search",
    "hub.domain.purchasing.highs",
    "hub.entrypoints.demo",
    "hub.entrypoints.doctor",
    "hub.storage.backup",
    "hub.storage.migrations",
)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> frozenset[str]:
    """The modules of a started process of the role web."""
    folder: Path = tmp_path_factory.mktemp("web")
    open_hub(Settings(_env_file=None, data_dir=folder), migrate=True).close()
    own = {"HUB_DATA_DIR": str(folder), "HUB_HTTP_PORT": "0"}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
    ran = subprocess.run(
        [sys.executable, "-c", _PROGRAM], capture_output=True, text=True, env=kept | own
    )
    assert ran.returncode == 0, ran.stderr
    return frozenset(ran.stdout.split())


@pytest.mark.parametrize("name", OF_OTHER_ROLES)
def test_a_web_process_does_not_load_what_other_roles_need(
    loaded: frozenset[str], name: str
) -> None:
    assert "schema.root" in loaded
    assert [each for each in loaded if each == name or each.startswith(f"{name}.")] == []
