"""Statements that insert without a flush keep to their scope too."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import select

from hub.domain.agreements import practice_scope, unrestricted_scope
from hub.errors import Forbidden
from hub.storage.session import Database
from hub.storage.tables import Practice, Provider
from hub.storage.upsert import insert_once, insert_or_update

ALL = unrestricted_scope("test")


@pytest.fixture
def practices(database: Database, now: datetime) -> Database:
    def seed(session: Any) -> None:
        for name in ("north", "south"):
            session.add(Practice(id=name, name=name, zone="UTC", created_at=now))

    database.transaction(ALL, seed)
    return database


def provider(practice_id: str) -> dict[str, Any]:
    return {"practice_id": practice_id, "id": f"{practice_id}-1", "npi": "", "external_id": "E"}


def names(database: Database) -> list[str]:
    with database.read(ALL) as session:
        return list(session.scalars(select(Provider.practice_id)))


def test_a_row_of_the_scope_is_inserted_once(practices: Database) -> None:
    scope = practice_scope("north")
    row = provider("north")
    assert practices.transaction(scope, lambda s: insert_once(s, Provider, row))
    assert not practices.transaction(scope, lambda s: insert_once(s, Provider, row))
    assert names(practices) == ["north"]


def test_a_row_of_another_practice_is_neither_inserted_nor_updated(practices: Database) -> None:
    practices.transaction(ALL, lambda s: insert_once(s, Provider, provider("south")))
    scope, row = practice_scope("north"), provider("south")
    with pytest.raises(Forbidden):
        practices.transaction(scope, lambda s: insert_once(s, Provider, row | {"id": "south-2"}))
    with pytest.raises(Forbidden):
        practices.transaction(
            scope,
            lambda s: insert_or_update(
                s, Provider, row, key=["practice_id", "id"], update={"npi": "1"}
            ),
        )
    with practices.read(ALL) as session:
        assert list(session.scalars(select(Provider.npi))) == [""]
