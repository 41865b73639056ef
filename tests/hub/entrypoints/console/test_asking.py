"""Documents without what a schema does not have."""

from __future__ import annotations

import pytest
from graphql import build_schema, parse, validate

from hub.entrypoints.console.asking import reduced

SCHEMA = build_schema("""
type Query { node(id: ID!): Node, rows(first: Int): [Row!]! }
interface Node { id: ID! }
type Row implements Node { id: ID!, name: String, kind: Kind }
type Kind { word: String }
""")


@pytest.mark.parametrize(
    ("document", "kept", "gone"),
    [
        ("query a { rows { id name } }", ["id", "name"], []),
        ("query a { rows { id secret kind { hidden } } }", ["id"], ["secret", "kind", "hidden"]),
        ("query a($n: Int) { rows { id } gone(first: $n) { id } }", ["rows"], ["gone", "$n"]),
        ("query a($n: Int) { rows(first: $n) { id } }", ["$n"], []),
        ("query a($i: ID!) { node(id: $i) { ... on Row { name } ... on Lost { x } } }",
         ["name"], ["Lost"]),
    ],
)  # fmt: skip
def test_what_does_not_exist_is_not_asked_for(
    document: str, kept: list[str], gone: list[str]
) -> None:
    left = reduced(document, SCHEMA)
    assert validate(SCHEMA, parse(left)) == []
    assert all(word in left for word in kept)
    assert not [word for word in gone if word in left]


def test_of_a_document_about_nothing_that_exists_nothing_is_left() -> None:
    assert reduced("query a($n: Int) { gone(first: $n) { id } }", SCHEMA) == ""
