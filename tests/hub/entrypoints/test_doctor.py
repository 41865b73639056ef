"""`doctor`: each thing that goes wrong is found by its own probe, with a hint."""

from __future__ import annotations

import importlib.metadata
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from connectors import registry
from hub.domain.agreements import unrestricted_scope
from hub.entrypoints import doctor
from hub.entrypoints.doctor import Finding, examine
from hub.entrypoints.doctor_threads import live_threads
from hub.entrypoints.hub import Hub, open_hub
from hub.entrypoints.service import Service
from hub.errors import BadSetting, ConfigError
from hub.services import connections
from hub.settings import Settings
from hub.storage import outbox
from hub.storage.outbox import Outgoing
from hub.storage.session import ScopedSession
from hub.storage.tables import Connection, OutboundMessage


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def settings(data_dir: Path) -> Settings:
    """Settings of a database that is migrated and has its key; ports are picked at the start."""
    found = Settings(data_dir=data_dir, http_port=0, mllp_port=0)
    open_hub(found, migrate=True).close()
    return found


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def found(findings: list[Finding], probe: str) -> Finding:
    (finding,) = [finding for finding in findings if finding.probe == probe]
    return finding


def test_a_sound_installation_has_nothing_but_ok(settings: Settings) -> None:
    findings = examine(lambda: settings, now)
    assert {finding.status for finding in findings} == {"ok"}
    assert {finding.probe for finding in findings} == {
        "settings", "database", "schema", "durability", "clock", "broker", "key", "http port",
        "mllp port", "names", "connectors", "audit anchors", "files",
    }  # fmt: skip
    assert "journal_mode wal, synchronous FULL" in found(findings, "durability").detail


def test_bad_settings_are_told_and_the_rest_is_still_looked_at() -> None:
    def load() -> Settings:
        raise BadSetting("The setting HUB_HTTP_PORT is not usable: it is no number.")

    findings = examine(load, now)
    assert found(findings, "settings").status == "fail"
    assert "HUB_HTTP_PORT" in found(findings, "settings").detail
    assert found(findings, "names").status == "ok"


def test_unsafe_production_settings_fail_and_doubtful_ones_warn(settings: Settings) -> None:
    production = settings.model_copy(update={"profile": "production"})
    assert "HUB_KEY_FILE" in found(examine(lambda: production, now), "settings").detail
    key_file = settings.resolved_key_file()
    safe = production.model_copy(update={"key_file": key_file})
    stated = [f.status for f in examine(lambda: safe, now) if f.probe == "settings"]
    assert stated == ["ok", "warn"]


def test_a_missing_database_and_one_behind_are_told_apart(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, http_port=0, mllp_port=0)
    missing = found(list(doctor.database(settings, now)), "database")
    assert (missing.status, missing.hint) == ("fail", "Run `mso-hub migrate`.")
    (tmp_path / "hub.db").touch()
    behind = found(list(doctor.database(settings, now)), "schema")
    assert (behind.status, behind.hint) == ("fail", "Run `mso-hub migrate`.")


def test_a_database_that_does_not_answer_is_one_finding(tmp_path: Path, taken: int) -> None:
    unheard = Settings(data_dir=tmp_path, database_url="postgresql://127.0.0.1:1/hub")
    (finding,) = doctor.database(unheard, now)
    assert finding.status == "fail"
    assert "HUB_DATABASE_URL" in finding.detail


def test_either_database_states_its_version_and_durability(
    migrated_url: str, tmp_path: Path
) -> None:
    plain = migrated_url.replace("postgresql+psycopg://", "postgresql://")
    settings = Settings(data_dir=tmp_path, database_url=plain)
    findings = list(doctor.database(settings, now))
    durability = found(findings, "durability")
    role = [] if migrated_url.startswith("sqlite") else [("role", "warn")]  # it owns the tables
    assert [(f.probe, f.status) for f in findings] == [
        ("database", "ok"), ("schema", "ok"), *role, ("durability", durability.status),
        ("clock", "ok"),
    ]  # fmt: skip
    detail = durability.detail
    assert ("SQLite 3." in detail) or ("statement_timeout 30s" in detail)


@pytest.mark.parametrize(
    ("seconds", "status"), [(0.0, "ok"), (5.0, "warn"), (-5.0, "warn"), (60.0, "fail")]
)
def test_a_clock_that_is_off_is_told(settings: Settings, seconds: float, status: str) -> None:
    findings = list(doctor.database(settings, lambda: now() + timedelta(seconds=seconds)))
    assert found(findings, "clock").status == status


@pytest.mark.parametrize(
    "facts",
    [
        {"version": "3", "journal_mode": "delete", "synchronous": "FULL"},
        {"version": "3", "journal_mode": "wal", "synchronous": "NORMAL"},
        {"version": "16", "fsync": "off"},
        {"version": "16", "fsync": "on", "synchronous_commit": "off"},
    ],
)
def test_a_database_that_may_lose_what_it_acknowledged_fails(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, facts: dict[str, str]
) -> None:
    monkeypatch.setattr("hub.storage.health.facts", lambda session: facts)
    finding = found(list(doctor.database(settings, now)), "durability")
    assert finding.status == "fail"
    assert finding.hint


def test_a_key_that_others_may_read_or_that_is_gone_is_told(settings: Settings) -> None:
    file = settings.resolved_key_file()
    file.chmod(0o644)
    assert "chmod 600" in doctor.key(settings).detail
    file.chmod(0o600)
    file.write_text("short")
    assert doctor.key(settings).status == "fail"
    file.unlink()
    assert doctor.key(settings).status == "warn"
    production = settings.model_copy(update={"profile": "production", "key_file": file})
    assert doctor.key(production).status == "fail"


def test_a_key_that_is_not_the_databases_fails(settings: Settings) -> None:
    assert "data keys" not in [finding.probe for finding in doctor.database(settings, now)]
    other = settings.model_copy(update={"key": SecretStr("ab" * 32)})
    assert doctor.key(other) == Finding("key", "ok", "HUB_KEY")
    finding = found(list(doctor.database(other, now)), "data keys")
    assert finding.status == "fail"
    assert "put that key back" in finding.detail
    settings.resolved_key_file().unlink()
    assert found(list(doctor.database(settings, now)), "data keys").status == "fail"


def test_a_port_of_another_program_fails_and_names_its_setting(
    settings: Settings, taken: int
) -> None:
    used = settings.model_copy(update={"mllp_port": taken})
    finding = found(list(doctor.ports(used)), "mllp port")
    assert finding.status == "fail"
    assert "HUB_MLLP_PORT" in finding.hint


def test_the_ports_of_a_running_hub_are_fine(settings: Settings) -> None:
    hub = open_hub(settings)
    try:
        with Service(hub, ["web", "mllp"]) as service:
            ports = {"http_port": service.http_port, "mllp_port": service.mllp_port}
            findings = list(doctor.ports(settings.model_copy(update=ports)))
    finally:
        hub.close()
    assert [finding.status for finding in findings] == ["ok", "ok"]
    assert all("running hub" in finding.detail for finding in findings)


def test_a_running_hub_tells_its_live_threads(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert live_threads(settings) is None
    hub = open_hub(settings)
    try:
        with Service(hub, ["web", "jobs"]) as service:
            running = settings.model_copy(update={"http_port": service.http_port})
            deadline = time.monotonic() + 30
            while "4 of 4 of sending" not in (told := live_threads(running) or ("", "", ""))[1]:
                assert time.monotonic() < deadline
                time.sleep(0.1)
            assert told == ("ok", "4 of 4 of default, 4 of 4 of sending live", "")
            more = running.model_copy(update={"worker_threads": 5})
            assert (live_threads(more) or ("",))[0] == "warn"
            closed = running.model_copy(
                update={"metrics_token": SecretStr("another-token-of-ours")}
            )
            monkeypatch.setattr(hub, "settings", closed)
            assert live_threads(running) is None
    finally:
        hub.close()


def test_a_listener_alone_is_known_by_its_metrics(
    settings: Settings, taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_listener = settings.model_copy(update={"mllp_port": taken})
    assert found(examine(lambda: of_listener, now), "mllp port").status == "fail"
    monkeypatch.setattr(doctor, "live_threads", lambda _: ("ok", "no jobs", ""))
    assert found(examine(lambda: of_listener, now), "mllp port").status == "ok"


def test_a_rival_distribution_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    owners = {**importlib.metadata.packages_distributions(), "schema": ["mso-hub", "schema"]}
    monkeypatch.setattr(doctor, "packages_distributions", lambda: owners)
    finding = doctor.names()
    assert finding.status == "fail"
    assert "schema" in finding.detail


def test_a_package_imported_from_elsewhere_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = "import json; print(json.dumps({'hub': '/elsewhere/hub/__init__.py'}))"
    monkeypatch.setattr(doctor, "_LOCATE", elsewhere)
    assert doctor.names().status == "fail"


def test_a_broken_connector_is_a_warning_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    load = registry.load

    def broken(id: str) -> Any:
        if id == "payer_x12":
            raise ConfigError("It cannot be imported.")
        return load(id)

    monkeypatch.setattr(registry, "load", broken)
    findings = list(doctor.connectors())
    assert found(findings, "connector").detail == "payer_x12: It cannot be imported."
    assert found(findings, "connector").status == "warn"


def test_the_probes_repair_nothing(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, http_port=0, mllp_port=0)
    examine(lambda: settings, now)
    assert list(tmp_path.iterdir()) == []


def test_a_database_others_may_read_is_a_warning(settings: Settings) -> None:
    Path(settings.resolved_database_url().removeprefix("sqlite:///")).chmod(0o644)

    findings = list(doctor.database(settings, lambda: datetime.now(UTC)))

    assert found(findings, "database file").status == "warn"


def test_a_full_disk_is_a_warning(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "FREE_BYTES", 2**80)

    findings = list(doctor.database(settings, lambda: datetime.now(UTC)))

    assert found(findings, "disk").status == "warn"


def queue_up(hub: Hub, name: str, count: int, queued_at: datetime, **config: Any) -> None:
    """A destination for which so many messages wait since then."""

    def work(session: ScopedSession) -> None:
        settings = {"host": "127.0.0.1", "port": 9, **config}
        connections.add(
            session, hub.crypto, connection_id=name, name=name, connector_id="hl7v2_destination",
            config=settings, practices={}, now=queued_at,
        )  # fmt: skip
        waiting = [Outgoing(name, None, "ADT^A04", f"C{n}", 3, b"abc") for n in range(count)]
        outbox.add_all(session, hub.crypto, waiting, now=queued_at)

    hub.database.transaction(unrestricted_scope("test"), work)


def test_destinations_that_are_full_stuck_or_refuse_are_told(settings: Settings) -> None:
    hub = open_hub(settings)
    try:
        queue_up(hub, "Closed", 2, now(), most_waiting=2)
        queue_up(hub, "Parking", 3, now(), most_waiting=2, when_full="park")
        queue_up(hub, "Paused", 1, now() - timedelta(hours=2))
        queue_up(hub, "Silent", 1, now() - timedelta(hours=2))
        queue_up(hub, "Sound", 1, now())
        queue_up(hub, "Refusing", 1, now())

        def park(session: ScopedSession) -> None:
            (row,) = session.scalars(
                select(OutboundMessage).where(OutboundMessage.connection_id == "Refusing")
            )
            row.state = "parked"
            session.get_one(Connection, "Paused").paused = True

        hub.database.transaction(unrestricted_scope("test"), park)
    finally:
        hub.close()
    told = [one for one in doctor.database(settings, now) if one.probe == "destination"]
    assert [(one.status, one.detail.partition(":")[0]) for one in told] == [
        ("fail", "Closed"), ("warn", "Parking"), ("warn", "Paused"), ("warn", "Refusing"),
        ("fail", "Silent"),
    ]  # fmt: skip
    assert "2 wait" in told[0].detail
    assert "120 minutes" in told[4].detail
    assert all(one.hint for one in told)


def test_folders_that_cannot_be_written_into_are_found(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    chosen = settings.model_copy(
        update={"audit_anchors": tmp_path / "file", "files_dir": tmp_path / "file" / "below"}
    )
    found = {finding.probe: finding for finding in doctor.folders(chosen)}
    assert {name: one.status for name, one in found.items()} == {
        "audit anchors": "fail",
        "files": "fail",
    }
    assert "HUB_AUDIT_ANCHORS" in found["audit anchors"].hint


def test_an_address_of_another_machine_is_not_called_taken(settings: Settings) -> None:
    chosen = settings.model_copy(update={"http_host": "192.0.2.1"})
    hub = open_hub(chosen)
    try:
        with pytest.raises(BadSetting, match="HUB_HTTP_HOST") as refusal:
            Service(hub, ["web"]).start()
    finally:
        hub.close()
    assert "taken" not in str(refusal.value)
