"""Epochs grow with every change, in its transaction, whoever writes; nobody waits for them."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update

from hub.domain.agreements import unrestricted_scope
from hub.storage import epochs
from hub.storage.reads.compile import compile_epoch
from hub.storage.reads.scoping import split
from hub.storage.session import Database
from hub.storage.tables import (
    Base,
    Epoch,
    Item,
    Patient,
    Practice,
    Provider,
    new_id,
)
from hub.storage.tables.base import PracticeOwned
from hub.storage.tables.epochs import COUNTED, NOBODY, OF_A_PRACTICE
from hub.storage.upsert import insert_or_update

SCOPE = unrestricted_scope("test")


def do(database: Database, work: Any) -> Any:
    return database.transaction(SCOPE, work)


def epoch(database: Database, noun: str, practice_id: str = NOBODY) -> int:
    """As reads see it."""
    reads = database.text_reads
    part = compile_epoch(reads.writer)
    _, sets = split(SCOPE)
    asked = [reads.writer.list_text([each]) for each in (noun, practice_id)]
    found = asyncio.run(reads.run(SCOPE, sets, part, asked, policy=None))
    return int(found.texts[0])


@pytest.fixture
def practice_id(database, now) -> str:
    row = Practice(id=new_id(), name="North", zone="America/Chicago", created_at=now)
    do(database, lambda session: session.add(row))
    return row.id


def provider(practice_id: str, npi: str = "1234567893") -> dict[str, Any]:
    row_id = new_id()
    return {"practice_id": practice_id, "id": row_id, "npi": npi, "external_id": row_id}


def test_every_kind_of_change_counts_and_a_reading_does_not(database, practice_id):
    seen = [epoch(database, "providers", practice_id)]

    def after(work: Any) -> None:
        do(database, work)
        seen.append(epoch(database, "providers", practice_id))

    row = provider(practice_id)
    after(lambda s: s.add(Provider(**row)))
    after(lambda s: s.execute(insert(Provider), [provider(practice_id), provider(practice_id)]))
    after(lambda s: s.execute(update(Provider).values(family_name="Healer")))
    after(
        lambda s: insert_or_update(
            s, Provider, row, key=["practice_id", "id"], update={"given_name": "Ada"}
        )
    )
    after(lambda s: s.execute(delete(Provider).where(Provider.id == row["id"])))
    assert seen == sorted(set(seen))
    after(lambda s: s.execute(select(Provider)).all())
    after(lambda s: s.execute(update(Provider).where(Provider.id == "none").values(npi="")))
    assert seen[-3:] == [seen[-1]] * 3


def test_a_change_counts_for_its_own_noun_and_practice_only(database, practice_id, now):
    other = Practice(id=new_id(), name="South", zone="America/Chicago", created_at=now)
    do(database, lambda s: s.add(other))
    before = epoch(database, "practices"), epoch(database, "items")
    do(database, lambda s: s.add(Provider(**provider(other.id))))
    assert epoch(database, "providers", other.id) > 0
    assert epoch(database, "providers", practice_id) == epoch(database, "providers") == 0
    do(database, lambda s: s.add(Item(id=new_id(), gtin="1", name="Glove")))
    assert epoch(database, "items") > before[1]
    assert epoch(database, "practices") == before[0]


def test_a_change_that_is_rolled_back_does_not_count(database, practice_id):
    def fail(session: Any) -> None:
        session.add(Provider(**provider(practice_id)))
        session.flush()
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        do(database, fail)
    assert epoch(database, "providers", practice_id) == 0


def test_patients_cost_no_epoch(database, practice_id):
    row = Patient(id=new_id(), practice_id=practice_id, family_name="Fam", given_name="Ada")
    do(database, lambda session: session.add(row))
    with database.read(SCOPE) as session:
        assert set(session.scalars(select(Epoch.noun))) == {"practices"}


def test_writers_of_one_practice_do_not_wait_for_each_other(database, practice_id):
    """On PostgreSQL both transactions are open at once after they counted; SQLite has one writer,
    which takes them in turn."""
    meeting = Barrier(1 if database.is_sqlite else 2, timeout=5)

    def write(npi: str) -> None:
        def work(session: Any) -> None:
            session.execute(insert(Provider), [provider(practice_id, npi)])
            meeting.wait()

        do(database, work)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, ["1", "2"]))
    with database.read(SCOPE) as session:
        assert len(session.scalars(select(Provider.npi)).all()) == 2


def test_folding_keeps_the_sums_and_drops_the_rows_of_closed_connections(database, practice_id):
    do(database, lambda s: s.add(Provider(**provider(practice_id))))
    before = epoch(database, "providers", practice_id)
    database.write_engine.dispose()
    do(database, epochs.fold)
    do(database, lambda s: s.add(Provider(**provider(practice_id))))
    do(database, epochs.fold)
    assert epoch(database, "providers", practice_id) > before
    with database.read(SCOPE) as session:
        rows = session.scalars(
            select(Epoch.writer).where(Epoch.noun == "providers", Epoch.practice_id == practice_id)
        ).all()
    assert 0 in rows
    assert len(rows) <= 2


def test_the_tables_of_a_practice_are_those_with_a_practice():
    owned = {
        t.class_.__tablename__ for t in Base.registry.mappers if issubclass(t.class_, PracticeOwned)
    }
    assert set(OF_A_PRACTICE) == (COUNTED & owned) - {"purchasing_shares"}


@pytest.mark.parametrize("text", ["a", 'quo"te', "back\\slash", "comma,", "{brace}", "", "null"])
def test_lists_written_as_text_are_the_lists_they_were(database, text):
    do(database, lambda s: s.add(Epoch(noun=text, practice_id=NOBODY, writer=0, epoch=7)))
    assert epoch(database, text) == 7
    assert epoch(database, "other") == 0
