"""The short way for leaves answers as graphql-core does, faults and their places included."""

from __future__ import annotations

from enum import Enum
from typing import Any

import pytest
import strawberry
from graphql import execute_sync, get_introspection_query, parse

from schema.mapping.leaf import LeafExecutor
from schema.root import hub_schema


@strawberry.enum
class Colour(Enum):
    RED = "red"


@strawberry.type
class Part:
    label: str
    weight: float | None = None


@strawberry.type
class Thing:
    name: str
    size: int | None
    colour: Colour | None
    parts: list[Part | None] | None

    @strawberry.field
    def shout(self, info: strawberry.Info) -> str:
        return f"{self.name} {info.field_name} {info.path.key}"

    @strawberry.field
    def broken(self) -> str | None:
        raise ValueError("broken")


def thing(**facts: Any) -> Thing:
    given = {"name": "a", "size": 1, "colour": Colour.RED, "parts": [Part(label="p")]}
    return Thing(**(given | facts))


THINGS: list[Any] = [
    thing(),
    None,
    thing(name=None),
    thing(size="seven", parts=[Part(label="x", weight=1.5), None, ValueError("a part")]),
    thing(size=2**40, colour="no colour"),
    thing(parts=[Part(label=None)]),
    thing(name=ValueError("a name")),
    ValueError("a thing"),
    thing(name=17, size=True, parts=None),
]


@strawberry.type
class Query:
    @strawberry.field
    def things(self) -> list[Thing | None]:
        return THINGS

    @strawberry.field
    def one(self) -> Thing:
        return thing(name="one")

    @strawberry.field
    def words(self) -> list[str]:
        return ["a", "b"]


SCHEMA = strawberry.Schema(Query)._schema
LEAVES = "n: name name size colour __typename"
DOCUMENTS = [
    f"{{ things {{ {LEAVES} parts {{ label weight }} }} }}",
    f"{{ things {{ ...f shout }} one {{ ...f broken parts {{ w: weight }} }} }} "
    f"fragment f on Thing {{ {LEAVES} }}",
    "{ words t: __typename one { broken shout s: shout } }",
    '{ __type(name: "Thing") { name fields { name type { kind ofType { name } } } } words }',
]


def answered(schema: Any, text: str, executor: Any) -> tuple[Any, list[Any]]:
    result = execute_sync(schema, parse(text), executor_class=executor)
    return result.data, [error.formatted for error in result.errors or ()]


@pytest.mark.parametrize("text", DOCUMENTS)
def test_answers_and_errors_are_those_of_graphql_core(text):
    usual = answered(SCHEMA, text, None)
    assert answered(SCHEMA, text, LeafExecutor) == usual
    assert usual[0] is not None


def test_the_hubs_own_schema_is_introspected_as_by_graphql_core():
    schema, text = hub_schema().graphql, get_introspection_query(input_value_deprecation=True)
    usual = answered(schema, text, None)
    assert answered(schema, text, LeafExecutor) == usual
    assert not usual[1]


def test_leaves_of_lists_are_read_without_asking_for_each_of_them(monkeypatch):
    asked: list[str] = []
    usual = LeafExecutor.execute_field

    def noted(self: Any, parent: Any, source: Any, details: Any, *rest: Any) -> Any:
        asked.append(details[0].node.name.value)
        return usual(self, parent, source, details, *rest)

    monkeypatch.setattr(LeafExecutor, "execute_field", noted)
    answered(hub_schema().graphql, "{ __schema { types { name kind } } }", LeafExecutor)
    assert asked == ["__schema", "types"]
