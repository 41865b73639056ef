"""Pages walked while rows come, go and move: what stays where it was is met once and in order."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, update

from hub.domain.agreements import PrincipalKind, practice_scope, unrestricted_scope
from hub.errors import NotFound
from hub.storage import tables
from hub.storage.crypto import Crypto
from hub.storage.session import Database
from schema.context import Context
from schema.execute import Engine
from schema.root import hub_schema

SCOPE = unrestricted_scope("test")
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
NAMES = st.sampled_from(["", "A", "Ab", "B", "b", "É", "Ω", "\U0001f600"])
CHANGES = st.lists(
    st.tuples(st.sampled_from(["insert", "move", "delete"]), st.integers(0, 99), NAMES),
    max_size=4,
)
PAGE = """query($after: String, $first: Int, $order: PatientOrder) {
  patients(after: $after, first: $first, orderBy: $order) {
    edges { cursor } pageInfo { hasNextPage endCursor } } }"""
FEW = settings(
    max_examples=20,
    deadline=None,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)


class Walk:
    """One practice of its own, read page by page."""

    def __init__(self, database: Database, loop: asyncio.Runner, *, as_text: bool) -> None:
        self._database = database
        self._loop = loop
        self._engine = Engine(hub_schema(), introspection=False, as_text=as_text)
        self.practice = tables.new_id()
        row = tables.Practice(id=self.practice, name=self.practice, zone="UTC", created_at=NOON)
        self.write(lambda session: session.add(row))
        self.keys: dict[str, tuple[str, str]] = {}

    def write(self, work: Any) -> None:
        self._database.transaction(SCOPE, work)

    def insert(self, name: str) -> str:
        row_id = tables.new_id()
        row = tables.Patient(
            practice_id=self.practice, id=row_id, family_name=name, received_at=NOON
        )
        self.write(lambda session: session.add(row))
        self.keys[row_id] = (name, row_id)
        return row_id

    def move(self, row_id: str, name: str) -> None:
        self.write(
            lambda session: session.execute(
                update(tables.Patient).where(tables.Patient.id == row_id).values(family_name=name)
            )
        )
        self.keys[row_id] = (name, row_id)

    def delete(self, row_id: str) -> None:
        self.write(
            lambda session: session.execute(
                delete(tables.Patient).where(tables.Patient.id == row_id)
            )
        )
        del self.keys[row_id]

    def page(self, after: str | None, first: int, order: str) -> Any:
        scope = replace(practice_scope(self.practice), kind=PrincipalKind.PRACTICE_APP)
        principal: Any = SimpleNamespace(id="p", name="p")
        context = Context(self._database, Crypto(bytes(32)), principal, scope, lambda: NOON)
        given = {"after": after, "first": first, "order": order}
        prepared = self._engine.prepare(context, PAGE, given, None)
        return orjson.loads(self._loop.run(self._engine.answer(context, prepared)))["patients"]


@pytest.fixture(autouse=True)
def no_audit(monkeypatch: pytest.MonkeyPatch) -> None:
    async def unaudited(_: object, reading: object) -> None:
        pass

    monkeypatch.setattr("schema.execute._Run._audited", unaudited)


@pytest.fixture
def loop() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.mark.parametrize("as_text", [True, False])
@pytest.mark.parametrize("order", ["NAME", "NAME_DESC"])
def test_what_stays_is_met_once_and_in_order_whatever_happens_between_pages(
    database: Database, loop: asyncio.Runner, as_text: bool, order: str
) -> None:
    @FEW
    @given(st.lists(NAMES, max_size=12), st.integers(1, 4), st.lists(CHANGES, max_size=12))
    def walk(names: list[str], first: int, between: list[Any]) -> None:
        rows = Walk(database, loop, as_text=as_text)
        stayed = {rows.insert(name) for name in names}
        seen: list[str] = []
        after, moved = None, set()
        for changes in [*between, *[[]] * 60]:
            page = rows.page(after, first, order)
            seen += [edge["cursor"] for edge in page["edges"]]
            if not page["pageInfo"]["hasNextPage"]:
                break
            after = page["pageInfo"]["endCursor"]
            for act, which, name in changes:
                others = sorted(rows.keys.keys() - {after})
                if act == "insert":
                    rows.insert(name)
                elif others:
                    row_id = others[which % len(others)]
                    rows.move(row_id, name) if act == "move" else rows.delete(row_id)
                    moved.add(row_id)
        stayed -= moved
        wanted = sorted(stayed, key=rows.keys.__getitem__, reverse=order == "NAME_DESC")
        assert [row_id for row_id in seen if row_id in stayed] == wanted
        assert len([row_id for row_id in seen if row_id not in moved]) == len(set(seen) - moved)

    walk()


@pytest.mark.parametrize("as_text", [True, False])
def test_a_cursor_whose_row_is_gone_is_told_so_like_a_foreign_and_an_unknown_one(
    database: Database, loop: asyncio.Runner, as_text: bool
) -> None:
    rows, others = (Walk(database, loop, as_text=as_text) for _ in range(2))
    gone, kept, foreign = rows.insert("A"), rows.insert("B"), others.insert("C")
    assert [edge["cursor"] for edge in rows.page(gone, 1, "NAME")["edges"]] == [kept]
    rows.delete(gone)
    answers = set()
    for cursor in (gone, foreign, tables.new_id(), "", "nonsense"):
        with pytest.raises(NotFound) as refused:
            rows.page(cursor, 1, "NAME")
        answers.add(str(refused.value))
    assert answers == {"There is no such cursor."}
