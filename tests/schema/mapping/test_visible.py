"""The schema of a grant set: what is not granted does not exist, and is refused again behind it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
from graphql import (
    GraphQLObjectType,
    OperationDefinitionNode,
    build_schema,
    parse,
    validate,
    validate_schema,
)
from graphql.execution.values import get_variable_values

from hub.domain.agreements import READABLE_CLASSES, DataClass, PrincipalKind, Purpose, Scope
from hub.errors import Forbidden
from hub.storage.crypto import Crypto
from schema.execute import Engine
from schema.mapping import visible
from schema.mapping.operation import Operation
from schema.mapping.plan import Planner
from schema.mapping.visible import Visible, grants_of, names_left_out, reduced
from schema.root import hub_schema

OPERATIONAL = frozenset({DataClass.OPERATIONAL})
SEEN = "query { __schema { types { name fields { name } inputFields { name } } } }"


def scope(classes: frozenset[DataClass], kind: PrincipalKind = PrincipalKind.MSO_APP) -> Scope:
    return Scope("p", "p", kind, Purpose.OPERATIONS, classes, {})


def schema_of(classes: frozenset[DataClass], is_mso: bool = True) -> Any:
    schema = hub_schema()
    return reduced(schema.graphql, schema.declared, (classes, is_mso))


def test_nobody_waits_for_a_schema_that_is_there_or_asks_for_one_that_is_not(monkeypatch):
    schema = hub_schema()
    made = Visible(schema.graphql, schema.declared)
    there, other = scope(OPERATIONAL), scope(frozenset())
    first = made.schema_for(there)
    begun, go_on = threading.Event(), threading.Event()

    def slowly(*arguments: Any) -> Any:
        begun.set()
        go_on.wait(60)
        return reduced(*arguments)

    monkeypatch.setattr(visible, "reduced", slowly)
    with ThreadPoolExecutor(2) as threads:
        making = threads.submit(made.schema_for, other)
        try:
            assert begun.wait(60)
            assert threads.submit(made.schema_for, there).result(10) is first
            assert made.made_for(other) is None
        finally:
            go_on.set()
        second = making.result(60)
    assert made.made_for(other) is second


def test_whether_a_text_is_known_is_said_without_making_a_schema(monkeypatch):
    engine = Engine(hub_schema(), introspection=False)
    asked: Any = SimpleNamespace(scope=scope(frozenset({DataClass.FINANCIAL})))
    monkeypatch.setattr(engine.schema, "_visible", Visible(engine.schema.graphql, {}))
    monkeypatch.setattr(visible, "reduced", None)
    assert engine.knowing(asked, "{ __typename }") is None


@pytest.mark.parametrize("left_out", [*sorted(READABLE_CLASSES), None])
@pytest.mark.parametrize("is_mso", [True, False])
def test_a_schema_without_a_data_class_is_sound_and_has_no_field_of_it(left_out, is_mso):
    classes = READABLE_CLASSES - {left_out}
    made = schema_of(classes, is_mso)
    assert validate_schema(made) == []
    for item in hub_schema().declared.values():
        shown = made.get_type(item.name)
        fields = shown.fields if isinstance(shown, GraphQLObjectType) else {}
        columns = {**item.fields, **item.computed}
        wrong = [n for n in fields if n in columns and columns[n].data_class not in classes]
        assert wrong == []
        filters = getattr(made.get_type(f"{item.name}Filter"), "fields", {})
        assert [n for n in filters if n in columns and columns[n].data_class not in classes] == []


def test_a_credential_that_may_read_everything_gets_the_schema_itself():
    assert schema_of(READABLE_CLASSES) is hub_schema().graphql


def test_what_only_the_mso_reads_is_absent_for_a_practice():
    practice = schema_of(READABLE_CLASSES, is_mso=False)
    assert practice.get_type("AuditEvent") is practice.get_type("SyncRunFilter") is None
    assert "syncRuns" not in practice.get_type("Connection").fields
    assert "auditEvents" in schema_of(READABLE_CLASSES).query_type.fields


@pytest.mark.parametrize(
    "query",
    [
        "{ patients { nodes { familyName } } }",
        '{ patients(where: { familyName: { eq: "x" } }) { totalCount } }',
        "{ patients(orderBy: NAME) { totalCount } }",
        "{ practices { nodes { patients { nodes { age } } } } }",
    ],
)
def test_what_is_not_granted_can_be_neither_read_filtered_sorted_nor_named(query):
    document = parse(query)
    assert validate(hub_schema().graphql, document) == []
    assert validate(schema_of(OPERATIONAL), document) != []
    definition = document.definitions[0]
    assert isinstance(definition, OperationDefinitionNode)
    full = hub_schema().graphql
    values: Any = get_variable_values(full, (), {})
    operation = Operation(full, definition, {}, values)
    planner = Planner(hub_schema().declared, operation, scope(OPERATIONAL), Crypto(bytes(32)))
    [(key, nodes)] = operation.roots.items()
    with pytest.raises(Forbidden):
        planner.root(key, nodes)


def test_equal_grants_share_one_schema_and_different_ones_never_do():
    schema = hub_schema()
    mso, app = scope(OPERATIONAL), scope(OPERATIONAL, PrincipalKind.PRACTICE_APP)
    assert schema.schema_for(mso) is schema.schema_for(scope(OPERATIONAL))
    assert schema.schema_for(mso) is not schema.schema_for(app)
    assert grants_of(mso) != grants_of(app)


def test_introspection_and_errors_do_not_name_what_is_hidden(world):
    practice = world.practice("North")
    app = world.app(practice, classes=[DataClass.OPERATIONAL])
    told = str(app.post(SEEN))
    assert "PatientConnection" in told
    for word in ("AuditEvent", "birthDate", "pooledCost", "gross"):
        assert word not in told
    assert "birthDate" in str(world.mso().post(SEEN))


def test_names_left_out_are_those_of_types_fields_arguments_and_values():
    full = build_schema("""
        type Query { a(x: Int, y: Kind): A  gone: Gone }
        type A { kept: Int  hidden: Int  both(z: Int): Int }
        type Gone { inside: Int }
        input Filter { left: Int  filtered: Int }
        enum Kind { ONE TWO }
    """)
    left = build_schema("""
        type Query { a(x: Int): A }
        type A { kept: Int  both: Int }
        input Filter { left: Int }
        enum Kind { ONE }
    """)
    assert names_left_out(full, left) == {"Gone", "gone", "hidden", "y", "z", "filtered", "TWO"}
    assert names_left_out(full, full) == set()
