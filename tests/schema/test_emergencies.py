"""Break-glass: the labelled records of one patient, for a while, for a reason, under review."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select

from hub.domain.agreements import READABLE_CLASSES, Domain, practice_scope, unrestricted_scope
from hub.entrypoints.graphql_emergency import emergency_of
from hub.entrypoints.graphql_request import Question
from hub.errors import Forbidden
from hub.storage import audit, tables
from hub.storage.reads.write import global_id
from jobs.maintenance import end_emergencies

ALL = unrestricted_scope("test")
START = """mutation($input: BreakGlassInput!) { breakGlass(input: $input) {
  ... on BreakGlassPayload { emergencyAccessId }
  ... on UserErrors { errors { code field } } } }"""
STOP = """mutation($input: EndEmergencyAccessInput!) { endEmergencyAccess(input: $input) {
  ... on EndEmergencyAccessPayload { emergencyAccessId }
  ... on UserErrors { errors { code } } } }"""
REVIEW = """mutation($input: ReviewEmergencyAccessInput!) { reviewEmergencyAccess(input: $input) {
  ... on ReviewEmergencyAccessPayload { emergencyAccess { reviewedBy reviewNote } }
  ... on UserErrors { errors { code } } } }"""
QUEUE = """{ emergencyAccesses(where: {reviewedAt: {isNull: true}}) { totalCount nodes {
  person openedBy patient { id } } } }"""
SEEN = """{ observations { totalCount nodes { code } aggregates { count } }
  patients { nodes { observations { totalCount } } } }"""
ACCESSES = """query($id: ID!) { patientAccesses(patientId: $id) { purpose operation reason } }"""


class Ward:
    """A practice with two patients, each with a plain result and a labelled one."""

    def __init__(self, world: Any, name: str = "Mine") -> None:
        self.world, self.practice = world, world.practice(name)
        self.patients = world.patients(self.practice, 2)
        for number, patient in enumerate(self.patients):
            for code, label in ((f"glucose{number}", ""), (f"drug{number}", "SUD")):
                world.add(
                    tables.Observation(
                        practice_id=self.practice, id=tables.new_id(), patient_id=patient,
                        code=code, status="final", observed_at=world.now, report_key="r",
                        external_id=code, sensitivity=label,
                    )
                )  # fmt: skip
        own = "" if name == "Mine" else name
        self.app = world.app(self.practice, f"{own}ward", break_glass=True)
        self.officer = world.app(self.practice, f"{own}officer", classes=READABLE_CLASSES)

    @property
    def patient(self) -> str:
        return global_id("Patient", self.patients[0])

    def given(self, **more: Any) -> dict[str, Any]:
        return {"patient": self.patient, "person": "Dr Vale", "reason": "unconscious", **more}

    def start(self, **more: Any) -> Any:
        return self.app.data(START, input=self.given(**more))["breakGlass"]

    def opened(self, **more: Any) -> str:
        return str(self.start(**more)["emergencyAccessId"])

    def ask(self, query: str, access: str, api: Any = None, **variables: Any) -> Any:
        """The answer of a request that names an emergency access."""
        extensions = {"emergencyAccess": access}
        body = {"query": query, "variables": variables, "extensions": extensions}
        return (api or self.app).raw(body).json()

    def events(self) -> list[Any]:
        ordered = select(tables.AuditEvent).order_by(tables.AuditEvent.sequence)
        return list(self.world.read(lambda s: s.scalars(ordered).all()))

    def rows(self) -> list[Any]:
        return list(self.world.read(lambda s: s.scalars(select(tables.EmergencyAccess)).all()))


@pytest.fixture
def ward(world: Any) -> Ward:
    return Ward(world)


def code(answer: Any) -> str:
    assert "data" not in answer
    return str(answer["errors"][0]["extensions"]["code"])


def test_labelled_records_of_the_one_patient_are_seen_and_of_nobody_else(ward: Ward) -> None:
    found = ward.ask(SEEN, ward.opened())["data"]
    codes = {node["code"] for node in found["observations"]["nodes"]}
    assert codes == {"glucose0", "drug0", "glucose1"}
    assert found["observations"]["totalCount"] == 3
    assert [each["count"] for each in found["observations"]["aggregates"]] == [3]
    below = [each["observations"]["totalCount"] for each in found["patients"]["nodes"]]
    assert sorted(below) == [1, 2]
    assert ward.app.data(SEEN)["observations"]["totalCount"] == 2  # without naming it


def test_each_read_is_audited_with_the_reason_and_told_of_the_patient(ward: Ward) -> None:
    ward.ask("{ observations { nodes { code } } }", ward.opened())
    *_, read = ward.events()
    assert (read.purpose, read.action, read.reason) == ("ETREAT", "read", "unconscious")
    assert read.entities == {"Observation": 3, "Observation.sensitive": 1}
    told = ward.officer.data(ACCESSES, id=ward.patient)["patientAccesses"]
    shown = [(one["operation"], one["reason"]) for one in told if one["purpose"] == "ETREAT"]
    assert ("emergency access start", "unconscious") in shown
    assert len(shown) == 2


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"reason": " "}, "reason"),
        ({"person": ""}, "person"),
        ({"minutes": 61}, "minutes"),
        ({"minutes": 0}, "minutes"),
    ],
)
def test_nothing_is_opened_without_reason_person_or_end(
    ward: Ward, change: dict[str, Any], field: str
) -> None:
    [error] = ward.start(**change)["errors"]
    assert error == {"code": "BAD_INPUT", "field": field}
    assert ward.rows() == []


def test_nothing_is_opened_outside_of_the_practice(world: Any, ward: Ward) -> None:
    other = Ward(world, "Other")
    missing = global_id("Patient", tables.new_id())
    for patient in (other.patient, missing, "nobody"):
        assert ward.start(patient=patient)["errors"] == [{"code": "NOT_FOUND", "field": "patient"}]
    world.agreement(ward.practice, Domain.CLINICAL)
    for api in (world.mso(), ward.officer):
        assert api.code(START, input=ward.given()) == "FORBIDDEN"
    assert ward.rows() == []


def test_a_hidden_patient_is_named_by_a_record_number(world: Any, ward: Ward) -> None:
    def work(session: Any) -> None:
        for table in (tables.Patient, tables.PatientIdentifier):
            for row in session.scalars(select(table)):
                row.sensitivity = "SUD"

    world.add(
        tables.PatientIdentifier(
            practice_id=ward.practice, patient_id=ward.patients[0], authority="EHR", type="MR",
            value="MRN-7",
        )
    )  # fmt: skip
    world.database.transaction(ALL, work)
    names = "{ patients { nodes { id } } }"
    assert ward.app.data(names)["patients"]["nodes"] == []
    found = ward.ask(names, ward.opened(patient="MRN-7"))["data"]["patients"]["nodes"]
    assert found == [{"id": ward.patient}]


def test_a_merged_patient_is_opened_as_whoever_has_the_records(ward: Ward) -> None:
    prior, survivor = ward.patients

    def work(session: Any) -> None:
        row = session.get_one(tables.Patient, (ward.practice, prior))
        row.status, row.merged_into_id = "merged", survivor

    ward.world.database.transaction(ALL, work)
    ward.opened(patient=global_id("Patient", prior))
    assert [row.patient_id for row in ward.rows()] == [survivor]


def test_whether_somebody_is_hidden_is_not_tried_out_without_a_trail(ward: Ward) -> None:
    for named in (ward.patient, "nobody"):
        [error] = ward.start(patient=named, validateOnly=True)["errors"]
        assert error == {"code": "BAD_INPUT", "field": "validateOnly"}
    tried = ward.given(validateOnly=True)
    assert ward.officer.code(START, input=tried) == "FORBIDDEN"


def test_an_access_is_looked_up_on_no_second_connection(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests that each hold one connection and wait for another would stop everybody."""
    access, held, most = ward.opened(), [0], [0]
    database = ward.world.database
    read = type(database).read

    @contextmanager
    def counted(self: Any, *args: Any) -> Any:
        held[0] += 1
        most[0] = max(most[0], held[0])
        try:
            with read(self, *args) as session:
                yield session
        finally:
            held[0] -= 1

    monkeypatch.setattr(type(database), "read", counted)
    assert "data" in ward.ask("{ observations { totalCount } }", access)
    assert most == [1]


def test_there_is_no_second_access_before_the_first_is_over(ward: Ward) -> None:
    first = ward.opened()
    assert ward.start()["errors"][0]["code"] == "CONFLICT"
    given = {"emergencyAccessId": first}
    assert ward.app.data(STOP, input=given)["endEmergencyAccess"] == given
    assert code(ward.ask(SEEN, first)) == "FORBIDDEN"
    again = ward.app.data(STOP, input=given)["endEmergencyAccess"]
    assert again["errors"] == [{"code": "NOT_FOUND"}]
    assert ward.opened() != first


def test_it_ends_by_itself_and_the_end_is_written_down_once(ward: Ward) -> None:
    ward.opened(minutes=10)
    [row], later = ward.rows(), ward.world.now + timedelta(minutes=10)
    principal: Any = SimpleNamespace(id=row.client_id, practice_id=ward.practice, break_glass=True)
    question = Question("{}", {}, None, emergency_access=global_id("EmergencyAccess", row.id))
    database = ward.world.database
    found, ends = emergency_of(database, principal, question, later - timedelta(seconds=1))
    assert found is not None
    assert (found.patient_id, ends) == (ward.patients[0], later)
    with pytest.raises(Forbidden):
        emergency_of(database, principal, question, later)
    for _ in range(2):
        context = SimpleNamespace(crypto=ward.world.crypto, now=lambda: later)
        end_emergencies(SimpleNamespace(context=context, transaction=database.transaction))
    stops = [event for event in ward.events() if event.operation == "emergency access stop"]
    assert [(event.purpose, event.reason) for event in stops] == [("ETREAT", "unconscious")]
    assert ward.rows()[0].stopped_at == later


@pytest.mark.parametrize(
    "query",
    [
        'mutation { pauseConnection(input: {connectionId: "x"}) { __typename } }',
        '{ messageContent(messageId: "x", reason: "r") { text } }',
        '{ patientAccesses(patientId: "x") { reason } }',
    ],
)
def test_it_opens_stored_records_and_nothing_else(ward: Ward, query: str) -> None:
    assert code(ward.ask(query, ward.opened())) == "FORBIDDEN"


def test_an_access_is_the_credentials_own(world: Any, ward: Ward) -> None:
    access = ward.opened()
    second = world.app(ward.practice, "second", break_glass=True)
    for api in (second, ward.officer, world.mso()):
        assert code(ward.ask(SEEN, access, api)) == "FORBIDDEN"
    assert code(ward.ask(SEEN, "nonsense")) == "FORBIDDEN"
    refused = [event for event in ward.events() if event.outcome == "denied"]
    assert len(refused) == 4


def test_without_an_audit_trail_nothing_is_opened(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: Any, **__: Any) -> None:
        raise OSError("the audit store does not answer")

    monkeypatch.setattr(audit, "append_all", down)
    assert ward.app.code(START, input=ward.given()) == "INTERNAL"
    assert ward.rows() == []


def test_it_stays_in_the_queue_until_somebody_else_signs_it_once_it_is_over(ward: Ward) -> None:
    access = ward.opened()
    [listed] = ward.officer.data(QUEUE)["emergencyAccesses"]["nodes"]
    assert listed == {"person": "Dr Vale", "openedBy": "ward", "patient": {"id": ward.patient}}
    given = {"emergencyAccessId": access, "note": "justified"}

    def reviewed(api: Any) -> Any:
        return api.data(REVIEW, input=given)["reviewEmergencyAccess"]

    assert reviewed(ward.officer)["errors"] == [{"code": "CONFLICT"}]
    ward.app.data(STOP, input={"emergencyAccessId": access})
    assert reviewed(ward.app)["errors"] == [{"code": "NOT_FOUND"}]  # hidden, and its own
    signed = {"reviewedBy": "officer", "reviewNote": "justified"}
    assert reviewed(ward.officer) == {"emergencyAccess": signed}
    assert reviewed(ward.officer)["errors"] == [{"code": "CONFLICT"}]
    assert ward.officer.data(QUEUE)["emergencyAccesses"]["totalCount"] == 0


def test_those_that_were_reviewed_are_counted_in_lists_and_in_figures(ward: Ward) -> None:
    query = """{ emergencyAccesses(where: {reviewedAt: {isNull: false}}) {
      totalCount aggregates { count } } }"""
    access = {"emergencyAccessId": ward.opened()}
    ward.app.data(STOP, input=access)
    assert ward.officer.data(query)["emergencyAccesses"]["totalCount"] == 0
    ward.officer.data(REVIEW, input={**access, "note": "justified"})
    found = ward.officer.data(query)["emergencyAccesses"]
    assert found == {"totalCount": 1, "aggregates": [{"count": 1}]}


def test_other_practices_see_nothing_of_it(world: Any, ward: Ward) -> None:
    ward.opened()
    other = Ward(world, "Other")
    assert other.officer.data(QUEUE)["emergencyAccesses"]["totalCount"] == 0
    with world.database.read(practice_scope(other.practice)) as session:
        assert session.scalars(select(tables.EmergencyAccess)).all() == []


def test_an_access_is_hidden_like_the_records_it_tells_of(world: Any, ward: Ward) -> None:
    access = ward.opened()
    plain = world.app(ward.practice, "plain")
    for api in (plain, ward.app):
        assert api.data(QUEUE)["emergencyAccesses"]["totalCount"] == 0
    found = ward.ask(QUEUE, access)["data"]["emergencyAccesses"]["nodes"]
    assert [each["person"] for each in found] == ["Dr Vale"]


def test_who_opened_it_does_not_sign_it_whatever_they_may_read(world: Any, ward: Ward) -> None:
    both = world.app(ward.practice, "both", break_glass=True, classes=READABLE_CLASSES)
    given = both.data(START, input=ward.given())["breakGlass"]
    both.data(STOP, input=given)
    signed = both.data(REVIEW, input={**given, "note": "n"})["reviewEmergencyAccess"]
    assert signed["errors"] == [{"code": "BAD_INPUT"}]
