"""What is kept of a document that was refused."""

from __future__ import annotations

import gc
import weakref

import pytest

from hub.errors import Rejected
from schema.documents import Documents, Invalid
from schema.root import hub_schema


class Variables(list[int]):
    """Stands for the values of a request."""


def refused(documents: Documents, text: str) -> weakref.ref[Variables]:
    """Ask for a document inside a call that holds values, as a request does."""
    variables = Variables()
    with pytest.raises(Rejected):
        documents.get(text)
    return weakref.ref(variables)


@pytest.mark.parametrize("text", ["{ nothing }", "{", "{ a: b " * 100])
def test_a_refused_document_keeps_nothing_of_the_requests_that_asked_for_it(text: str) -> None:
    documents = Documents(hub_schema().graphql, introspection=False)
    asked = [refused(documents, text) for _ in range(2)]
    gc.collect()
    assert [reference() for reference in asked] == [None, None]


def test_a_refused_document_is_refused_in_the_same_words_again() -> None:
    documents = Documents(hub_schema().graphql, introspection=False)
    found = []
    for _ in range(2):
        with pytest.raises(Invalid) as error:
            documents.get("{ nothing }")
        found.append((str(error.value), error.value.errors, error.value.reason))
    assert found[0] == found[1]
    assert found[0][1][0]["locations"] == [{"line": 1, "column": 3}]


@pytest.mark.parametrize(
    "text",
    [
        "{ patients { " + "nodes { id } " * 61 + "} }",
        "{ patients { nodes { " + "... on Patient { practice { id } } " * 61 + "} } }",
        "{ patients { nodes { ...F } } } fragment F on Patient { " + "practice { id } " * 61 + "}",
        "{ __typename } fragment F on PatientConnection { " + "nodes { id } " * 61 + "}",
        "{ patients { nodes { " + "id " * 61 + "} } }",
    ],
)
def test_a_field_repeated_endlessly_is_refused_before_its_repetitions_are_compared(
    text: str,
) -> None:
    documents = Documents(hub_schema().graphql, introspection=False)
    with pytest.raises(Rejected) as error:
        documents.get(text)
    assert error.value.reason == "repeats"


def test_a_field_repeated_a_few_dozen_times_is_still_answered() -> None:
    documents = Documents(hub_schema().graphql, introspection=False)
    documents.get("{ patients { nodes { " + "practice { id } " * 60 + "} } }")


def test_a_document_without_an_operation_is_refused_unread() -> None:
    documents = Documents(hub_schema().graphql, introspection=False)
    with pytest.raises(Rejected, match="no operation"):
        documents.get("fragment F on Patient { id }")
