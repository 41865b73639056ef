"""Records with a sensitivity label (42 CFR Part 2): hidden and not counted unless granted."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import select

from hub.domain.agreements import (
    READABLE_CLASSES,
    DataClass,
    Domain,
    Purpose,
    unrestricted_scope,
)
from hub.services.intake import Arrival, Intake
from hub.storage import tables
from hub.storage.reads.write import global_id
from schema.root import TYPES
from tests.schema.test_exports import Office, start

FIXTURE = Path(__file__).parents[2] / "fixtures" / "ehr_hl7v2" / "oru_r01.hl7"
COUNTED = """{ observations { totalCount nodes { id } edges { cursor } pageInfo { endCursor }
  aggregates { count } } patients { nodes { observations { totalCount nodes { code } } } }
  clinicalOrders { nodes { observations { totalCount } } } }"""
BY_ID = """query($id: ID!, $ids: [ID!]!) { node(id: $id) { ... on Observation { code } }
  nodes(ids: $ids) { ... on Observation { code } } }"""
LABELS = '{ observations(where: {code: {eq: "drug"}}) { nodes { sensitivity } } }'
CONTENT = 'query($id: ID!) { messageContent(messageId: $id, reason: "check") { base64 } }'

SCOPE = unrestricted_scope("test")


class Ward:
    """One patient of a practice with an order, a plain result and a labelled one."""

    def __init__(self, world: Any, name: str) -> None:
        self.world, self.practice = world, world.practice(name)
        [self.patient] = world.patients(self.practice, 1)
        self.order = tables.new_id()
        world.add(
            tables.ClinicalOrder(
                practice_id=self.practice, id=self.order, patient_id=self.patient, status="active",
                ordered_at=world.now, external_id="o",
            )
        )  # fmt: skip
        self.plain, self.labelled = self.result("glucose"), self.result("drug", "SUD")

    def result(self, code: str, label: str = "") -> str:
        row_id = tables.new_id()
        self.world.add(
            tables.Observation(
                practice_id=self.practice, id=row_id, patient_id=self.patient, code=code,
                order_id=self.order, status="final", observed_at=self.world.now, report_key="r",
                external_id=code, sensitivity=label,
            )
        )  # fmt: skip
        return global_id("Observation", row_id)

    def app(self, name: str = "", **options: Any) -> Any:
        return self.world.app(self.practice, name, **options)


@pytest.fixture
def ward(world: Any) -> Ward:
    return Ward(world, "Mine")


def counts(api: Any, purpose: str | None = None) -> list[int]:
    """How many results each way of counting them finds."""
    found = api.data(COUNTED, purpose)
    page, (patient,), (order,) = (
        found["observations"],
        found["patients"]["nodes"],
        found["clinicalOrders"]["nodes"],
    )
    groups = [each["count"] for each in page["aggregates"]]
    below = patient["observations"]
    return [
        page["totalCount"], len(page["nodes"]), len(page["edges"]), sum(map(int, groups)),
        below["totalCount"], len(below["nodes"]), order["observations"]["totalCount"],
    ]  # fmt: skip


def events(world: Any, name: str) -> list[Any]:
    of_app = select(tables.AuditEvent).where(tables.AuditEvent.principal_name == name)
    return list(world.read(lambda s: s.scalars(of_app.order_by(tables.AuditEvent.sequence)).all()))


def test_with_a_plain_clinical_grant_a_labelled_result_is_hidden_and_not_counted(
    ward: Ward,
) -> None:
    app = ward.app()
    assert counts(app) == [1] * 7
    missing = global_id("Observation", tables.new_id())
    found = app.data(BY_ID, id=ward.labelled, ids=[ward.labelled, ward.plain, missing])
    assert found == {"node": None, "nodes": [None, {"code": "glucose"}, None]}
    page = app.data("{ observations(first: 1) { pageInfo { hasNextPage endCursor } } }")
    assert page["observations"]["pageInfo"]["hasNextPage"] is False
    hidden = (
        "query($after: String) { observations(first: 1, after: $after) { totalCount nodes {id}}}"
    )
    labelled = [ward.world.read(lambda s: s.scalar(select(tables.Observation.id).where(
        tables.Observation.code == "drug")))]  # fmt: skip
    assert app.code(hidden, after=labelled[0]) == "NOT_FOUND"


def test_with_the_class_it_is_shown_and_the_audit_trail_says_so(ward: Ward) -> None:
    app = ward.app("granted", classes=READABLE_CLASSES)
    assert counts(app) == [2] * 7
    assert app.data(BY_ID, id=ward.labelled, ids=[]) == {"node": {"code": "drug"}, "nodes": []}
    assert app.data(LABELS) == {"observations": {"nodes": [{"sensitivity": "SUD"}]}}
    *_, by_id, by_field = events(ward.world, "granted")
    assert by_id.entities == {"Observation": 1, "Observation.sensitive": 1}
    assert by_field.entities == {"Observation": 1, "Observation.sensitive": 1}
    ward.app("plain").data("{ observations { nodes { code } } }")
    assert events(ward.world, "plain")[-1].entities == {"Observation": 1}


def test_without_the_class_there_is_no_field_for_the_label(ward: Ward) -> None:
    assert ward.app().code(LABELS) == "BAD_INPUT"


@pytest.mark.parametrize(
    ("classes", "terms", "purpose", "seen"),
    [
        (READABLE_CLASSES, {"sensitive_records": True}, None, 2),
        (READABLE_CLASSES, {}, None, 1),
        (READABLE_CLASSES - {DataClass.PHI_SENSITIVE}, {"sensitive_records": True}, None, 1),
        (READABLE_CLASSES, {"sensitive_records": True, "granularity": "LIMITED"}, None, 2),
        (READABLE_CLASSES, {"sensitive_records": True}, "QUALITY", 0),
    ],
)
def test_the_mso_needs_the_class_and_an_agreement_that_names_such_records_for_the_purpose(
    ward: Ward, classes: Any, terms: dict[str, Any], purpose: str | None, seen: int
) -> None:
    ward.world.agreement(ward.practice, Domain.CLINICAL, **terms)
    purposes = (Purpose.OPERATIONS, Purpose.QUALITY)
    mso = ward.world.mso(classes=classes, purposes=purposes)
    found = mso.data("{ observations { totalCount nodes { id } } }", purpose)["observations"]
    assert (found["totalCount"], len(found["nodes"])) == (seen, seen)


def test_the_agreement_of_one_practice_opens_nothing_of_another(world: Any, ward: Ward) -> None:
    other = Ward(world, "Other")
    world.agreement(ward.practice, Domain.CLINICAL)
    world.agreement(other.practice, Domain.CLINICAL, sensitive_records=True)
    mso = world.mso(classes=READABLE_CLASSES)
    text = "{ observations(orderBy: OBSERVED_AT) { totalCount nodes { id } } }"
    found = mso.data(text)["observations"]
    ids = {node["id"] for node in found["nodes"]}
    assert (found["totalCount"], ids) == (3, {ward.plain, other.plain, other.labelled})


def test_an_agreement_changed_between_two_requests_counts_at_the_second(ward: Ward) -> None:
    ward.world.agreement(ward.practice, Domain.CLINICAL, sensitive_records=True)
    mso = ward.world.mso(classes=READABLE_CLASSES)
    assert counts(mso) == [2] * 7

    def withdraw(session: Any) -> None:
        for term in session.scalars(select(tables.ServiceAgreement)):
            term.sensitive_records = False

    ward.world.database.transaction(SCOPE, withdraw)
    assert counts(mso) == [1] * 7


def test_a_link_to_a_labelled_row_is_null_and_a_list_leaves_it_out(world: Any, ward: Ward) -> None:
    visit = tables.new_id()
    world.add(
        tables.Encounter(
            practice_id=ward.practice, id=visit, patient_id=ward.patient, status="finished",
            starts_at=world.now, external_id="v", sensitivity="SUD",
        ),
        tables.ClinicalDocument(
            practice_id=ward.practice, patient_id=ward.patient, encounter_id=visit,
            activity_at=world.now, external_id="d",
        ),
    )  # fmt: skip
    text = """{ encounters { totalCount } clinicalDocuments { nodes { encounter { status } } }
      patients { nodes { encounters { totalCount } } } }"""
    found = ward.app().data(text)
    assert found["encounters"]["totalCount"] == 0
    assert found["clinicalDocuments"]["nodes"] == [{"encounter": None}]
    assert found["patients"]["nodes"] == [{"encounters": {"totalCount": 0}}]


def test_an_export_holds_what_its_credential_may_read(
    world: Any, ward: Ward, tmp_path: Path
) -> None:
    office, lines = Office(world, tmp_path), {}
    query = "{ observations(orderBy: OBSERVED_AT) { nodes { code } } }"
    for name, classes in (("plain", READABLE_CLASSES - {DataClass.PHI_SENSITIVE}),
                          ("granted", READABLE_CLASSES)):  # fmt: skip
        app = ward.app(name, export=True, classes=classes)
        begun = start(app, query)
        office.run()
        got = app.http.get(begun["downloadPath"], headers=app.headers)
        lines[name] = sorted(orjson.loads(line)["code"] for line in got.text.splitlines())
    assert lines == {"plain": ["glucose"], "granted": ["drug", "glucose"]}
    read = [e.entities for e in events(world, "granted") if "Observation" in e.entities]
    assert read == [{"Observation": 2, "Observation.sensitive": 1}]


def test_a_message_with_a_label_is_not_shown_as_it_came(world: Any, ward: Ward) -> None:
    raw = FIXTURE.read_bytes()
    head, rest = raw.split(b"\rOBR|", 1)
    restricted = head + b"\rORC|RE" + b"|" * 27 + b"ETH\rOBR|" + rest
    intake = Intake(world.database, world.crypto, lambda: world.now)
    plain, labelled = (
        global_id("InboundMessage", intake.receive(
            Arrival("hl7v2", None, ward.practice, "s", control, "ORU^R01", content)
        ).result(timeout=30).inbox_id)
        for control, content in (("C1", raw), ("C2", restricted))
    )  # fmt: skip
    app, granted = ward.app(), ward.app("granted", classes=READABLE_CLASSES)
    assert app.data(CONTENT, id=plain)["messageContent"]["base64"]
    assert app.code(CONTENT, id=labelled) == "NOT_FOUND"
    assert granted.data(CONTENT, id=labelled)["messageContent"]["base64"]

    def label(session: Any) -> None:  # the patient of the plain message
        pid3 = raw.split(b"\rPID|", 1)[1].split(b"|")[2].split(b"^")[0].decode()
        session.get(tables.Patient, (ward.practice, ward.patient)).sensitivity = "SUD"
        session.add(
            tables.PatientIdentifier(
                practice_id=ward.practice, patient_id=ward.patient, authority="EHR", type="MR",
                value=pid3,
            )
        )  # fmt: skip

    world.database.transaction(SCOPE, label)
    assert app.code(CONTENT, id=plain) == "NOT_FOUND"
    assert granted.data(CONTENT, id=plain)["messageContent"]["base64"]


def test_every_type_about_one_patient_that_can_be_reached_directly_may_have_a_label() -> None:
    reachable = {item.name for item in TYPES if item.subject and (item.root or item.node)}
    labelled = {item.name for item in TYPES if item.source.labelled}
    assert reachable <= labelled
    assert labelled <= {item.name for item in TYPES if "sensitivity" in item.fields}


def test_a_label_given_later_is_seen_by_a_walk_at_its_next_page(ward: Ward) -> None:
    for number in range(3):
        ward.result(f"more{number}")
    app = ward.app()
    text = """query($after: String) { observations(first: 2, after: $after, orderBy: OBSERVED_AT) {
      nodes { code } pageInfo { endCursor hasNextPage } } }"""
    first = app.data(text)["observations"]
    assert first["pageInfo"]["hasNextPage"]
    reached = orjson.loads(base64.urlsafe_b64decode(first["pageInfo"]["endCursor"]))[0]

    def label(session: Any) -> None:
        for row in session.scalars(select(tables.Observation)):
            if row.id != reached:
                row.sensitivity = "SUD"

    ward.world.database.transaction(SCOPE, label)
    last = app.data(text, after=first["pageInfo"]["endCursor"])["observations"]
    assert (last["nodes"], last["pageInfo"]["hasNextPage"]) == ([], False)
