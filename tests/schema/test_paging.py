"""Pages walked while rows come, go and move: what stays where it was is met once and in order."""

from __future__ import annotations

import asyncio
import base64
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
PAGE = """query($after: String, $first: Int, $order: ProviderOrder) {
  providers(after: $after, first: $first, orderBy: $order) {
    edges { cursor } pageInfo { hasNextPage endCursor } } }"""
PATIENTS = PAGE.replace("ProviderOrder", "PatientOrder").replace("providers(", "patients(")
FEW = settings(
    max_examples=20,
    deadline=None,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)


def id_of(cursor: str) -> str:
    """The id in a cursor."""
    return str(orjson.loads(base64.urlsafe_b64decode(cursor))[0])


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
        row = tables.Provider(
            practice_id=self.practice,
            id=row_id,
            external_id=row_id,
            family_name=name,
            received_at=NOON,
        )
        self.write(lambda session: session.add(row))
        self.keys[row_id] = (name, row_id)
        return row_id

    def move(self, row_id: str, name: str) -> None:
        self.write(
            lambda session: session.execute(
                update(tables.Provider).where(tables.Provider.id == row_id).values(family_name=name)
            )
        )
        self.keys[row_id] = (name, row_id)

    def delete(self, row_id: str) -> None:
        self.write(
            lambda session: session.execute(
                delete(tables.Provider).where(tables.Provider.id == row_id)
            )
        )
        del self.keys[row_id]

    def page(self, after: str | None, first: int, order: str, text: str = PAGE) -> Any:
        scope = replace(practice_scope(self.practice), kind=PrincipalKind.PRACTICE_APP)
        principal: Any = SimpleNamespace(id="p", name="p")
        context = Context(self._database, Crypto(bytes(32)), principal, scope, lambda: NOON)
        given = {"after": after, "first": first, "order": order}
        prepared = self._engine.prepare(context, text, given, None)
        answer = orjson.loads(self._loop.run(self._engine.answer(context, prepared)))
        return next(iter(answer.values()))


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
            seen += [id_of(edge["cursor"]) for edge in page["edges"]]
            if not page["pageInfo"]["hasNextPage"]:
                break
            after = page["pageInfo"]["endCursor"]
            for act, which, name in changes:
                kept = id_of(after) if act == "delete" else None
                others = sorted(rows.keys.keys() - {kept})
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
    assert [id_of(edge["cursor"]) for edge in rows.page(gone, 1, "NAME")["edges"]] == [kept]
    rows.delete(gone)
    answers = set()
    for cursor in (gone, foreign, tables.new_id(), "", "nonsense"):
        with pytest.raises(NotFound) as refused:
            rows.page(cursor, 1, "NAME")
        answers.add(str(refused.value))
    assert answers == {"There is no such cursor."}


@pytest.mark.parametrize("as_text", [True, False])
def test_a_walk_goes_on_from_where_it_was_though_the_cursor_s_row_moved(
    database: Database, loop: asyncio.Runner, as_text: bool
) -> None:
    rows = Walk(database, loop, as_text=as_text)
    ids = [rows.insert(name) for name in ("A", "B", "C", "D")]
    page = rows.page(None, 2, "NAME")
    cursor = page["pageInfo"]["endCursor"]
    assert cursor == page["edges"][-1]["cursor"]
    for name, wanted in (("Z", [*ids[2:], ids[1]]), ("0", ids[2:])):
        rows.move(ids[1], name)
        again = rows.page(cursor, 4, "NAME")
        assert [id_of(edge["cursor"]) for edge in again["edges"]] == wanted
    by_id = rows.page(ids[1], 4, "NAME")  # an id stands for where its row is now
    assert [id_of(edge["cursor"]) for edge in by_id["edges"]] == [ids[0], *ids[2:]]


@pytest.mark.parametrize("as_text", [True, False])
def test_a_cursor_of_another_order_or_of_altered_text_is_no_cursor(
    database: Database, loop: asyncio.Runner, as_text: bool
) -> None:
    rows = Walk(database, loop, as_text=as_text)
    rows.insert("A")
    cursor = rows.page(None, 1, "NAME")["pageInfo"]["endCursor"]
    said = orjson.loads(base64.urlsafe_b64decode(cursor))
    for other in ([*said[:1], "starts_on", "2026-01-01"], said[:-1], [1], {}, [*said, "more"]):
        altered = base64.urlsafe_b64encode(orjson.dumps(other)).decode()
        with pytest.raises(NotFound):
            rows.page(altered, 1, "NAME")
    for text in (cursor[:-3], cursor[:8], "\u00e9"):
        with pytest.raises(NotFound):
            rows.page(text, 1, "NAME")


@pytest.mark.parametrize("as_text", [True, False])
def test_a_cursor_of_an_order_by_names_of_people_holds_no_name(
    database: Database, loop: asyncio.Runner, as_text: bool
) -> None:
    rows = Walk(database, loop, as_text=as_text)
    ids = sorted(tables.new_id() for _ in range(3))
    for row_id, name in zip(ids, "ABC", strict=True):
        row = tables.Patient(
            practice_id=rows.practice, id=row_id, family_name=name, received_at=NOON
        )
        rows.write(lambda session, row=row: session.add(row))
    seen, after = [], None
    for _ in ids:
        page = rows.page(after, 1, "NAME", PATIENTS)
        after = page["pageInfo"]["endCursor"]
        seen += [edge["cursor"] for edge in page["edges"]]
    assert seen == ids
