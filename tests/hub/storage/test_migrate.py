"""Migrations give exactly the declared tables, on both databases, however often they run."""

from __future__ import annotations

from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, Table, create_engine, select, text

from hub.domain.agreements import unrestricted_scope
from hub.errors import BadSetting
from hub.storage import migrate
from hub.storage.scope_settings import set_scope
from hub.storage.session import Database
from hub.storage.tables import Base, Practice, audit_subjects

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)


def test_migrations_give_the_declared_tables(database_url: str) -> None:
    migrate.upgrade(database_url)
    migrate.upgrade(database_url)
    migrate.require_current(database_url)
    engine = create_engine(database_url)
    with engine.connect() as connection:
        opts = {"include_name": _is_mapped, "include_object": partial(_is_of, engine.dialect.name)}
        context = MigrationContext.configure(connection, opts=opts)
        assert compare_metadata(context, Base.metadata) == []
    engine.dispose()


def _is_mapped(name: str | None, *_: object) -> bool:
    """Not of the index behind the audit trail, which SQLAlchemy has no words for."""
    return not (name or "").startswith((audit_subjects.TABLE, audit_subjects.INDEX))


def _is_of(dialect: str, declared: Any, *_: object) -> bool:
    """Not of an index that the other database has alone."""
    return bool(declared.info.get("only", dialect) == dialect)


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
        unrestrict(connection)
        found = connection.execute(text("SELECT id, control_id, patient_key, raw FROM inbox")).one()
        assert (*found[:3], bytes(found.raw)) == ("m", "C1", "key", raw)
        assert connection.execute(text("SELECT sequence, row_id FROM events")).one() == (7, "m")
        connection.execute(text("UPDATE inbox SET state = 'ignored'"))  # the triggers are there
        assert connection.execute(text("SELECT count(*) FROM events")).scalar_one() == 2
    engine.dispose()


def test_records_with_two_reasons_get_the_label_of_neither_and_references_a_mark(
    database_url: str,
) -> None:
    config = Config()
    config.set_main_option("script_location", str(migrate.MIGRATIONS))
    config.attributes["url"] = database_url
    command.upgrade(config, "0048")
    engine = create_engine(database_url)

    def put(connection: Connection, table: str, **values: object) -> None:
        made = Table(table, MetaData(), autoload_with=connection)
        owned = {"practice_id": "p"} if "practice_id" in made.columns else {}
        given: dict[str, object] = {**owned, **values}
        for column in made.columns:
            if column.name not in given and not column.nullable and column.server_default is None:
                kind = column.type.python_type
                filled = {datetime: NOW, date: NOW.date(), object: []}
                given[column.name] = filled[kind] if kind in filled else kind()
        connection.execute(made.insert().values(given))

    with engine.begin() as connection:
        unrestrict(connection)
        put(connection, "practices", id="p", zone="UTC")
        for patient, own, into in (
            ("plain", "", None), ("hiv", "HIV", None), ("twice", "HIV", None),
            ("prior", "SUD", "twice"), ("first", "HIV", "prior"),
        ):  # fmt: skip
            put(connection, "patients", id=patient, sensitivity=own, merged_into_id=into)
        for number, (patient, own) in enumerate(
            [("plain", "SUD"), ("hiv", "SUD"), ("hiv", "HIV"), ("hiv", ""), ("twice", "HIV")]
        ):
            put(
                connection, "encounters", id=f"e{number}", patient_id=patient, sensitivity=own,
                external_id=f"e{number}",
            )  # fmt: skip
        for number, visit in enumerate(("e0", "e1", "e0")):
            put(
                connection, "clinical_orders", id=f"o{number}", patient_id="plain",
                encounter_id=visit, sensitivity="" if number == 2 else "SUD",
                external_id=f"o{number}",
            )  # fmt: skip
        put(
            connection, "observations", id="r", patient_id="plain", order_id="o1",
            sensitivity="SUD", external_id="r",
        )  # fmt: skip
        put(
            connection, "consents", id="c", patient_id="hiv", sensitivity="SUD",
            reference="cabinet 4", granted_on=NOW.date(),
        )  # fmt: skip
    command.upgrade(config, "head")

    def labels(connection: Connection, table: str) -> dict[str, str]:
        found = connection.execute(text(f"SELECT id, sensitivity FROM {table}"))
        return {row.id: row.sensitivity for row in found}

    with engine.begin() as connection:
        unrestrict(connection)
        assert labels(connection, "patients") == {
            "plain": "", "hiv": "HIV", "twice": "R", "prior": "R", "first": "HIV",
        }  # fmt: skip
        assert labels(connection, "encounters") == {
            "e0": "SUD", "e1": "R", "e2": "HIV", "e3": "", "e4": "R",
        }  # fmt: skip
        assert labels(connection, "clinical_orders") == {"o0": "SUD", "o1": "R", "o2": ""}
        assert labels(connection, "observations") == {"r": "R"}
        assert labels(connection, "consents") == {"c": "SUD"}
        found = connection.execute(text("SELECT reference, revocation_reference FROM consents"))
        assert found.one() == ("plain:cabinet 4", "")
    engine.dispose()


def unrestrict(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        set_scope(connection, unrestricted_scope("test"))
