"""How many statements a query takes: as many for ten thousand parents as for ten.

As text that is one; by level one for each of the five levels and one for the policy version. What
`aggregates` and `nodes(ids:)` ask for is always read by level.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from sqlalchemy import event, insert

from hub.domain.agreements import PrincipalKind, practice_scope, unrestricted_scope
from hub.storage import tables
from hub.storage.crypto import Crypto
from hub.storage.reads.write import global_id
from hub.storage.session import Database
from schema.context import Context
from schema.execute import Engine
from schema.mapping import limits
from schema.root import hub_schema

SCOPE = unrestricted_scope("test")
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
PRACTICES = [f"practice{number:03}" for number in range(100)]
TARGET = """{ practices(first: 100) { nodes { name patients(first: 100) { nodes {
  familyName birthDate
  coverages(first: 1) { nodes { memberId status } }
  appointments(first: 5) { nodes { startsAt status provider { familyName } } }
} } } } }"""


def fill(database: Database, numbers: list[tuple[str, int]]) -> None:
    """Patients by practice and number, each with a coverage and an appointment."""

    def rows(**facts: Any) -> list[dict[str, Any]]:
        return [
            {
                "practice_id": practice,
                **{k: v(number) if callable(v) else v for k, v in facts.items()},
            }
            for practice, number in numbers
        ]

    def work(session: Any) -> None:
        name = "p{}".format
        sourced = {"received_at": NOON}
        session.execute(
            insert(tables.Patient), rows(id=name, family_name=name, given_name="", **sourced)
        )
        session.execute(
            insert(tables.Coverage),
            rows(
                id=name, patient_id=name, priority=1, member_id=name, status="active",
                payer_code="1", payer_name="Payer", external_id=name, **sourced,
            ),
        )  # fmt: skip
        session.execute(
            insert(tables.Appointment),
            rows(
                id=name, patient_id=name, provider_id="v", status="booked", starts_at=NOON,
                external_id=name, **sourced,
            ),
        )  # fmt: skip

    database.transaction(SCOPE, work)


@contextmanager
def counted(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The reading statements sent meanwhile, through SQLAlchemy or past it."""
    sent: list[str] = []

    def note(*arguments: Any) -> None:
        if arguments[2].lstrip().upper().startswith(("SELECT", "WITH")):
            sent.append(arguments[2])

    reads = type(database.text_reads)
    execute = reads._execute

    def passed(self: Any, part: Any, *others: Any) -> Any:
        sent.append(part.sql)
        return execute(self, part, *others)

    engines = {database.read_engine, database.request_engine}
    with monkeypatch.context() as patch:
        patch.setattr(reads, "_execute", passed)
        for engine in engines:
            event.listen(engine, "before_cursor_execute", note)
        try:
            yield sent
        finally:
            for engine in engines:
                event.remove(engine, "before_cursor_execute", note)


Ask = Callable[[str, dict[str, Any]], tuple[int, Any]]
"""A document and its variables in, how many statements it took and its data out."""


@contextmanager
def asking(
    database: Database, monkeypatch: pytest.MonkeyPatch, *, as_text: bool = True
) -> Iterator[Ask]:
    """Questions of an MSO whose agreements grant everything of a hundred practices."""
    monkeypatch.setattr(limits, "COST", 10**9)

    async def unaudited(_: object, reading: object) -> None:
        pass

    monkeypatch.setattr("schema.execute._Run._audited", unaudited)
    provider = {"id": "v", "family_name": "Healer", "external_id": "v"}
    database.transaction(
        SCOPE,
        lambda s: (
            s.execute(
                insert(tables.Practice),
                [{"id": p, "name": p, "zone": "UTC", "created_at": NOON} for p in PRACTICES],
            ),
            s.execute(insert(tables.Provider), [{"practice_id": p, **provider} for p in PRACTICES]),
        ),
    )
    engine = Engine(hub_schema(), introspection=False, as_text=as_text)
    everyone = practice_scope(*PRACTICES)
    scope = replace(everyone, kind=PrincipalKind.MSO_APP, own_practice_id=None)
    principal: Any = SimpleNamespace(id="p", name="p")
    context = Context(database, Crypto(bytes(32)), principal, scope, lambda: NOON)

    def ask(text: str, variables: dict[str, Any]) -> tuple[int, Any]:
        prepared = engine.prepare(context, text, variables, None)
        with counted(database, monkeypatch) as sent:
            answer = orjson.loads(loop.run(engine.answer(context, prepared)))
        return len(sent), answer

    with asyncio.Runner() as loop:
        yield ask


@pytest.mark.parametrize(("as_text", "statements"), [(True, 1), (False, 6)])
def test_ten_thousand_parents_take_as_many_statements_as_ten(
    database: Database, monkeypatch: pytest.MonkeyPatch, as_text: bool, statements: int
) -> None:
    def count() -> tuple[int, int, int]:
        """Statements, patients and answered leaves below them."""
        sent, answer = ask(TARGET, {})
        found = [p for one in answer["practices"]["nodes"] for p in one["patients"]["nodes"]]
        visits = [visit for one in found for visit in one["appointments"]["nodes"]]
        covered = sum(len(one["coverages"]["nodes"]) for one in found)
        assert all(visit["provider"] == {"familyName": "Healer"} for visit in visits)
        assert covered == len(visits)
        return sent, len(found), len(visits)

    all_of_them = [(practice, number) for practice in PRACTICES for number in range(100)]
    with asking(database, monkeypatch, as_text=as_text) as ask:
        fill(database, all_of_them[:10])
        assert count() == (statements, 10, 10)
        fill(database, all_of_them[10:])
        assert count() == (statements, 10_000, 10_000)


FIGURES = """{ practices(first: 100) { nodes {
  patients { aggregates(groupBy: [STATUS]) { count } }
  appointments { aggregates { count sum { minutes } } }
} } }"""
ENTITIES = """query($ids: [ID!]!) { nodes(ids: $ids) { __typename
  ... on Patient { familyName appointments(first: 5) { nodes { provider { familyName } } } }
  ... on Appointment { patient { familyName } }
} }"""


def test_figures_take_one_statement_for_each_list_of_a_level_whatever_it_holds(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def count() -> tuple[int, int]:
        sent, answer = ask(FIGURES, {})
        lists = [one[name] for one in answer["practices"]["nodes"] for name in one]
        return sent, sum(group["count"] for each in lists for group in each["aggregates"])

    with asking(database, monkeypatch) as ask:
        fill(database, [(PRACTICES[0], number) for number in range(10)])
        assert count() == (4, 20)
        fill(database, [(practice, number) for practice in PRACTICES for number in range(10, 30)])
        assert count() == (4, 4_020)


def test_rows_by_id_take_one_statement_for_each_type_and_level_however_many_are_asked_for(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with asking(database, monkeypatch) as ask:
        fill(database, [(PRACTICES[0], number) for number in range(50)])
        for size in (1, 50):
            ids = [
                global_id(name, f"p{n}") for n in range(size) for name in ("Patient", "Appointment")
            ]
            sent, answer = ask(ENTITIES, {"ids": ids})
            assert (sent, len(answer["nodes"])) == (6, 2 * size)
            assert None not in answer["nodes"]
