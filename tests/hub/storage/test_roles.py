"""Two roles of PostgreSQL: the owner migrates, the hub runs as one that owns nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, select, text

from hub.domain.agreements import practice_scope, unrestricted_scope
from hub.entrypoints import doctor
from hub.entrypoints.cli import backup
from hub.entrypoints.hub import open_hub, utc_now
from hub.errors import BadSetting
from hub.settings import Settings
from hub.storage import migrate, roles
from hub.storage.backup import copied
from hub.storage.roles import RoleFacts
from hub.storage.session import Database
from hub.storage.tables import Patient, Practice
from tests import conftest
from tests.conftest import BACKENDS, ROLE, as_role

pytestmark = pytest.mark.parametrize("backend", [name for name in BACKENDS if name != "sqlite"])
ALL = unrestricted_scope("test")
POLICIES = text(
    "SELECT tablename, policyname, cmd, qual, with_check FROM pg_policies "
    "WHERE schemaname = 'public' ORDER BY tablename, policyname"
)
FUNCTIONS = text(
    "SELECT proname, prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace "
    "AND proname LIKE '%_of_group' ORDER BY 1"
)


@pytest.fixture
def empty() -> Iterator[str]:
    """An empty database as its owner, a superuser."""
    url = conftest._create_database()
    yield url
    conftest._drop_database(url)


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    file = tmp_path / "key.hex"
    file.write_text("ab" * 32)
    file.chmod(0o600)
    return file


def facts(url: str) -> RoleFacts | None:
    database = Database(url)
    try:
        with database.read(ALL) as session:
            return roles.facts(session)
    finally:
        database.close()


def production(url: str, key_file: Path) -> Settings:
    return Settings(profile="production", database_url=url, key_file=key_file)


def test_the_owner_migrates_and_another_role_runs_the_hub(backend, empty, key_file):
    migrate.upgrade(empty, ROLE)
    migrate.upgrade(empty, ROLE)
    found = facts(as_role(empty))
    assert found is not None
    assert (found.name, found.doubt(), found.durable) == (ROLE, "", True)
    hub = open_hub(production(as_role(empty), key_file))
    try:
        hub.database.transaction(
            ALL, lambda s: s.add(Practice(name="North", zone="UTC", created_at=utc_now()))
        )
        with hub.database.read(ALL) as session:
            assert session.scalars(select(Practice.name)).all() == ["North"]
    finally:
        hub.close()


def test_a_role_that_may_not_make_tables_is_told_who_migrates(backend, empty):
    with pytest.raises(BadSetting, match=f"The role {ROLE} may not.*HUB_MIGRATION_DATABASE_URL"):
        migrate.upgrade(as_role(empty))


def test_why_pg_dump_failed_is_told(backend, empty):
    migrate.upgrade(empty, ROLE)
    engine = create_engine(empty, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE SEQUENCE of_somebody_else")
    engine.dispose()
    with copied(as_role(empty)) as copy, pytest.raises(BadSetting, match="permission denied"):
        list(copy.content)


def test_a_server_that_refuses_the_hub_is_quoted(backend, empty):
    elsewhere = f"{empty}_of_nobody"
    for ask in (migrate.current_revision, migrate.upgrade):
        with pytest.raises(
            BadSetting, match=r'refuses the connection: database ".*" does not exist'
        ):
            ask(elsewhere)


def test_tables_that_are_not_there_yet_are_no_doubt_about_the_role(backend, empty, key_file):
    found = {one.probe: one.status for one in doctor.database(production(empty, key_file), utc_now)}
    assert found["schema"] == "fail"
    assert "role" not in found


def test_what_the_role_backs_up_the_owner_restores_for_it(
    backend, empty, key_file, tmp_path, monkeypatch
):
    """Rows of a practice are in the backup, although the role owns nothing; after it the role runs
    the hub on the copy."""
    migrate.upgrade(empty, ROLE)
    database = Database(as_role(empty))
    database.transaction(
        ALL, lambda s: s.add(Practice(id="n", name="North", zone="UTC", created_at=utc_now()))
    )
    database.transaction(ALL, lambda s: s.add(Patient(practice_id="n", family_name="Quillfeather")))
    database.close()
    restored = conftest._create_database()
    monkeypatch.setenv("HUB_PROFILE", "production")
    monkeypatch.setenv("HUB_KEY_FILE", str(key_file))
    try:
        monkeypatch.setenv("HUB_DATABASE_URL", as_role(empty))
        backup.backup_command(tmp_path / "hub.backup")
        monkeypatch.setenv("HUB_DATABASE_URL", as_role(restored))
        monkeypatch.setenv("HUB_MIGRATION_DATABASE_URL", restored)
        backup.restore_command(tmp_path / "hub.backup")
        found = facts(as_role(restored))
        assert found is not None
        assert found.doubt() == ""
        copy = Database(as_role(restored))
        with copy.read(practice_scope("n")) as session:
            assert session.scalars(select(Patient.family_name)).all() == ["Quillfeather"]
        copy.close()
    finally:
        conftest._drop_database(restored)


def test_production_refuses_a_superuser_and_an_owner(backend, empty, key_file):
    migrate.upgrade(empty, ROLE)
    with pytest.raises(BadSetting, match="is a superuser"):
        open_hub(production(empty, key_file))
    owned = conftest._create_database(ROLE)
    try:
        migrate.upgrade(as_role(owned))
        with pytest.raises(BadSetting, match="owns the tables"):
            open_hub(production(as_role(owned), key_file))
        for profile, status in (("demo", "warn"), ("production", "fail")):
            asked = Settings(profile=profile, database_url=as_role(owned))
            probes = {found.probe: found for found in doctor.database(asked, utc_now)}
            assert (probes["role"].status, probes["durability"].status) == (status, "ok")
    finally:
        conftest._drop_database(owned)


def test_a_table_whose_policies_were_switched_off_is_named(backend, empty):
    migrate.upgrade(empty, ROLE)
    engine = create_engine(empty)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE patients NO FORCE ROW LEVEL SECURITY"))
    engine.dispose()
    found = facts(as_role(empty))
    assert found is not None
    assert "patients" in found.doubt()


def test_a_role_that_is_not_there_is_named(backend, empty):
    with pytest.raises(BadSetting, match="no_such_role"):
        migrate.upgrade(empty, "no_such_role")


def test_migrations_make_the_policies_and_functions_of_the_tables(
    backend, empty, postgresql_with_tables
):
    before = Config(attributes={"url": empty})
    before.set_main_option("script_location", str(migrate.MIGRATIONS))
    command.upgrade(before, "0028")  # a database from before there were policies
    migrate.upgrade(empty)
    made = []
    for url in (empty, postgresql_with_tables):
        engine = create_engine(url)
        with engine.connect() as connection:
            made.append([connection.execute(each).all() for each in (POLICIES, FUNCTIONS)])
        engine.dispose()
    assert made[0] == made[1]
    assert made[0][0]
