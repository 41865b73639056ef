"""Migrations give exactly the declared tables, on both databases, however often they run."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, select, text

from hub.domain.agreements import unrestricted_scope
from hub.errors import BadSetting
from hub.storage import migrate
from hub.storage.scope_settings import set_scope
from hub.storage.session import Database
from hub.storage.tables import Base, Practice, audit_subjects


def test_migrations_give_the_declared_tables(database_url: str) -> None:
    migrate.upgrade(database_url)
    migrate.upgrade(database_url)
    migrate.require_current(database_url)
    engine = create_engine(database_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_name": _is_mapped})
        assert compare_metadata(context, Base.metadata) == []
    engine.dispose()


def _is_mapped(name: str | None, *_: object) -> bool:
    """Not of the index behind the audit trail, which SQLAlchemy has no words for."""
    return not (name or "").startswith((audit_subjects.TABLE, audit_subjects.INDEX))


def test_the_last_revision_is_told_as_alembic_tells_it() -> None:
    scripts = ScriptDirectory(str(migrate.MIGRATIONS))
    assert scripts.get_heads() == [migrate.head_revision()]


def test_an_empty_database_is_refused_with_what_to_do(database_url: str) -> None:
    with pytest.raises(BadSetting, match="mso-hub migrate"):
        migrate.require_current(database_url)


def test_a_database_that_does_not_answer_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="HUB_DATABASE_URL"):
        migrate.upgrade("postgresql+psycopg://nobody@127.0.0.1:1/none")


def test_an_embedded_database_and_its_log_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "data" / "hub.db"
    migrate.upgrade(f"sqlite:///{file}")
    database = Database(f"sqlite:///{file}")
    try:
        database.transaction(
            unrestricted_scope("test"), lambda session: session.execute(select(Practice)).all()
        )
        modes = {path.name: path.stat().st_mode & 0o777 for path in file.parent.iterdir()}
    finally:
        database.close()
    assert "hub.db-wal" in modes
    assert set(modes.values()) == {0o600}


def test_looking_at_a_database_that_is_not_there_leaves_nothing_others_can_read(
    tmp_path: Path,
) -> None:
    file = tmp_path / "hub.db"
    assert migrate.current_revision(f"sqlite:///{file}") is None
    assert file.stat().st_mode & 0o777 == 0o600


def test_messages_and_events_outlive_the_change_of_their_indexes(database_url: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(migrate.MIGRATIONS))
    config.attributes["url"] = database_url
    command.upgrade(config, "0045")
    engine = create_engine(database_url)
    raw = b"\x00MSH"
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO inbox (id, kind, source, control_id, message_type, body_digest, size,"
                " content_type, headers, raw, answer, state, fault_code, fault_path, fault_text,"
                " issue_count, duplicates, received_at, patient_key) VALUES ('m', 'hl7v2', 's',"
                " 'C1', 'ADT^A04', 'd', 4, '', '{}', :raw, :raw, 'processed', '', '', '', 0, 0,"
                " '2026-03-02T15:00:00.000000Z', 'key')"
            ),
            {"raw": raw},
        )
        connection.execute(text("UPDATE events SET sequence = 7"))
    command.upgrade(config, "head")
    command.downgrade(config, "0045")
    command.upgrade(config, "head")
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            set_scope(connection, unrestricted_scope("test"))
        found = connection.execute(text("SELECT id, control_id, patient_key, raw FROM inbox")).one()
        assert (*found[:3], bytes(found.raw)) == ("m", "C1", "key", raw)
        assert connection.execute(text("SELECT sequence, row_id FROM events")).one() == (7, "m")
        connection.execute(text("UPDATE inbox SET state = 'ignored'"))  # the triggers are there
        assert connection.execute(text("SELECT count(*) FROM events")).scalar_one() == 2
    engine.dispose()
