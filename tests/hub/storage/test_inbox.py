"""Messages that came before, looked for in a plan made while there were none."""

from __future__ import annotations

import pytest
from sqlalchemy import create_engine

from hub.domain.agreements import operations_scope
from hub.storage import inbox, migrate
from hub.storage.session import Database, ScopedSession

GIVEN = '[["source", "control id", "digest", "2026-03-02T15:00:00Z"]]'


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_an_empty_table_is_looked_up_by_its_index_as_a_full_one_is(
    database: Database, postgresql_with_tables: str
) -> None:
    owner = create_engine(postgresql_with_tables, isolation_level="AUTOCOMMIT")
    with owner.connect() as connection:
        connection.exec_driver_sql("VACUUM ANALYZE inbox")  # from here on known to be empty
    owner.dispose()

    def plan(session: ScopedSession) -> str:
        explained = f"EXPLAIN {inbox._EARLIER['postgresql']}"
        rows = session.connection().exec_driver_sql(explained, (GIVEN,))
        return "\n".join(row[0] for row in rows)

    found = database.transaction(operations_scope("test"), plan)
    looks = [line for line in found.splitlines() if "Index Cond" in line]
    assert len(looks) == 2, found
    assert all("(control_id)" in line and ".control_id" in line for line in looks), found
    assert "Seq Scan on inbox" not in found


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_postgresql_does_not_try_to_compress_what_is_encrypted(
    database: Database, database_url: str
) -> None:
    migrate.upgrade(database_url)
    for url in (database.url, database_url):
        engine = create_engine(url)
        with engine.connect() as connection:
            found = connection.exec_driver_sql(
                "SELECT attname FROM pg_attribute"
                " WHERE attrelid = 'inbox'::regclass AND attstorage = 'e'"
            )
            assert set(found.scalars()) == {"raw", "answer"}
        engine.dispose()
