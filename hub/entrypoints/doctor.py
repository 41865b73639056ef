"""Whether this installation can run: one probe per thing that goes wrong, each with a hint.

A probe never raises and never repairs. `ok` is fine, `warn` runs and should be known, `fail` does
not run.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Literal

import httpx2

from connectors import registry
from hub import settings as hub_settings
from hub.domain.agreements import operations_scope
from hub.entrypoints.doctor_destinations import troubles
from hub.entrypoints.doctor_keys import lost_key
from hub.entrypoints.doctor_threads import host_in_url, live_threads
from hub.errors import BadSetting, HubError
from hub.settings import Settings
from hub.storage import health, roles
from hub.storage.key_encryption import open_keys
from hub.storage.migrate import current_revision, head_revision
from hub.storage.roles import RoleFacts
from hub.storage.session import Database
from jobs.transport_facts import transport_facts

DISTRIBUTION = "mso-hub"
PACKAGES = ("hub", "connectors", "schema", "jobs")
SKEW_WARN, SKEW_FAIL = 2.0, 30.0
_SCOPE = operations_scope("doctor")
FREE_BYTES = 2**30
RESTORE_KEY = "Restore the key of this database; without it nothing stored can be read."
WAL_RESET = ((3, 7, 0), (3, 51, 2))
"""Versions of SQLite in which resetting the write-ahead log races with another process."""
_LOCATE = (
    "import importlib.util, json; print(json.dumps({name: getattr(importlib.util.find_spec(name), "
    "'origin', None) for name in " + repr(PACKAGES) + "}))"
)

Status = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """`detail` says what is the case, `hint` what to do about it (empty where all is well)."""

    probe: str
    status: Status
    detail: str
    hint: str = ""


def examine(load: Callable[[], Settings], now: Callable[[], datetime]) -> list[Finding]:
    """Every finding; where the settings cannot be read, only what does not depend on them."""
    findings = [names(), *connectors()]
    try:
        settings = load()
        hub_settings.refuse_unsafe(settings)
    except BadSetting as error:
        return [
            Finding("settings", "fail", str(error), "Correct it and run doctor again."),
            *findings,
        ]
    detail = f"profile {settings.profile}, data in {settings.data_dir}"
    stated = [Finding("settings", "ok", detail)]
    stated += [Finding("settings", "warn", doubt) for doubt in hub_settings.doubts(settings)]
    found = [*database(settings, now), broker(settings), key(settings), *folders(settings)]
    threads = live_threads(settings)
    found += ports(settings, answers=threads is not None)
    if threads is not None:
        found.append(Finding("threads", *threads))
    return [*stated, *found, *findings]


def database(settings: Settings, now: Callable[[], datetime]) -> Iterator[Finding]:
    """Reachable, at the current schema, durable, and in time with this machine."""
    url = settings.resolved_database_url()
    path = Path(url.removeprefix("sqlite:///")) if url.startswith("sqlite") else None
    if path is not None and not path.exists():
        yield Finding("database", "fail", "There is no database yet.", "Run `mso-hub migrate`.")
        return
    try:
        current = current_revision(url) == head_revision()
        opened = Database(url)
    except HubError as error:
        yield Finding("database", "fail", str(error), "Start it, or correct HUB_DATABASE_URL.")
        return
    try:
        with opened.read(_SCOPE) as session:
            facts = health.facts(session)
            role = roles.facts(session) if current else None  # of tables that may not be there
            skew = abs((health.clock(session) - now()).total_seconds())
            sending = list(troubles(session, now())) if current else []
            lost = lost_key(session, settings) if current else ""
    finally:
        opened.close()
    yield Finding("database", "ok", "answers")
    yield (
        Finding("schema", "ok", "current")
        if current
        else Finding("schema", "fail", "The schema is not current.", "Run `mso-hub migrate`.")
    )
    if lost:
        yield Finding("data keys", "fail", lost, RESTORE_KEY)
    if role is not None:
        yield _role(role, strict=settings.profile == "production")
    for trouble in sending:
        yield Finding("destination", *trouble)
    yield _durability("SQLite" if path is not None else "PostgreSQL", facts)
    if path is not None:
        yield from _embedded(path, facts["version"], settings)
    free = shutil.disk_usage(settings.data_dir).free if settings.data_dir.exists() else None
    if free is not None and free < FREE_BYTES:
        detail = f"{free // 2**20} MiB are free where HUB_DATA_DIR lies."
        yield Finding("disk", "warn", detail, "Make room: without it nothing can be stored.")
    yield _clock(skew)


def broker(settings: Settings) -> Finding:
    """What carries jobs answers and, where it is RabbitMQ, confirms and keeps quorum queues."""
    try:
        return Finding("broker", "ok", transport_facts(settings))
    except BadSetting as error:
        hint = "Start it, or correct HUB_BROKER_URL; jobs wait in the database until then."
        return Finding("broker", "fail", str(error), hint)


def _embedded(path: Path, version: str, settings: Settings) -> Iterator[Finding]:
    """What an SQLite file needs beyond durability."""
    if path.stat().st_mode & 0o077:
        detail = f"{path} is readable by others."
        yield Finding("database file", "warn", detail, f"Run chmod 600 {path}*.")
    number = tuple(int(part) for part in version.split(".")[:3])
    if settings.profile == "production" and WAL_RESET[0] <= number <= WAL_RESET[1]:
        detail = f"SQLite {version} may damage a database when two processes write at once."
        hint = "Run one process on it, use SQLite 3.51.3 or later, or PostgreSQL."
        yield Finding("SQLite", "warn", detail, hint)


def _role(role: RoleFacts, *, strict: bool) -> Finding:
    """Whether PostgreSQL keeps practices apart whatever a statement forgets."""
    doubt = role.doubt()
    if not doubt:
        return Finding("role", "ok", f"{role.name} is held to row-level security")
    hint = "Migrate as the owner (HUB_MIGRATION_DATABASE_URL); run as a role that owns nothing."
    return Finding("role", "fail" if strict else "warn", f"The role {role.name} {doubt}.", hint)


def _durability(product: str, facts: dict[str, str]) -> Finding:
    detail = f"{product} " + ", ".join(
        value if name == "version" else f"{name} {value}" for name, value in facts.items()
    )
    safe = (
        facts.get("synchronous", "FULL") in {"FULL", "EXTRA"}
        and facts.get("fsync", "on") == "on"
        and facts.get("synchronous_commit", "on") != "off"
    )
    journaled = facts.get("journal_mode", "wal") == "wal"
    if safe and journaled:
        return Finding("durability", "ok", detail)
    hint = (
        "Use WAL with synchronous FULL, or fsync and synchronous_commit on: an acknowledged "
        "message must survive."
    )
    return Finding("durability", "fail", detail, hint)


def _clock(skew: float) -> Finding:
    detail = f"{skew:.1f} s apart from the database's clock"
    if skew < SKEW_WARN:
        return Finding("clock", "ok", detail)
    hint = "Set the time of both machines by NTP: leases and signatures depend on it."
    return Finding("clock", "fail" if skew > SKEW_FAIL else "warn", detail, hint)


def key(settings: Settings) -> Finding:
    """The key-encryption key: there, of the right form, readable by its owner only."""
    file = settings.resolved_key_file()
    try:
        open_keys(settings)
    except (BadSetting, OSError) as error:
        if settings.profile == "demo" and not file.exists():
            return Finding(
                "key", "warn", f"There is no key at {file} yet.", "The start writes one."
            )
        text = str(error) if isinstance(error, BadSetting) else f"{file} cannot be read."
        return Finding("key", "fail", text, RESTORE_KEY)
    return Finding("key", "ok", str(file) if settings.key is None else "HUB_KEY")


def folders(settings: Settings) -> Iterator[Finding]:
    """Folders the hub writes into or reads from are folders it may use, or can still be made."""
    for name, folder, hint in (
        (
            "audit anchors",
            settings.resolved_audit_anchors(),
            "Correct HUB_AUDIT_ANCHORS: the audit trail's heads are signed into it.",
        ),
        ("files", settings.resolved_files_dir(), "Correct HUB_FILES_DIR."),
    ):
        there = next(one for one in (folder.absolute(), *folder.absolute().parents) if one.exists())
        if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
            yield Finding(name, "ok", str(folder))
        else:
            yield Finding(name, "fail", f"{folder} is no folder the hub may write into.", hint)


def ports(settings: Settings, *, answers: bool = False) -> Iterator[Finding]:
    """Free, or taken by a running hub, of which one that `answers` for its metrics is a sign."""
    running = answers or hub_answers(settings) or _locked(settings.data_dir)
    for name, host, port in (
        ("http port", settings.http_host, settings.http_port),
        ("mllp port", settings.mllp_host, settings.mllp_port),
    ):
        where = f"{host}:{port}"
        if port == 0:
            yield Finding(name, "ok", "any free port is taken at the start")
        elif _is_free(host, port):
            yield Finding(name, "ok", f"{where} is free")
        elif running:
            yield Finding(name, "ok", f"{where} is in use by a running hub")
        else:
            variable = f"HUB_{name.split()[0].upper()}_PORT"
            detail = f"{where} cannot be used: another program has it, or it is not this machine's."
            yield Finding(
                name, "fail", detail, f"Stop that program or set {variable} to a free port."
            )


def hub_answers(settings: Settings) -> bool:
    """Whether something that speaks like a hub answers at the HTTP address."""
    url = f"http://{host_in_url(settings.http_host)}:{settings.http_port}/livez"
    try:
        with httpx2.Client(timeout=2.0, trust_env=False) as client:
            return bool(client.get(url).json() == {"status": "ok"})
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError):
        return False


def _is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _locked(data_dir: Path) -> bool:
    """Whether a hub holds the lock of an embedded database."""
    with contextlib.suppress(OSError), (data_dir / "hub.lock").open() as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def names() -> Finding:
    """Our import names are also names of public packages: ours must be the ones imported."""
    owners = packages_distributions()
    for name in PACKAGES:
        strangers = set(owners.get(name, ())) - {DISTRIBUTION}
        if strangers:
            detail = f"The distribution {', '.join(sorted(strangers))} also installs {name}."
            return Finding(
                "names", "fail", detail, f"Uninstall it and install {DISTRIBUTION} again."
            )
    here = Path(__file__).resolve().parents[2]
    with tempfile.TemporaryDirectory() as elsewhere:
        ran = subprocess.run(  # noqa: S603 - this interpreter and a fixed text
            [sys.executable, "-P", "-c", _LOCATE],
            cwd=elsewhere,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    found = json.loads(ran.stdout) if ran.returncode == 0 else {}
    for name in PACKAGES:
        if found.get(name) != str(here / name / "__init__.py"):
            detail = f"{name} is imported from another place than this program."
            return Finding(
                "names", "fail", detail, f"Install {DISTRIBUTION} in an environment of its own."
            )
    return Finding("names", "ok", f"{', '.join(PACKAGES)} belong to {DISTRIBUTION}")


def connectors() -> Iterator[Finding]:
    """Every connector can be imported."""
    good = 0
    for manifest in registry.manifests():
        try:
            registry.load(manifest.id)
            good += 1
        except HubError as error:
            hint = "Update or uninstall it; the others work."
            yield Finding("connector", "warn", f"{manifest.id}: {error}", hint)
    yield Finding("connectors", "ok", f"{good} can be used")
