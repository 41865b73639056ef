"""What is said of documents and variables that do not fit: places and types, no values."""

from typing import Any

import pytest

from hub.errors import Rejected
from schema.documents import Documents, Invalid
from schema.root import hub_schema

WHERE = "query($w: AppointmentFilter) { appointments(where: $w) { nodes { id } } }"
FIRST = "query($n: Int!) { patients(first: $n) { nodes { id } } }"
CHECK = "mutation($i: CheckEligibilityInput!) { checkEligibility(input: $i) { __typename } }"
FILTER_FIELDS = "practice, patient, provider, status, startsAt"


def told(text: str, variables: dict[str, Any] | None = None, *, hints: bool = True) -> list[str]:
    documents = Documents(hub_schema().graphql, introspection=hints)
    with pytest.raises(Invalid) as error:
        documents.bind(documents.get(text), None, variables or {})
    assert all(one["locations"] for one in error.value.errors)
    return [one["message"] for one in error.value.errors]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{ patients {", "The document is not GraphQL here: Expected Name, found <EOF>."),
        ('{ patients "Smith" }', "The document is not GraphQL here: Expected Name, found String."),
        (
            "{ patients(where: {a: 'Smith'}) }",
            "The document is not GraphQL here: Unexpected single quote character.",
        ),
        ("{ patients { node { id } } }", "Did you mean 'nodes'?"),
        ("{ patients(frist: 1) { totalCount } }", "Did you mean 'first'?"),
        ('{ patients(first: "Smith") { totalCount } }', "`first` takes Int."),
        (
            "{ patients(orderBy: SMITH) { totalCount } }",
            "`orderBy` takes PatientOrder: ID, ID_DESC, NAME, NAME_DESC.",
        ),
        (
            '{ appointments(where: {startsAt: {gte: "Smith"}}) { totalCount } }',
            "`where.startsAt.gte` takes DateTime.",
        ),
        (
            '{ appointments(where: {startAt: {gte: "Smith"}}) { totalCount } }',
            f"`where` takes AppointmentFilter, whose fields are {FILTER_FIELDS}.",
        ),
        (
            "mutation { checkEligibility(input: {}) { __typename } }",
            "`input` takes CheckEligibilityInput, which needs appointmentId.",
        ),
    ],
)
def test_a_document_that_does_not_fit_is_told_what_would(text: str, message: str) -> None:
    (found,) = told(text)
    assert found.endswith(message)
    assert "smith" not in found.lower()


@pytest.mark.parametrize(
    ("text", "variables", "messages"),
    [
        (FIRST, {}, ["`$n` takes Int!."]),
        (FIRST, {"n": "Smith"}, ["`$n` takes Int!."]),
        (WHERE, {"w": ["Smith"]}, ["`$w` takes AppointmentFilter."]),
        (CHECK, {"i": {}}, ["`$i` takes CheckEligibilityInput, which needs appointmentId."]),
        (
            WHERE,
            {"w": {"startsAt": {"gte": "Smith"}, "Smith": 1}},
            [
                "`$w.startsAt.gte` takes DateTime.",
                f"`$w` takes AppointmentFilter, whose fields are {FILTER_FIELDS}.",
            ],
        ),
    ],
)
def test_a_variable_that_does_not_fit_is_told_what_would(
    text: str, variables: dict[str, Any], messages: list[str]
) -> None:
    assert told(text, variables) == messages


def test_items_of_lists_are_counted_from_zero() -> None:
    text = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    assert told(text, {"ids": ["x", None, {}]}) == ["`$ids[1]` takes ID!.", "`$ids[2]` takes ID!."]


def test_a_flood_of_wrong_items_is_told_of_in_ten_errors() -> None:
    text = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    assert len(told(text, {"ids": [None] * 1000})) == 10


@pytest.mark.parametrize(
    ("text", "variables", "message"),
    [
        (
            "{ patients { node { id } } }",
            {},
            "Cannot query field 'node' on type 'PatientConnection'.",
        ),
        ('{ patients(first: "Smith") { totalCount } }', {}, "`first` does not take this value."),
        (
            "{ patients(where: {familyNam: {}}) { totalCount } }",
            {},
            "`where` does not take this value.",
        ),
        (WHERE, {"w": {"startsAt": {"gte": 1}}}, "`$w.startsAt.gte` does not take this value."),
        (CHECK, {"i": {}}, "`$i` does not take this value."),
    ],
)
def test_names_the_client_did_not_write_are_kept_where_the_schema_is(
    text: str, variables: dict[str, Any], message: str
) -> None:
    assert told(text, variables, hints=False) == [message]


def test_a_document_may_be_refused_without_a_place() -> None:
    with pytest.raises(Rejected):
        Documents(hub_schema().graphql, introspection=True).get("fragment F on Patient { id }")
