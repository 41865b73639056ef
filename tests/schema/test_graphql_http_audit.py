"""The audits of GraphQL over HTTP by `graphql-http` against a hub on a real socket.

They need node and npm, which fetches two packages of exact versions; their archives are compared
with the digests in tests/graphql_http/package.json before anything of them runs.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from hub.auth.credentials import create_client
from hub.domain.agreements import PrincipalKind, unrestricted_scope
from hub.entrypoints.hub import open_hub
from hub.entrypoints.service import Service
from hub.settings import Settings

TOOLS = Path(__file__).resolve().parent.parent / "graphql_http"
SCOPE = unrestricted_scope("test")
WITHOUT_GET = {"5A70", "D6D5", "6A70"}
NOT_IN_THE_DRAFT = {"572B", "7B9B", "FDE2", "86EE"}
"""200 for failures under `application/json`, and 400 for a variable's value."""
ALL_AUDITS = 61


def npm(folder: Path, *arguments: str) -> None:
    done = subprocess.run(
        ["npm", *arguments, "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"npm {arguments[0]} failed: {done.stderr}"


def archives(folder: Path, package: dict[str, Any]) -> list[str]:
    """The packages' archives, fetched into `folder` and found to be the ones pinned."""
    found = []
    for name, version in package["dependencies"].items():
        npm(folder, "pack", f"{name}@{version}")
        archive = folder / f"{name}-{version}.tgz"
        digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        assert f"sha512-{digest}" == package["integrity"][name], name
        found.append(f"./{archive.name}")
    return found


@pytest.fixture(scope="module")
def node_modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("graphql_http")
    package = json.loads((TOOLS / "package.json").read_text(encoding="utf-8"))
    (folder / "package.json").write_text('{"private": true}', encoding="utf-8")
    npm(folder, "install", "--no-save", "--no-package-lock", *archives(folder, package))
    return folder


def failed_audits(folder: Path, data_dir: Path, **options: Any) -> tuple[set[str], int]:
    """The audits a hub does not pass, and how many there are."""
    settings = Settings(
        _env_file=None, data_dir=data_dir, http_port=0, log_level="error", **options
    )
    hub = open_hub(settings, exclusive=True, migrate=True)
    try:
        _, key = hub.database.transaction(
            SCOPE,
            lambda s: create_client(s, "audit", PrincipalKind.MSO_APP, now=hub.now()),
        )
        with Service(hub, ["web"]) as service:
            done = subprocess.run(
                [
                    "node",
                    TOOLS / "audit.mjs",
                    folder,
                    f"http://127.0.0.1:{service.http_port}/graphql",
                ],
                env={**os.environ, "AUDIT_AUTHORIZATION": f"Bearer {key}"},
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
    finally:
        hub.close()
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    return {each["id"] for each in results if each["status"] != "ok"}, len(results)


if (shutil.which("node") and shutil.which("npm")) or os.environ.get("CI"):

    def test_every_audit_passes_where_get_is_allowed(node_modules: Path, data_dir: Path) -> None:
        assert failed_audits(node_modules, data_dir, graphql_get=True) == (set(), ALL_AUDITS)

    def test_as_shipped_only_what_needs_get_is_missing(node_modules: Path, data_dir: Path) -> None:
        found = failed_audits(node_modules, data_dir, graphql_get=False)
        assert found == (WITHOUT_GET, ALL_AUDITS)

    def test_the_drafts_status_codes_fail_the_audits_of_the_older_ones_only(
        node_modules: Path, data_dir: Path
    ) -> None:
        found = failed_audits(node_modules, data_dir, graphql_get=True, graphql_status="draft")
        assert found == (NOT_IN_THE_DRAFT, ALL_AUDITS)


def test_the_archives_are_pinned_without_an_address() -> None:
    text = (TOOLS / "package.json").read_text(encoding="utf-8")
    package = json.loads(text)
    assert set(package["integrity"]) == set(package["dependencies"])
    assert all(digest.startswith("sha512-") for digest in package["integrity"].values())
    assert "//" not in text.replace(package["integrity"]["graphql-http"], "")
