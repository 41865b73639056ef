"""What is kept of documents, and what is said of those that are refused."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace

import pytest
from graphql import Token

from hub.domain.agreements import READABLE_CLASSES, practice_scope
from hub.errors import Rejected
from schema.documents import (
    KEPT_CHARACTERS,
    LEAST_CHARACTERS,
    LONGEST_TEXT,
    Documents,
    Invalid,
)
from schema.execute import Engine
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
    asked = [refused(documents, text) for _ in range(3)]
    gc.collect()
    assert [reference() for reference in asked] == [None] * 3


def test_a_refused_document_is_refused_in_the_same_words_again() -> None:
    documents = Documents(hub_schema().graphql, introspection=False)
    found = []
    for _ in range(3):  # kept from the second time on
        with pytest.raises(Invalid) as error:
            documents.get("{ nothing }")
        found.append((str(error.value), error.value.errors, error.value.reason))
    assert found[0] == found[1] == found[2]
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


def test_a_wrong_variable_is_told_with_the_place_it_is_declared_at() -> None:
    documents = Documents(hub_schema().graphql, introspection=False)
    document = documents.get(
        "query A { __typename }\nquery B($n: Int) { patients(first: $n) { totalCount } }"
    )
    for _ in range(2):
        with pytest.raises(Invalid) as error:
            documents.bind(document, "B", {"n": "many"})
        assert [each["locations"] for each in error.value.errors] == [[{"line": 2, "column": 9}]]


def test_a_kept_document_does_not_hold_the_tokens_of_its_text() -> None:
    documents = Documents(hub_schema().graphql, introspection=False)
    plain = "{ patients { nodes { keptName: familyName } } }"
    kept = [
        documents.get(text)
        for text in (
            plain,
            f"query ($s: Boolean = true) {plain[:-1]} a: __typename @skip(if: $s) }}",
        )
    ]
    gc.collect()
    tokens = [each for each in gc.get_objects() if isinstance(each, Token)]
    assert len(kept) == 2
    assert not [each for each in tokens if each.value == "keptName"]


def test_long_documents_are_kept_up_to_so_many_characters() -> None:
    documents = Documents(hub_schema().graphql, introspection=False)
    texts = [f"query Q{number:03} {{ __typename }}".ljust(LONGEST_TEXT) for number in range(30)]
    for text in texts:
        documents.get(text)
        documents.get(text)
    known = [text for text in texts if documents.knows(text)]
    assert known == texts[-(KEPT_CHARACTERS // LONGEST_TEXT) :]


def test_what_comes_once_is_not_kept_and_drives_nothing_out() -> None:
    documents = Documents(hub_schema().graphql, introspection=False)
    often = "query Often { __typename }"
    assert documents.get(often) is not documents.get(often)
    kept = documents.get(often)
    for number in range(2 * KEPT_CHARACTERS // LEAST_CHARACTERS):
        documents.get(f"query Once{number} {{ __typename }}")
    assert documents.get(often) is kept


def test_schemas_share_the_room_for_documents() -> None:
    engine = Engine(hub_schema(), introspection=False)
    scopes = [
        replace(practice_scope("p"), classes=classes) for classes in (frozenset(), READABLE_CLASSES)
    ]
    texts = [f"query Q{number:03} {{ __typename }}".ljust(LONGEST_TEXT) for number in range(20)]
    known = [engine.documents_for(scope) for scope in scopes]
    assert known[0] is not known[1]
    for documents in known:
        for text in texts:
            documents.get(text)
            documents.get(text)
    kept = [documents.knows(text) for documents in known for text in texts]
    assert sum(kept) == KEPT_CHARACTERS // LONGEST_TEXT
