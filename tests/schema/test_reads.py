"""Queries over stored types: shapes, links, pages, filters and the number of statements."""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete, event

from hub.domain.agreements import unrestricted_scope
from hub.storage import tables
from hub.storage.reads.write import global_id
from hub.storage.session import Database

THREE_LEVELS = """{ practices(first: 5) { nodes { name patients(first: 50) { totalCount nodes {
  familyName practice { name }
  appointments(first: 1) {
    nodes { startsAt status provider { familyName } } pageInfo { hasNextPage } }
} } } } }"""


def statements(database: Database, work: Any) -> int:
    """How many statements read what was asked for; not the cost bucket's, which is written now and
    then."""
    counted: list[str] = []

    def note(*arguments: Any) -> None:
        said = arguments[2].lstrip().upper()
        if said.startswith("SELECT") and "COST_BUCKETS" not in said:
            counted.append(said)

    event.listen(database.read_engine, "before_cursor_execute", note)
    try:
        work()
    finally:
        event.remove(database.read_engine, "before_cursor_execute", note)
    return len(counted)


def test_a_three_level_query_runs_as_many_statements_for_fifty_parents_as_for_two(world):
    practice = world.practice("North")
    app = world.app(practice)
    world.visits(practice, world.patients(practice, 2))
    app.data(THREE_LEVELS)
    few = statements(world.database, lambda: app.data(THREE_LEVELS))
    world.visits(practice, world.patients(practice, 48, "Gam"))
    many = statements(world.database, lambda: app.data(THREE_LEVELS))
    nodes = app.data(THREE_LEVELS)["practices"]["nodes"][0]["patients"]["nodes"]
    assert len(nodes) == 50
    assert all(len(node["appointments"]["nodes"]) == 1 for node in nodes)
    assert all(node["appointments"]["pageInfo"]["hasNextPage"] for node in nodes)
    assert few == many


def test_values_are_written_in_their_fixed_forms(world):
    practice = world.practice("North")
    run = world.payroll(practice)
    [patient] = world.patients(practice, 1)
    world.visits(practice, [patient], each=1)
    data = world.app(practice).data(
        """query($run: ID!, $patient: ID!) {
          node(id: $run) { __typename id ... on PayrollRun { gross net employerCost checkDate kind
            payPeriod { startsOn } statements { nodes { gross worker { familyName } } } } }
          patient: node(id: $patient) { ... on Patient { birthDate age sex appointments {
            edges { cursor node { startsAt status } } } } }
        }""",
        run=global_id("PayrollRun", run),
        patient=global_id("Patient", patient),
    )
    assert data["node"] == {
        "__typename": "PayrollRun",
        "id": global_id("PayrollRun", run),
        "gross": "1000.50",
        "net": "800.00",
        "employerCost": "76.54",
        "checkDate": "2026-02-20",
        "kind": "REGULAR",
        "payPeriod": {"startsOn": "2026-02-01"},
        "statements": {"nodes": [{"gross": "1000.50", "worker": {"familyName": "Payne"}}]},
    }
    assert data["patient"]["birthDate"] == "1980-05-17"
    assert (data["patient"]["age"], data["patient"]["sex"]) == (45, "FEMALE")
    [edge] = data["patient"]["appointments"]["edges"]
    assert edge["node"] == {"startsAt": "2026-03-02T15:00:00.000000Z", "status": "BOOKED"}


def test_aliases_fragments_and_directives_are_followed_in_document_order(world):
    practice = world.practice("North")
    world.patients(practice, 1)
    data = world.app(practice).data(
        """query($no: Boolean!) {
          p: patients { all: nodes {
              ...names ... on Patient { b: givenName @skip(if: $no) } id @include(if: $no) }
            nodes { ...names } nodes { sex } }
          __typename
        }
        fragment names on Patient { a: familyName }""",
        no=False,
    )
    assert data == {
        "p": {
            "all": [{"a": "Fam0000", "b": "Ada"}],
            "nodes": [{"a": "Fam0000", "sex": "FEMALE"}],
        },
        "__typename": "Query",
    }
    assert list(data["p"]) == ["all", "nodes"]


def test_filters_and_orders_are_typed(world):
    practice = world.practice("North")
    world.patients(practice, 3, "Abe")
    world.patients(practice, 2, "Bea")
    app = world.app(practice)
    query = """query($where: PatientFilter, $by: PatientOrder) {
      patients(where: $where, orderBy: $by) { totalCount nodes { familyName } } }"""
    found = app.data(query, where={"familyName": {"prefix": "Abe"}}, by="NAME_DESC")["patients"]
    assert found["totalCount"] == 3
    assert [n["familyName"] for n in found["nodes"]] == ["Abe0002", "Abe0001", "Abe0000"]
    born = {"birthDate": {"gte": "1980-05-17", "lt": "1980-05-18"}, "status": {"in": ["ACTIVE"]}}
    assert app.data(query, where=born)["patients"]["totalCount"] == 5
    born["birthDate"]["gte"] = "1980-05-18"
    assert app.data(query, where=born)["patients"]["totalCount"] == 0
    of_nobody = {"practice": {"eq": "bm9uc2Vuc2U="}}
    assert app.data(query, where=of_nobody)["patients"]["totalCount"] == 0
    mine = {"practice": {"in": [global_id("Practice", practice)]}}
    assert app.data(query, where=mine)["patients"]["totalCount"] == 5


def test_a_walk_meets_every_row_that_stays_once_while_others_come_and_go(world):
    practice = world.practice("North")
    kept = world.patients(practice, 20)
    app = world.app(practice)
    query = """query($after: String) { patients(first: 7, after: $after) {
      nodes { id } pageInfo { hasNextPage endCursor } } }"""
    seen: list[str] = []
    after, gone = None, world.patients(practice, 3, "Zzz")
    for turn in range(20):
        page = app.data(query, after=after)["patients"]
        seen += [node["id"] for node in page["nodes"]]
        if not page["pageInfo"]["hasNextPage"]:
            break
        after = page["pageInfo"]["endCursor"]
        world.patients(practice, 1, f"Aaa{turn}")
        world.database.transaction(
            unrestricted_scope("test"),
            lambda s: s.execute(delete(tables.Patient).where(tables.Patient.id.in_(gone))),
        )
    assert [s for s in seen if s in {global_id("Patient", k) for k in kept}] == [
        global_id("Patient", k) for k in kept
    ]
    assert len(set(seen)) == len(seen)


def test_an_unknown_cursor_and_a_foreign_cursor_get_the_same_answer(world):
    mine, other = world.practice("North"), world.practice("South")
    world.patients(mine, 2)
    [foreign] = world.patients(other, 1)
    app = world.app(mine)
    query = "query($after: String) { patients(first: 1, after: $after) { nodes { id } } }"
    answers = []
    for cursor in (foreign, tables.new_id(), "nonsense"):
        answer = app.post(query, after=cursor)
        answer["errors"][0]["extensions"].pop("errorId")
        answers.append(answer)
    assert answers[0] == answers[1] == answers[2]
    assert answers[0]["errors"][0]["extensions"]["code"] == "NOT_FOUND"


def test_page_sizes_outside_one_to_a_hundred_are_refused(world):
    app = world.app(world.practice("North"))
    for first in (0, -1, 101):
        assert (
            app.code("query($n: Int) { items(first: $n) { nodes { id } } }", n=first) == "BAD_INPUT"
        )


def test_after_is_refused_below_a_list(world):
    app = world.app(world.practice("North"))
    query = '{ practices { nodes { patients(after: "x") { nodes { id } } } } }'
    assert app.code(query) == "BAD_INPUT"


def test_after_works_below_one_object(world):
    practice = world.practice("North")
    ids = world.patients(practice, 3)
    data = world.app(practice).data(
        """query($id: ID!, $after: String) { node(id: $id) { ... on Practice {
          patients(first: 1, after: $after) { nodes { id } } } } }""",
        id=global_id("Practice", practice),
        after=ids[0],
    )
    assert data["node"]["patients"]["nodes"] == [{"id": global_id("Patient", ids[1])}]


def test_nodes_come_in_the_order_asked_for_with_null_for_what_is_not_there(world):
    practice = world.practice("North")
    [patient] = world.patients(practice, 1)
    wanted = [
        global_id("Patient", patient),
        "nonsense",
        global_id("Practice", practice),
        global_id("Patient", tables.new_id()),
    ]
    data = world.app(practice).data(
        "query($ids: [ID!]!) { nodes(ids: $ids) { __typename ... on Practice { name } } }",
        ids=wanted,
    )
    assert data["nodes"] == [
        {"__typename": "Patient"},
        None,
        {"__typename": "Practice", "name": "North"},
        None,
    ]


def test_introspection_and_plain_roots_mix_with_stored_ones(world):
    app = world.app(world.practice("North"))
    data = app.data(
        '{ practices { nodes { name } } __type(name: "Patient") { name } '
        "connectors { nodes { id } } }"
    )
    assert data == {
        "practices": {"nodes": [{"name": "North"}]},
        "__type": {"name": "Patient"},
        "connectors": {"nodes": [{"id": "supply_rest"}]},
    }
