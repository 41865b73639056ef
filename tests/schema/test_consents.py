"""Patients' consents: which records with a label the MSO sees by them, and from when until when."""

from __future__ import annotations

from datetime import UTC, date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import aliased

from hub.auth.credentials import principal_of
from hub.auth.rights import next_midnight_anywhere
from hub.auth.scopes import load_scope
from hub.domain.agreements import (
    READABLE_CLASSES,
    DataClass,
    Domain,
    Purpose,
    practice_scope,
    unrestricted_scope,
)
from hub.domain.patients import Identifier, Patient, PatientMerge, PatientUnmerge
from hub.domain.records import Record
from hub.services.apply import ApplyContext, apply
from hub.storage import tables
from hub.storage.reads.write import global_id
from tests.schema.test_exports import Office, start

ALL = unrestricted_scope("test")
RECORD = """mutation($input: RecordConsentInput!) { recordConsent(input: $input) {
  ... on RecordConsentPayload { consent { id sensitivity purpose grantedOn startsAt endsAt reference
    recordedBy revokedAt patient { id } } }
  ... on UserErrors { errors { code field } } } }"""
REVOKE = """mutation($input: RevokeConsentInput!) { revokeConsent(input: $input) {
  ... on RevokeConsentPayload { consent { revokedAt revokedBy revocationReference } }
  ... on UserErrors { errors { code field } } } }"""
SEEN = """{ observations { totalCount nodes { id } edges { cursor } aggregates { count } }
  patients { nodes { observations { totalCount nodes { code } } } } }"""
REGISTER = """{ consents(orderBy: GRANTED_ON) { totalCount nodes {
  sensitivity reference revokedAt } } }"""
UNDER = "{ patients { nodes { consents { nodes { sensitivity } } } } }"
ACCESSES = "query($id: ID!) { patientAccesses(patientId: $id) { principalName operation action } }"
CODES = "{ observations(orderBy: OBSERVED_AT) { nodes { code } } }"


class Ward:
    """A practice with two patients, each with a plain result and one of each of two labels."""

    def __init__(self, world: Any, name: str = "Mine") -> None:
        self.world, self.practice = world, world.practice(name)
        self.patients = world.patients(self.practice, 2)
        for number, patient in enumerate(self.patients):
            for code, label in (("glucose", ""), ("drug", "SUD"), ("viral", "HIV")):
                world.add(
                    tables.Observation(
                        practice_id=self.practice, id=tables.new_id(), patient_id=patient,
                        code=f"{code}{number}", status="final", observed_at=world.now,
                        report_key="r", external_id=f"{code}{number}", sensitivity=label,
                    )
                )  # fmt: skip
        own = "" if name == "Mine" else name
        self.officer = world.app(self.practice, f"{own}officer", classes=READABLE_CLASSES)

    @property
    def patient(self) -> str:
        return global_id("Patient", self.patients[0])

    def given(self, **more: Any) -> dict[str, Any]:
        stated = {"patientId": self.patient, "sensitivity": "SUD", "grantedOn": "2026-03-01"}
        return {**stated, "reference": "cabinet 4", **more}

    def record(self, **more: Any) -> Any:
        return self.officer.data(RECORD, input=self.given(**more))["recordConsent"]

    def recorded(self, **more: Any) -> str:
        return str(self.record(**more)["consent"]["id"])

    def revoke(self, consent: str, **more: Any) -> Any:
        given = {"consentId": consent, **more}
        return self.officer.data(REVOKE, input=given)["revokeConsent"]

    def grow_older(self) -> None:
        """What was recorded so far was an hour ago."""
        recorded_at = self.world.now - timedelta(hours=1)
        older = update(tables.Consent).values(recorded_at=recorded_at)
        self.world.database.transaction(ALL, lambda s: s.execute(older))

    def rows(self) -> list[Any]:
        return list(self.world.read(lambda s: s.scalars(select(tables.Consent)).all()))


@pytest.fixture
def ward(world: Any) -> Ward:
    return Ward(world)


@pytest.fixture
def mso(world: Any, ward: Ward) -> Any:
    for domain in (Domain.CLINICAL, Domain.BILLING):
        world.agreement(ward.practice, domain)
    return world.mso(classes=READABLE_CLASSES, purposes=(Purpose.OPERATIONS, Purpose.PURCHASING))


def codes(api: Any, purpose: str | None = None) -> set[str]:
    """The results that every way of counting them finds alike."""
    found = api.data(SEEN, purpose)
    page, below = found["observations"], found["patients"]["nodes"]
    listed = {node["code"] for each in below for node in each["observations"]["nodes"]}
    counted = {
        page["totalCount"], len(page["nodes"]), len(page["edges"]), len(listed),
        sum(int(group["count"]) for group in page["aggregates"]),
        sum(each["observations"]["totalCount"] for each in below),
    }  # fmt: skip
    assert len(counted) == 1
    return listed


PLAIN = {"glucose0", "glucose1"}


def test_the_mso_sees_the_records_of_the_label_and_patient_until_it_is_revoked(
    ward: Ward, mso: Any
) -> None:
    assert codes(mso) == PLAIN
    consent = ward.recorded()
    assert codes(mso) == {*PLAIN, "drug0"}
    ended = ward.revoke(consent, reference="letter 9")["consent"]
    assert (ended["revokedBy"], ended["revocationReference"]) == ("officer", "letter 9")
    assert codes(mso) == PLAIN


def test_by_id_as_cursor_and_in_the_trail_it_is_like_any_labelled_record(
    world: Any, ward: Ward, mso: Any
) -> None:
    def labelled(session: Any) -> Any:
        return session.scalar(
            select(tables.Observation.id).where(tables.Observation.code == "drug0")
        )

    row_id = world.read(labelled)
    node = "query($id: ID!) { node(id: $id) { ... on Observation { code sensitivity } } }"
    after = "query($a: String) { observations(first: 1, after: $a) { nodes { code } } }"
    given = {"id": global_id("Observation", row_id)}
    assert mso.data(node, **given) == {"node": None}
    assert mso.code(after, a=row_id) == "NOT_FOUND"
    ward.recorded()
    assert mso.data(node, **given) == {"node": {"code": "drug0", "sensitivity": "SUD"}}
    assert mso.data(after, a=row_id)
    events = select(tables.AuditEvent).where(tables.AuditEvent.principal_name == "mso")
    found = [e.entities for e in world.read(lambda s: s.scalars(events).all())]
    assert {"Observation": 1, "Observation.sensitive": 1} in found


@pytest.mark.parametrize(
    ("terms", "purpose", "seen"),
    [
        ({"purpose": "PURCHASING"}, None, False),
        ({"purpose": "PURCHASING"}, "PURCHASING", True),
        ({"purpose": "OPERATIONS"}, None, True),
        ({"startsOn": "2026-03-02"}, None, True),
        ({"startsOn": "2026-03-03"}, None, False),
        ({"endsOn": "2026-03-02"}, None, False),
        ({"endsOn": "2026-03-03"}, None, True),
        ({"sensitivity": "ETH"}, None, False),
    ],
)
def test_it_counts_for_its_purpose_its_label_and_on_its_days(
    ward: Ward, mso: Any, terms: dict[str, str], purpose: str | None, seen: bool
) -> None:
    ward.recorded(**terms)
    assert codes(mso, purpose) == {*PLAIN, *(["drug0"] if seen else [])}


def test_it_opens_nothing_that_no_agreement_and_no_class_does(world: Any, ward: Ward) -> None:
    ward.recorded()
    plain = world.mso("plain", classes=READABLE_CLASSES - {DataClass.PHI_SENSITIVE})
    granted = world.mso("granted", classes=READABLE_CLASSES)
    assert codes(granted) == set()
    world.agreement(ward.practice, Domain.CLINICAL)
    assert codes(plain) == PLAIN
    other = Ward(world, "Other")
    world.agreement(other.practice, Domain.CLINICAL)
    assert granted.data("{ observations { totalCount } }")["observations"]["totalCount"] == 5


def test_it_counts_in_each_domain_that_an_agreement_opens(world: Any, ward: Ward) -> None:
    for number, patient in enumerate(ward.patients):
        world.add(
            tables.Charge(
                practice_id=ward.practice, patient_id=patient, service_date=date(2026, 3, 1),
                kind="charge", currency="USD", quantity=Decimal(1), procedure_code="c",
                external_id=f"c{number}",
                sensitivity="SUD",
            )
        )  # fmt: skip
    world.agreement(ward.practice, Domain.BILLING)
    mso = world.mso(classes=READABLE_CLASSES)
    text = "{ charges { totalCount nodes { sensitivity } } }"
    assert mso.data(text)["charges"]["totalCount"] == 0
    ward.recorded()
    found = mso.data(text)["charges"]
    assert found == {"totalCount": 1, "nodes": [{"sensitivity": "SUD"}]}


def test_the_mso_is_shown_the_consents_in_force_and_the_practice_all(ward: Ward, mso: Any) -> None:
    ward.revoke(ward.recorded(reference="first"))
    ward.recorded(reference="second", grantedOn="2026-03-02")
    ward.recorded(reference="other purpose", sensitivity="HIV", purpose="QUALITY")
    of_practice = ward.officer.data(REGISTER)["consents"]
    assert of_practice["totalCount"] == 3
    assert {node["reference"] for node in of_practice["nodes"]} == {
        "first", "second", "other purpose",
    }  # fmt: skip
    of_mso = mso.data(REGISTER)["consents"]
    assert [node["reference"] for node in of_mso["nodes"]] == ["second"]
    assert of_mso["totalCount"] == 1
    below = mso.data(UNDER)["patients"]["nodes"]
    assert sorted(len(each["consents"]["nodes"]) for each in below) == [0, 1]
    plain = ward.world.app(ward.practice, "plain")
    assert plain.data("{ consents { totalCount } }")["consents"]["totalCount"] == 0


def test_what_is_recorded_is_what_was_stated(ward: Ward) -> None:
    told = ward.record(purpose="OPERATIONS", endsOn="2027-03-01")["consent"]
    del told["id"]
    assert told == {
        "sensitivity": "SUD", "purpose": "OPERATIONS", "grantedOn": "2026-03-01",
        "startsAt": "2026-03-01T06:00:00.000000Z", "endsAt": "2027-03-01T06:00:00.000000Z",
        "reference": "cabinet 4", "recordedBy": "officer", "revokedAt": None,
        "patient": {"id": ward.patient},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"sensitivity": "N"}, "sensitivity"),
        ({"sensitivity": "nonsense"}, "sensitivity"),
        ({"sensitivity": "R"}, "sensitivity"),
        ({"grantedOn": "2026-03-03"}, "grantedOn"),
        ({"grantedOn": "0001-01-01"}, "grantedOn"),
        ({"startsOn": "2026-02-28"}, "startsOn"),
        ({"endsOn": "2026-03-01"}, "endsOn"),
        ({"reference": " "}, "reference"),
        ({"reference": "x" * 201}, "reference"),
    ],
)
def test_what_says_nothing_is_not_recorded(ward: Ward, change: dict[str, str], field: str) -> None:
    assert ward.record(**change)["errors"] == [{"code": "BAD_INPUT", "field": field}]
    assert ward.rows() == []


def test_one_consent_at_a_time_and_nothing_of_it_is_changed(ward: Ward) -> None:
    first = ward.recorded(purpose="PAYMENT", endsOn="2026-06-01")
    for more in ({}, {"purpose": "PAYMENT", "startsOn": "2026-05-31"}):
        assert ward.record(**more)["errors"][0]["code"] == "CONFLICT"
    ward.recorded(purpose="QUALITY")
    ward.recorded(purpose="PAYMENT", startsOn="2026-06-01")
    ward.revoke(first)
    assert ward.revoke(first)["errors"] == [{"code": "CONFLICT", "field": None}]
    ward.recorded(purpose="PAYMENT", endsOn="2026-06-01")
    assert len(ward.rows()) == 4


def test_only_the_practice_keeps_its_register(world: Any, ward: Ward, mso: Any) -> None:
    consent = ward.recorded()
    plain = world.app(ward.practice, "plain")
    reader = world.app(ward.practice, "reader", classes=READABLE_CLASSES, write=False)
    record = "mutation($i: RecordConsentInput!) { recordConsent(input: $i) { __typename } }"
    revoke = "mutation($i: RevokeConsentInput!) { revokeConsent(input: $i) { __typename } }"
    for api in (mso, plain, reader):
        assert api.code(record, i=ward.given(sensitivity="HIV")) == "FORBIDDEN"
        assert api.code(revoke, i={"consentId": consent}) == "FORBIDDEN"
    other = Ward(world, "Other")
    missing = [{"code": "NOT_FOUND", "field": "patientId"}]
    assert other.record(patientId=ward.patient)["errors"] == missing
    assert other.record(patientId=global_id("Patient", tables.new_id()))["errors"] == missing
    assert other.revoke(consent)["errors"] == [{"code": "NOT_FOUND", "field": "consentId"}]
    assert other.officer.data(REGISTER)["consents"]["totalCount"] == 0
    assert len(ward.rows()) == 1


def test_a_key_records_once_and_a_dry_run_nothing(ward: Ward) -> None:
    tried = ward.record(validateOnly=True)["consent"]
    assert tried["sensitivity"] == "SUD"
    assert ward.rows() == []
    assert ward.recorded(idempotencyKey="k") == ward.recorded(idempotencyKey="k")
    assert len(ward.rows()) == 1


def test_record_and_revocation_are_told_of_the_patient(ward: Ward) -> None:
    ward.revoke(ward.recorded())
    told = ward.officer.data(ACCESSES, id=ward.patient)["patientAccesses"]
    acts = [one["operation"] for one in told if one["action"] == "write"]
    assert sorted(acts) == ["consent record", "consent revoke"]


def test_who_may_not_read_labelled_records_is_not_told_of_accesses_to_them(
    ward: Ward, mso: Any
) -> None:
    one = """query($id: ID!) { node(id: $id) { ... on Patient { familyName
      observations { nodes { code } } } } }"""
    told = """query($id: ID!, $first: Int! = 100) { patientAccesses(patientId: $id, first: $first) {
      principalName operation entities } }"""
    plain = ward.world.app(ward.practice, "plain")
    plain.data(one, id=ward.patient)
    mso.data(one, id=ward.patient)
    consent = ward.recorded()
    ward.officer.data(one, id=ward.patient)
    ward.revoke(consent)
    of_officer = ward.officer.data(told, id=ward.patient)["patientAccesses"]
    assert {"consent record", "consent revoke"} < {each["operation"] for each in of_officer}
    assert any("Observation.sensitive" in each["entities"] for each in of_officer)
    for api in (plain, mso):
        seen = api.data(told, id=ward.patient)["patientAccesses"]
        assert sorted(each["principalName"] for each in seen) == ["mso", "officer", "plain"]
        assert all(each["entities"] == {"Patient": 1, "Observation": 1} for each in seen)
        assert api.data(told, id=ward.patient, first=1)["patientAccesses"] == seen[:1]


NUMBERS = Identifier("HOSP", "MR", "1"), Identifier("HOSP", "MR", "2")
MERGE = PatientMerge(Patient(NUMBERS[:1]), NUMBERS[1:])
UNMERGE = PatientUnmerge(NUMBERS[:1], NUMBERS[1:])


class Sender:
    """Tells the hub of both patients by numbers that they have there."""

    def __init__(self, ward: Ward) -> None:
        self.ward, self.connection = ward, tables.new_id()
        ward.world.add(
            tables.Connection(
                id=self.connection, name="ehr", connector_id="ehr_hl7v2", config={},
                created_at=ward.world.now,
            )
        )  # fmt: skip
        for patient, number in zip(ward.patients, NUMBERS, strict=True):
            ward.world.add(
                tables.PatientIdentifier(
                    practice_id=ward.practice, patient_id=patient,
                    authority=number.authority, type=number.type, value=number.value,
                )
            )  # fmt: skip

    def tell(self, data: object, minutes: int = 0) -> None:
        """As a message that came now and that says when it happened."""
        world, practice = self.ward.world, self.ward.practice
        context = ApplyContext(practice, self.connection, None, None, world.now, UTC, world.crypto)
        record = Record("K", data, world.now + timedelta(minutes=minutes))
        outcome = world.database.transaction(
            practice_scope(practice), lambda session: apply(session, context, record)
        )
        assert outcome == "changed", context.issues


def test_a_revocation_ends_what_a_merge_left_beside_it_too(ward: Ward, mso: Any) -> None:
    consent = ward.recorded()
    ward.recorded(patientId=global_id("Patient", ward.patients[1]), purpose="OPERATIONS")
    kept = ward.recorded(sensitivity="HIV")
    Sender(ward).tell(MERGE)
    assert codes(mso) == {*PLAIN, "drug0", "drug1", "viral0", "viral1"}
    ward.revoke(consent)
    assert codes(mso) == {*PLAIN, "viral0", "viral1"}
    ward.revoke(kept)
    assert codes(mso) == PLAIN


@pytest.mark.parametrize("before", [True, False])
def test_a_consent_to_a_merged_patient_s_records_shows_nobody_else_s_when_they_are_parted(
    ward: Ward, mso: Any, before: bool
) -> None:
    sender = Sender(ward)
    ward.recorded(sensitivity="HIV")
    if before:
        ward.grow_older()
    sender.tell(MERGE)
    if not before:
        ward.recorded(patientId=global_id("Patient", ward.patients[1]))
    sender.tell(UNMERGE, 2)
    assert codes(mso) == PLAIN | ({"viral0"} if before else set())


def test_what_parting_two_patients_revokes_is_told_of_them(ward: Ward) -> None:
    sender = Sender(ward)
    ward.recorded(sensitivity="HIV")
    ward.grow_older()
    sender.tell(MERGE)
    ward.recorded()
    sender.tell(UNMERGE, 1)
    told = ward.officer.data(ACCESSES, id=ward.patient)["patientAccesses"]
    assert [one["principalName"] for one in told if one["operation"] == "consent revoke"] == [
        "the hub"
    ]
    assert {row.revoked_by for row in ward.rows()} == {"", "a merge was undone"}


def test_a_merge_told_by_a_clock_that_is_ahead_is_not_later_than_the_consents_after_it(
    ward: Ward, mso: Any
) -> None:
    sender = Sender(ward)
    sender.tell(MERGE, minutes=60)
    ward.recorded(sensitivity="HIV")
    sender.tell(UNMERGE, minutes=70)
    assert codes(mso) == PLAIN


def test_an_export_reads_by_the_consents_of_its_moment(
    world: Any, ward: Ward, mso: Any, tmp_path: Any
) -> None:
    office = Office(world, tmp_path)
    exporter = world.mso("exporter", classes=READABLE_CLASSES, export=True)
    consent, lines = ward.recorded(), []
    for _ in range(2):
        begun = start(exporter, CODES)
        office.run()
        got = exporter.http.get(begun["downloadPath"], headers=exporter.headers)
        lines.append(got.text.count("drug0"))
        if len(lines) == 1:
            ward.revoke(consent)
    assert lines == [1, 0]


def test_the_hubs_own_statements_ask_for_consents_too(world: Any, ward: Ward, mso: Any) -> None:
    def seen() -> tuple[set[str], set[str], int]:
        with world.database.read(ALL) as session:
            scope = load_scope(session, principal, Purpose.OPERATIONS, world.now)
        other = aliased(tables.Observation)
        with world.database.read(scope) as session:
            plain = set(session.scalars(select(tables.Observation.code)))
            joined = select(other.code).join(tables.Consent, tables.Consent.id != other.id)
            consents = session.scalars(select(tables.Consent)).all()
            return plain, set(session.scalars(joined)), len(consents)

    of_mso = select(tables.Client).where(tables.Client.name == "mso")
    principal = world.read(lambda s: principal_of(s.scalars(of_mso).one()))
    assert seen() == (PLAIN, set(), 0)
    consent = ward.recorded()
    assert seen() == ({*PLAIN, "drug0"}, {*PLAIN, "drug0"}, 1)
    ward.revoke(consent)
    assert seen() == (PLAIN, set(), 0)


def test_an_answer_that_consents_decide_is_never_kept(ward: Ward, mso: Any) -> None:
    ward.recorded()
    for text in ("{ observations { totalCount } }", "{ consents { totalCount } }"):
        answer = mso.http.request("QUERY", "/graphql", json={"query": text}, headers=mso.headers)
        assert answer.headers["Cache-Control"] == "no-store"
        assert "ETag" not in answer.headers


def test_what_is_kept_of_rights_is_looked_up_again_when_a_day_may_begin(world: Any) -> None:
    now = world.now
    assert next_midnight_anywhere(now) == now + timedelta(minutes=15)
    last = now + timedelta(minutes=14, seconds=59)
    assert next_midnight_anywhere(last) == now + timedelta(minutes=15)


def test_the_register_is_asked_by_its_index_and_never_read_whole(
    world: Any, ward: Ward, mso: Any
) -> None:
    planner = world.mso("planner", classes=READABLE_CLASSES, developer=True)
    body = {"query": "{ patients { nodes { observations { totalCount nodes { code } } } } }"}
    answer = planner.raw({**body, "extensions": {"plan": True}}).json()
    reads = [r for r in answer["extensions"]["plan"]["reads"] if r["table"] == "consents"]
    assert reads
    for read in reads:
        assert (read["index"] is not None, read["scanned"]) == (True, False)
