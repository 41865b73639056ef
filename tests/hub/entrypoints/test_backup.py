"""A backup restores to the same database, on an empty machine, with the right key only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from hub.domain.agreements import unrestricted_scope
from hub.entrypoints.cli import backup as commands
from hub.entrypoints.hub import Hub, open_hub
from hub.errors import Conflict
from hub.services.intake import Arrival
from hub.settings import Settings
from hub.storage import audit, inbox
from hub.storage.crypto import Damaged
from hub.storage.key_encryption import LostKey
from hub.storage.tables import AuditEvent, InboundMessage

SCOPE = unrestricted_scope("test")
CONTENT = b"MSH|^~\\&|A|NORTH\rPID|1||1^^^NORTH^MR||Quillfeather\r"


@pytest.fixture
def empty_url(migrated_url: str, tmp_path: Path) -> Iterator[str]:
    """Another empty database of the same product."""
    if migrated_url.startswith("sqlite"):
        yield f"sqlite:///{tmp_path / 'elsewhere' / 'hub.db'}"
        return
    url = make_url(migrated_url)
    other = f"{url.database}_restored"
    server = create_engine(url.set(database="postgres"), isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {other}"))
    yield url.set(database=other).render_as_string(hide_password=False)
    with server.connect() as connection:
        connection.execute(text(f"DROP DATABASE {other} WITH (FORCE)"))
    server.dispose()


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Settings]:
    """Settings for a database, also those of the commands from here on."""
    monkeypatch.setenv("HUB_DATA_DIR", str(tmp_path / "data"))

    def settings(url: str, key: Path | None = None) -> Settings:
        monkeypatch.setenv("HUB_DATABASE_URL", url)
        monkeypatch.setenv("HUB_KEY_FILE", str(key or tmp_path / "key.hex"))
        return Settings()

    return settings


@pytest.fixture
def backed_up(migrated_url: str, at: Callable[..., Settings], tmp_path: Path) -> Path:
    """The backup of a hub with one message and one audit event."""
    hub = open_hub(at(migrated_url), migrate=True)
    arrival = Arrival("hl7v2", None, None, "mllp:A", "C1", "ADT^A04", CONTENT)
    hub.intake.receive(arrival).result(timeout=30)
    hub.database.transaction(
        SCOPE,
        lambda session: audit.append(
            session, now=datetime(2026, 3, 2, tzinfo=UTC), principal_id="p", principal_name="p",
            purpose="operations", action="read", outcome="success",
        ),
    )  # fmt: skip
    file = tmp_path / "hub.backup"
    commands.backup_command(file)
    hub.close()
    return file


def messages(hub: Hub) -> list[bytes]:
    with hub.database.read(SCOPE) as session:
        return [inbox.raw(row, hub.crypto) for row in session.query(InboundMessage)]


def test_a_backup_is_restored_checked_and_usable(
    backed_up: Path,
    empty_url: str,
    at: Callable[..., Settings],
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = at(empty_url)
    commands.restore_command(backed_up)
    said = capsys.readouterr().out

    hub = open_hub(settings)
    found = messages(hub)
    hub.close()

    assert found == [CONTENT]
    assert "2 audit events are intact, messages can be read" in said


def test_a_backup_is_audited_in_the_hub_and_in_the_copy(
    backed_up: Path, empty_url: str, migrated_url: str, at: Callable[..., Settings]
) -> None:
    at(empty_url)
    commands.restore_command(backed_up)
    for url in (migrated_url, empty_url):
        hub = open_hub(at(url))
        with hub.database.read(SCOPE) as session:
            (event,) = session.query(AuditEvent).filter_by(operation="backup")
            assert (event.action, event.principal_id[:3]) == ("read", "os:")
        hub.close()


def test_a_stolen_backup_is_unreadable_and_the_missing_key_named(
    backed_up: Path, empty_url: str, at: Callable[..., Settings], tmp_path: Path
) -> None:
    other = tmp_path / "other.hex"
    other.write_text("ab" * 32)
    other.chmod(0o600)
    at(empty_url, other)

    with pytest.raises(LostKey, match="HUB_KEY_FILE"):
        commands.restore_command(backed_up)

    content = backed_up.read_bytes().partition(b"\n")[2]
    assert b"ADT^A04" not in content
    assert b"SQLite format" not in content
    assert b"PGDMP" not in content


@pytest.mark.parametrize("cut", [lambda b: b[:-40], lambda b: b[:-1] + bytes([b[-1] ^ 1])])
def test_a_backup_changed_or_cut_off_leaves_no_database(
    backed_up: Path,
    empty_url: str,
    at: Callable[..., Settings],
    cut: Callable[[bytes], bytes],
) -> None:
    backed_up.write_bytes(cut(backed_up.read_bytes()))
    at(empty_url)

    with pytest.raises(Damaged):
        commands.restore_command(backed_up)

    if empty_url.startswith("sqlite"):
        assert not Path(empty_url.removeprefix("sqlite:///")).exists()
    else:
        engine = create_engine(empty_url)
        with engine.connect() as connection:
            found = text("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
            assert connection.scalar(found) == 0
        engine.dispose()


def test_nothing_is_restored_over_a_database(
    backed_up: Path, migrated_url: str, at: Callable[..., Settings]
) -> None:
    at(migrated_url)

    with pytest.raises(Conflict, match="already"):
        commands.restore_command(backed_up)
