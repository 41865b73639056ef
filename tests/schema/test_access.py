"""Who may read what: tenancy, agreements, data classes, limited rows, groups and the audit."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from sqlalchemy import select

from hub.domain.agreements import DataClass, Domain, Purpose, unrestricted_scope
from hub.storage import audit, tables
from hub.storage.reads.write import global_id
from schema.mapping.declare import OneLink
from schema.root import TYPES, hub_schema

OWNED = [item for item in TYPES if item.root and item.source.owned]


def fill(world: Any, practice: str) -> str:
    patients = world.patients(practice, 3)
    world.visits(practice, patients)
    world.payroll(practice)
    return patients[0]


def test_a_practice_app_reads_its_own_rows_at_every_root_and_nothing_of_another(world):
    full, empty = world.practice("Full"), world.practice("Empty")
    fill(world, full)
    other = world.app(empty)
    for item in OWNED:
        found = other.data(f"{{ {item.root} {{ totalCount nodes {{ __typename }} }} }}")
        assert found[item.root] == {"totalCount": 0, "nodes": []}
    assert other.data("{ practices { nodes { name } } }") == {
        "practices": {"nodes": [{"name": "Empty"}]}
    }
    own = world.app(full)
    assert own.data("{ patients { totalCount } }")["patients"]["totalCount"] == 3


def test_links_never_leave_the_practice(world):
    full, empty = world.practice("Full"), world.practice("Empty")
    fill(world, full)
    world.patients(empty, 1, "Own")
    shared = world.round("March", {full: "10.00", empty: "20.00"})
    data = world.app(empty).data(
        """query($id: ID!) { node(id: $id) { ... on PurchasingRound {
          shares { totalCount nodes { practice { name patients { nodes { familyName } } } } }
        } } }""",
        id=global_id("PurchasingRound", shared),
    )
    assert data["node"]["shares"] == {
        "totalCount": 1,
        "nodes": [
            {"practice": {"name": "Empty", "patients": {"nodes": [{"familyName": "Own0000"}]}}}
        ],
    }


def test_foreign_missing_malformed_and_mistyped_ids_get_identical_bytes(world):
    full, empty = world.practice("Full"), world.practice("Empty")
    patient = fill(world, full)
    app = world.app(empty)
    ids = [
        global_id("Patient", patient),
        global_id("Patient", tables.new_id()),
        global_id("Encounter", patient),
        global_id("Practice", full),
        global_id("Job", "99999999999999999999999"),
        global_id("PatientConnection", patient),
        global_id("Patient", "a\x00b"),
        "%%%",
        "",
    ]
    query = "query($id: ID!) { node(id: $id) { id ... on Patient { familyName } } }"
    answers = {app.raw({"query": query, "variables": {"id": one}}).content for one in ids}
    # what is left of the credential's query cost changes with every request
    assert {answer.partition(b',"throttleStatus":')[0] for answer in answers} == {
        b'{"data":{"node":null},"extensions":{"cost":{"requestedQueryCost":1,"actualQueryCost":1'
    }


def test_an_mso_app_reads_what_agreements_in_force_grant_for_its_purpose(world):
    granted, ended, silent = (world.practice(name) for name in ("Granted", "Ended", "Silent"))
    for practice in (granted, ended, silent):
        fill(world, practice)
    world.agreement(granted, Domain.CLINICAL)
    world.agreement(ended, Domain.CLINICAL, ends_on=date(2026, 3, 2))
    mso = world.mso()
    query = "{ patients { nodes { practice { name } } } practices { nodes { name } } }"
    data = mso.data(query)
    assert {n["practice"]["name"] for n in data["patients"]["nodes"]} == {"Granted"}
    assert data["practices"]["nodes"] == [{"name": "Granted"}]
    assert mso.data("{ appointments { totalCount } }")["appointments"]["totalCount"] == 0
    world.agreement(silent, Domain.CLINICAL)
    data = mso.data(query)
    assert {n["practice"]["name"] for n in data["patients"]["nodes"]} == {"Granted", "Silent"}
    world.agreement(granted, Domain.PAYROLL, purposes=["PURCHASING"])
    payroll = "{ payrollRuns { totalCount } }"
    assert mso.data(payroll)["payrollRuns"]["totalCount"] == 0
    assert mso.data(payroll, purpose="PURCHASING")["payrollRuns"]["totalCount"] == 1


def test_limited_rows_come_without_identifiers_and_do_not_answer_guesses(world):
    limited, full = world.practice("Limited"), world.practice("Full")
    world.patients(limited, 1, "Hidden")
    world.patients(full, 1, "Shown")
    world.agreement(limited, Domain.CLINICAL, "LIMITED")
    world.agreement(full, Domain.CLINICAL)
    mso = world.mso()
    found = mso.data("{ patients { nodes { familyName birthDate city practice { name } } } }")
    by_practice = {n["practice"]["name"]: n for n in found["patients"]["nodes"]}
    assert by_practice["Limited"]["familyName"] is None
    assert by_practice["Limited"]["birthDate"] == "1980-05-17"
    assert by_practice["Full"]["familyName"] == "Shown0000"
    guess = 'where: { familyName: { prefix: "Hidden" } }'
    assert mso.data(f"{{ patients({guess}) {{ totalCount }} }}")["patients"]["totalCount"] == 0
    ordered = mso.data("{ patients(orderBy: NAME) { totalCount } }")
    assert ordered["patients"]["totalCount"] == 1


@pytest.mark.parametrize(
    "query",
    [
        "{ patients { nodes { familyName } } }",
        '{ patients(where: { familyName: { eq: "x" } }) { totalCount } }',
        "{ patients(orderBy: NAME) { totalCount } }",
        "{ practices { nodes { patients { nodes { age } } } } }",
    ],
)
def test_a_field_whose_class_is_not_granted_can_be_neither_read_filtered_nor_sorted_by(
    world, query
):
    practice = world.practice("North")
    world.patients(practice, 2)
    app = world.app(practice, classes=[DataClass.OPERATIONAL])
    answer = app.post(query)
    assert "data" not in answer
    assert answer["errors"][0]["extensions"]["code"] == "BAD_INPUT"
    [event] = world.read(lambda s: s.scalars(select(tables.AuditEvent)).all())
    assert (event.action, event.outcome) == ("execute", "denied")
    assert (
        app.data("{ patients { nodes { status } } }")["patients"]["nodes"]
        == [{"status": "ACTIVE"}] * 2
    )


def test_a_purpose_that_is_not_granted_is_refused_and_audited(world):
    app = world.app(world.practice("North"), purposes=(Purpose.PAYMENT,))
    for purpose in ("TREATMENT", "nonsense"):
        assert app.code("{ practices { nodes { name } } }", purpose=purpose) == "FORBIDDEN"
    events = world.read(lambda s: s.scalars(select(tables.AuditEvent)).all())
    assert [(e.outcome, e.purpose) for e in events] == [("denied", "PAYMENT")] * 2


def test_every_read_of_phi_is_audited_with_counts_and_digests_but_no_values(world):
    practice = world.practice("North")
    patients = world.patients(practice, 3)
    world.visits(practice, patients)
    app = world.app(practice)
    app.data(
        "query Board { patients(first: 2) { nodes { familyName"
        " appointments { nodes { startsAt } } } } }"
    )
    app.data("{ practices { nodes { name } } }")
    [event] = world.read(lambda s: s.scalars(select(tables.AuditEvent)).all())
    assert event.entities == {"Patient": 2, "Appointment": 4}
    assert event.practice_ids == [practice]
    assert event.subjects == sorted(
        world.crypto.subjects((practice, patient) for patient in patients[:2])
    )
    assert (event.action, event.outcome, event.purpose) == ("read", "success", "OPERATIONS")
    assert "sha256:" in event.operation
    assert world.read(audit.verify).intact


def test_pay_is_audited_and_a_search_that_finds_nobody_is_too(world):
    practice = world.practice("North")
    world.payroll(practice)
    app = world.app(practice)
    app.data("{ payrollRuns { nodes { gross } } }")
    app.data('{ patients(where: { familyName: { eq: "Nobody" } }) { totalCount } }')
    events = world.read(lambda s: s.scalars(select(tables.AuditEvent)).all())
    assert [e.entities for e in events] == [{"PayrollRun": 1}, {"Patient": 0}]


def test_nothing_is_released_while_the_audit_trail_cannot_be_written(world, monkeypatch):
    practice = world.practice("North")
    world.patients(practice, 1)

    async def broken(*_: Any, **__: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(audit, "note", broken)
    answer = world.app(practice).post("{ patients { nodes { familyName } } }")
    assert "data" not in answer
    assert answer["errors"][0]["extensions"]["code"] == "INTERNAL"
    assert "disk" not in str(answer)
    assert "Fam0000" not in str(answer)


def test_figures_across_practices_obey_the_small_group_rule(world):
    practices = [world.practice(f"P{number}") for number in range(5)]
    even = world.round("even", dict.fromkeys(practices, "100.00"))
    few = world.round("few", dict.fromkeys(practices[:4], "100.00"))
    uneven = world.round(
        "uneven", dict.fromkeys(practices[1:], "100.00") | {practices[0]: "900.00"}
    )
    app, mso = world.app(practices[0]), world.mso()
    for asking in (app, mso):
        assert [pooled(asking, one) for one in (even, few, uneven)] == ["900.00", None, None]


def test_a_figure_that_beside_another_tells_of_a_practice_is_only_for_whom_sees_them_all(world):
    practices = [world.practice(f"P{number}") for number in range(5)]
    even = dict.fromkeys(practices, "100.00")
    shown, isolating = world.round("shown", even), world.round("isolating", even, isolating=True)
    app, mso = world.app(practices[0]), world.mso()
    for asking in (app, mso):
        assert [pooled(asking, one) for one in (shown, isolating)] == ["900.00", None]
    for practice in practices:
        world.agreement(practice, Domain.SUPPLY)
    assert pooled(mso, isolating) == "900.00"


def test_a_figure_from_which_the_mso_could_subtract_all_but_few_is_not_shown_to_it(world):
    practices = [world.practice(f"P{number}") for number in range(7)]
    even = world.round("even", dict.fromkeys(practices, "100.00"))
    app, mso = world.app(practices[0]), world.mso()
    shown = []
    for practice in practices:
        shown.append(pooled(mso, even))
        world.agreement(practice, Domain.SUPPLY)
    assert shown == ["900.00"] * 3 + [None] * 4, "seven, six or five practices that it does not see"
    assert pooled(mso, even) == "900.00"
    assert pooled(app, even) == "900.00"


def test_the_mso_sees_a_small_groups_figures_where_agreements_cover_all_of_it(world):
    covered, limited, silent = (world.practice(name) for name in ("Covered", "Limited", "Silent"))
    world.agreement(covered, Domain.SUPPLY)
    world.agreement(limited, Domain.SUPPLY, "LIMITED")
    world.agreement(silent, Domain.CLINICAL)
    inside = world.round("inside", {covered: "100.00", limited: "100.00"})
    outside = world.round("outside", {covered: "100.00", silent: "100.00"})
    mso = world.mso()
    assert [pooled(mso, one) for one in (inside, outside)] == ["900.00", None]
    by_page = "{ purchasingRounds { nodes { name pooledCost explanation } } }"
    found = {n["name"]: n["pooledCost"] for n in mso.data(by_page)["purchasingRounds"]["nodes"]}
    assert found == {"inside": "900.00", "outside": None}
    assert pooled(mso, inside, purpose="PURCHASING") == "900.00"
    assert pooled(world.mso("payer", domains=[Domain.BILLING]), inside) is None
    assert pooled(world.app(covered), inside) is None


def pooled(asking: Any, round_id: str, purpose: str | None = None) -> str | None:
    """What of a round's figures is shown, where the round itself is."""
    query = """query($id: ID!) { node(id: $id) {
      ... on PurchasingRound { pooledCost status } } }"""
    found = asking.data(query, purpose, id=global_id("PurchasingRound", round_id))["node"]
    assert found["status"] == "solved"
    return found["pooledCost"]


def test_operations_are_the_msos_and_a_practice_sees_its_own_messages(world):
    mine, other = world.practice("Mine"), world.practice("Other")
    for practice in (mine, other, None):
        world.add(
            tables.InboundMessage(
                kind="hl7v2",
                practice_id=practice,
                source="s",
                control_id=tables.new_id(),
                message_type="ADT^A01",
                body_digest="d",
                size=3,
                content_type="x",
                headers={},
                raw=b"raw",
                answer=b"ack",
                state="processed",
                received_at=world.now,
            )
        )
    app, mso = world.app(mine), world.mso()
    query = "{ inboundMessages { totalCount } }"
    assert app.data(query)["inboundMessages"]["totalCount"] == 1
    assert mso.data(query)["inboundMessages"]["totalCount"] == 3
    app.data("{ workers { nodes { familyName } } }")
    for root in ("auditEvents", "syncRuns"):
        assert app.code(f"{{ {root} {{ totalCount }} }}") == "BAD_INPUT"
    assert mso.data("{ auditEvents { totalCount } }")["auditEvents"]["totalCount"] == 3


def test_no_field_shows_raw_bytes_secrets_configuration_or_headers():
    shown = {
        (item.table.__tablename__, item.column_name(name)) for item in TYPES for name in item.fields
    }
    columns = {column for _, column in shown}
    assert not columns & {"raw", "answer", "headers", "config", "routing", "args", "ciphertext"}
    assert not columns & {
        "key_digest",
        "endpoint_digest",
        "content_hash",
        "fingerprint",
        "subjects",
    }


def test_every_field_has_a_data_class_and_every_one_link_may_be_null():
    schema = hub_schema()
    for item in TYPES:
        for col in (*item.fields.values(), *item.computed.values()):
            assert col.data_class in set(DataClass) - {DataClass.SECRET}
        for name, link in item.links.items():
            if isinstance(link, OneLink):
                shown = schema.graphql.get_type(item.name).fields[name].type
                assert not str(shown).endswith("!")


def test_a_tampered_trail_is_found_at_its_first_bad_event(world):
    def write(session: Any) -> None:
        for number in range(4):
            audit.append(
                session,
                now=world.now,
                principal_id="p",
                principal_name="p",
                purpose="OPERATIONS",
                action="read",
                outcome="success",
                entities={"Patient": number},
            )

    scope = unrestricted_scope("test")
    world.database.transaction(scope, write)
    assert world.read(audit.verify).events == 4

    def tamper(session: Any) -> None:
        session.get(tables.AuditEvent, 3).outcome = "denied"

    world.database.transaction(scope, tamper)
    assert world.read(audit.verify).bad_sequence == 3


def test_a_filter_value_of_the_wrong_type_is_refused(world):
    app = world.app(world.practice("North"))
    assert (
        app.code('{ patients(where: { birthDate: { eq: "17.5.1980" } }) { totalCount } }')
        == "BAD_INPUT"
    )


def test_the_schema_says_which_filters_and_orders_leave_limited_rows_out():
    types = hub_schema().graphql.type_map
    for name in ("PatientOrder", "PatientFilter"):
        assert "LIMITED are left out" in types[name].description
    assert types["AppointmentOrder"].description is None
