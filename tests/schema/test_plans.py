"""Kept plans: shared by requests of one shape, never by scopes that may not share, and bounded."""

from __future__ import annotations

import re
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest
from sqlalchemy import PrimaryKeyConstraint, UniqueConstraint

from hub.domain.agreements import (
    DataClass,
    Domain,
    PrincipalKind,
    Purpose,
    Scope,
    practice_scope,
)
from hub.storage.crypto import Crypto
from hub.storage.reads.scoping import split
from hub.storage.reads.text import Postgresql, Sqlite
from hub.storage.reads.write import global_id
from schema.execute import Engine
from schema.plans import MOST_SHAPES, Plan
from schema.root import hub_schema

CRYPTO = Crypto(bytes(32))
SCOPE = replace(practice_scope("p1"), kind=PrincipalKind.PRACTICE_APP)
WRITERS = {"postgresql": Postgresql(), "sqlite": Sqlite()}
SEARCH = """query($where: PatientFilter, $by: PatientOrder, $n: Int, $more: Boolean!) {
  patients(where: $where, orderBy: $by, first: $n) {
    nodes { familyName sex @include(if: $more) } } }"""


@pytest.fixture
def engine() -> Engine:
    return Engine(hub_schema(), introspection=False)


def plan(
    engine: Engine,
    text: str = SEARCH,
    scope: Scope = SCOPE,
    dialect: str = "sqlite",
    **variables: Any,
) -> Plan:
    documents = engine.documents_for(scope)
    documents.get(text)
    document = documents.get(text)  # kept from the second time on
    if "$more" in text:
        variables.setdefault("more", False)
    operation, _ = documents.bind(document, None, variables)
    shape, _ = split(scope)
    return engine.plans.get(document, operation, scope, shape, WRITERS[dialect], CRYPTO)


def name_is(value: str) -> dict[str, Any]:
    return {"familyName": {"eq": value}}


def test_requests_that_differ_in_values_only_share_a_plan(engine):
    first = plan(engine, where=name_is("Roe"), n=5)
    assert plan(engine, where=name_is("O'Hara"), n=7) is first
    other = replace(practice_scope("p2"), kind=PrincipalKind.PRACTICE_APP)
    assert plan(engine, scope=other, where=name_is("x"), n=1) is first


@pytest.mark.parametrize("dialect", WRITERS)
def test_no_value_of_a_request_is_kept_in_a_statement(engine, dialect):
    made = plan(engine, dialect=dialect, where=name_is("Zebrawood"), n=73)
    assert made.compiled is not None
    assert "Zebrawood" not in made.compiled.sql
    assert "73" not in made.compiled.sql
    assert "p1" not in made.compiled.sql


@pytest.mark.parametrize(
    "variables",
    [
        {"where": {"familyName": {"prefix": "Roe"}}},
        {"where": {}},
        {"where": None},
        {},
        {"where": {"familyName": {"eq": "Roe"}}, "by": "NAME_DESC"},
        {"where": {"familyName": {"eq": "Roe"}}, "more": True},
    ],
)
def test_requests_of_another_shape_have_another_plan(engine, variables):
    assert plan(engine, **variables) is not plan(engine, where=name_is("Roe"))


@pytest.mark.parametrize(
    "other",
    [
        replace(SCOPE, purpose=Purpose.PURCHASING),
        replace(SCOPE, classes=SCOPE.classes - {DataClass.PAYROLL}),
        replace(SCOPE, kind=PrincipalKind.MSO_APP),
        replace(SCOPE, rows=MappingProxyType({d: frozenset({"p1", "p2"}) for d in Domain})),
        replace(SCOPE, rows=MappingProxyType({Domain.CLINICAL: frozenset({"p1"})})),
        replace(SCOPE, limited=MappingProxyType({Domain.CLINICAL: frozenset({"p2"})})),
    ],
    ids=["purpose", "classes", "MSO", "practices", "domains", "limited"],
)
def test_scopes_with_other_rights_never_share_a_plan(engine, other):
    assert plan(engine, scope=other) is not plan(engine)


THREE = replace(
    SCOPE,
    kind=PrincipalKind.MSO_APP,
    own_practice_id=None,
    rows=MappingProxyType({each: frozenset({"p1", "p2", "p3"}) for each in Domain}),
    sensitive=MappingProxyType({}),
)
ONE = "node(id: $a) { ... on Practice { name patients { nodes { practice { name } } } } }"
BOTH = "node(id: $a) { ... on Practice { name } } b: node(id: $b) { ... on Practice { id } }"
BESIDE = "node(id: $a) { ... on Practice { name } } patients { nodes { familyName } }"
BELOW = "node(id: $a) { ... on Practice { purchaseOrders { nodes { supplier { name } } } } }"
PATIENT = "node(id: $a) { ... on Patient { practice { name } } }"


@pytest.mark.parametrize("dialect", WRITERS)
@pytest.mark.parametrize(
    ("fields", "ids", "bound"),
    [
        (ONE, ["p2"], {"p2"}),
        (ONE, ["p4"], set()),
        (BOTH, ["p1", "p3"], {"p1", "p3"}),
        (BOTH, ["p4", "p3"], {"p3"}),
        (BESIDE, ["p2"], {"p1", "p2", "p3"}),
        (BELOW, ["p2"], {"p1", "p2", "p3"}),
    ],
)
def test_a_statement_for_some_practices_is_compared_with_those_of_them_in_scope(
    engine, dialect, fields, ids, bound
):
    variables = {name: global_id("Practice", each) for name, each in zip("ab", ids, strict=False)}
    head = ", ".join(f"${name}: ID!" for name in variables)
    assert practices_bound(engine, f"query({head}) {{ {fields} }}", dialect, variables) == bound


def test_a_row_of_a_practice_does_not_say_which(engine):
    text = f"query($a: ID!) {{ {PATIENT} }}"
    variables = {"a": global_id("Patient", "p2")}
    assert practices_bound(engine, text, "sqlite", variables) == {"p1", "p2", "p3"}


def test_an_id_and_a_practice_name_one_row_of_every_table():
    """Links are read without a limit of one row."""
    for item in hub_schema().declared.values():
        table = item.source.table.__table__
        keys = [constraint.columns for constraint in table.constraints
                if isinstance(constraint, PrimaryKeyConstraint | UniqueConstraint)]  # fmt: skip
        wanted = {"practice_id", "id"} if item.source.owned else {"id"}
        assert wanted in [{column.name for column in key} for key in keys], item.name


def practices_bound(engine: Engine, text: str, dialect: str, variables: dict[str, str]) -> set[str]:
    """The practices of all lists a statement is compared with."""
    documents = engine.documents_for(THREE)
    document = documents.get(text)
    operation, _ = documents.bind(document, None, variables)
    shape, sets = split(THREE)
    made = engine.plans.get(document, operation, THREE, shape, WRITERS[dialect], CRYPTO)
    values = made.values(operation.variables)
    filled = [fill(values, sets, THREE) for fill in made.compiled.fills]
    lists = [each for each in filled if isinstance(each, str) and each[:1] in ("{", "[")]
    assert lists
    return set(re.findall("p[0-9]", "".join(lists)))


def test_databases_do_not_share_a_plan(engine):
    assert plan(engine, dialect="postgresql") is not plan(engine, dialect="sqlite")


def test_a_document_in_other_words_shares_the_statement(engine):
    plan(engine, "{ patients { nodes { familyName } } }")
    first = plan(engine, "query Second { patients { nodes { familyName } } }")
    again = plan(engine, "query Other { patients { nodes { ...f } } } fragment f on Patient "
                         "{ familyName }")  # fmt: skip
    assert again is not first
    assert again.compiled is first.compiled


def test_the_plans_of_a_document_are_bounded(engine):
    text = "query({}) {{ patients {{ nodes {{ {} }} }} }}"
    names = [f"v{number}" for number in range(6)]
    fields = ["familyName", "givenName", "city", "state", "phone", "email"]
    stated = ", ".join(f"${name}: Boolean!" for name in names)
    shown = " ".join(f"{f} @include(if: ${n})" for f, n in zip(fields, names, strict=True))
    document = text.format(stated, shown + " sex")
    for number in range(2**6):
        plan(engine, document, **{n: bool(number >> i & 1) for i, n in enumerate(names)})
    [shapes] = engine.documents_for(SCOPE).get(document).plans._kept.values()
    assert len(shapes.plans) == MOST_SHAPES
