"""What a message says is read or named on it, and what it leaves out changes nothing."""

from __future__ import annotations

from typing import Any, TypeVar

import pytest

from connectors.ehr_hl7v2.config import Config
from connectors.ehr_hl7v2.connector import connector
from connectors.sdk.base import ParsedDocument, RawDocument
from hub.domain.coverage import CoverageList
from hub.domain.encounters import Encounter
from hub.domain.patient_details import PatientDetails
from hub.domain.patients import Patient, PatientMerge
from hub.domain.scheduling import Appointment

PID = "PID|1||7^^^HOSP^MR||Harbour^Iris||19800101|F"
PV1 = "PV1|1|O" + "|" * 17 + "V1"
SCH = "SCH||F1" + "|" * 9 + "^^^20260301100000" + "|" * 14
T = TypeVar("T")


def read(event: str, *segments: str, version: str = "2.5.1", **dialect: Any) -> ParsedDocument:
    head = f"MSH|^~\\&|EHR|N|HUB|N|20260302080000-0600||{event}|1|P|{version}"
    content = "\r".join([head, *segments, ""]).encode()
    return connector.parse(Config(**dialect), RawDocument(content))


def every(parsed: ParsedDocument, kind: type[T]) -> list[T]:
    return [record.data for record in parsed.records if isinstance(record.data, kind)]


def issues(parsed: ParsedDocument) -> set[tuple[str, str]]:
    found = [*parsed.issues, *(issue for one in parsed.records for issue in one.issues)]
    return {(issue.code, issue.path) for issue in found}


@pytest.mark.parametrize(
    ("event", "stated", "status"),
    [
        ("S12", "Pending", "booked"),
        ("S12", "Complete", "completed"),
        ("S13", "Noshow", "no_show"),
        ("S13", "", "booked"),
        ("S15", "Complete", "cancelled"),
        ("S16", "Booked", "discontinued"),
        ("S17", "Booked", "deleted"),
        ("S26", "Booked", "no_show"),
    ],
)
def test_the_status_stated_counts_unless_the_event_says_how_it_ended(
    event: str, stated: str, status: str
) -> None:
    (found,) = every(read(f"SIU^{event}", SCH + stated, PID), Appointment)
    assert found.status == status


def test_a_status_of_a_booking_in_no_table_is_named() -> None:
    assert ("unknown_code", "SCH-25") in issues(read("SIU^S12", SCH + "Zork", PID))


def test_every_prior_patient_behind_a_survivor_is_merged() -> None:
    merges = every(read("ADT^A40", PID, "MRG|8^^^HOSP^MR", "MRG|9^^^HOSP^MR"), PatientMerge)
    assert [(one.survivor.identifiers[0].value, one.prior[0].value) for one in merges] == [
        ("7", "8"),
        ("7", "9"),
    ]


def test_what_stands_behind_a_survivor_is_said_of_no_other() -> None:
    second = ("PID|2||5^^^HOSP^MR", "MRG|6^^^HOSP^MR")
    parsed = read("ADT^A40", PID, "PD1||||31^Reed", "MRG|8^^^HOSP^MR", *second)
    providers = [one.survivor.primary_provider for one in every(parsed, PatientMerge)]
    assert [who and who.external_id for who in providers] == ["31", None]


@pytest.mark.parametrize(
    ("segments", "path"),
    [
        ((PID, "PID|2||5^^^HOSP^MR", "MRG|6^^^HOSP^MR"), "PID"),
        ((PID, "MRG|6^^^HOSP^MR", "PID|2||5^^^HOSP^MR"), "PID"),
        (("MRG|6^^^HOSP^MR", PID, "MRG|8^^^HOSP^MR"), "MRG"),
    ],
)
def test_half_a_pair_of_a_merge_is_named(segments: tuple[str, ...], path: str) -> None:
    parsed = read("ADT^A40", *segments)
    assert len(every(parsed, PatientMerge)) == 1
    assert issues(parsed) == {("merge_incomplete", path)}


LISTS = ("NK1|1|Reed^Ann", "AL1|1||7980", "GT1|1|4", "IN1|1||60054", "IN2|1")


@pytest.mark.parametrize(
    ("event", "more", "named"),
    [
        *((event, LISTS, "AL1,GT1,IN1,IN2,NK1") for event in ("A02", "A06", "A07", "A11", "A13")),
        ("A31", ("PV2|||X", "DG1|1||I10", "PR1|1||X", "MRG|9"), "DG1,MRG,PR1,PV2"),
        ("A28", ("DG1|1||I10",), "DG1"),
        ("A08", ("MRG|9",), "MRG"),
        ("A02", ("MRG|9",), "MRG"),
        ("A40", ("MRG|9^^^HOSP^MR", *LISTS, "DG1|1||I10"), "AL1,DG1,GT1,IN1,IN2,NK1"),
    ],
)
def test_segments_that_an_event_is_not_read_for_are_named(
    event: str, more: tuple[str, ...], named: str
) -> None:
    assert issues(read(f"ADT^{event}", PID, PV1, *more)) == {("segments_not_read", named)}


def test_a_segment_in_which_the_dialect_placed_a_field_is_read() -> None:
    parsed = read("ADT^A02", PID, "PV1|1|O", "NK1|1|V9", field={"visit.number": ("NK1-2",)})
    assert parsed.records[0].external_id == "V9"
    assert issues(parsed) == set()


@pytest.mark.parametrize(
    ("event", "segments"),
    [
        ("A01", ()),
        ("A04", ("DG1|1||I10",)),
        ("A08", ("DG1|1||I10",)),
        ("A08", ("PV1|1|N", "PR1|1||X")),
    ],
)
def test_what_is_said_of_a_visit_without_one_is_named(
    event: str, segments: tuple[str, ...]
) -> None:
    assert issues(read(f"ADT^{event}", PID, *segments)) == {("visit_number_missing", "PV1-19")}
    assert issues(read("ADT^A08", PID)) == set()


def test_segments_with_a_number_alone_leave_their_lists_as_they_are() -> None:
    bare = ("NK1|1", PV1, "AL1|1||", "DG1|1", "PR1|1", "GT1|1", "IN1|1|")
    parsed = read("ADT^A08", PID, *bare)
    (details,), (visit,) = every(parsed, PatientDetails), every(parsed, Encounter)
    assert (details.contacts, details.allergies, details.guarantors) == (None, None, None)
    assert (visit.diagnoses, visit.procedures) == (None, None)
    assert every(parsed, CoverageList) == []
    assert issues(parsed) == set()


def coverage(in1: dict[int, str], in2: dict[int, str] | None = None) -> ParsedDocument:
    def line(name: str, fields: dict[int, str]) -> str:
        return "|".join([name, *(fields.get(at, "") for at in range(1, 73))])

    member = {1: "1", 3: "60054", 36: "M1"}
    return read("ADT^A31", PID, line("IN1", member | in1), *([line("IN2", in2)] if in2 else []))


@pytest.mark.parametrize(
    ("in1", "in2", "relationship", "path"),
    [
        ({17: "BRO"}, None, "other", ""),
        ({17: "XYZ"}, None, "other", "IN1-17.1"),
        ({}, {72: "06"}, "child", ""),
        ({}, {72: "18"}, "other", ""),
        ({}, {72: "ZZ"}, "other", "IN2-72"),
    ],
)
def test_a_relationship_in_no_table_is_named(
    in1: dict[int, str], in2: dict[int, str] | None, relationship: str, path: str
) -> None:
    parsed = coverage(in1, in2)
    ((found,),) = [one.coverages for one in every(parsed, CoverageList)]
    assert found.relationship == relationship
    assert issues(parsed) == ({("unknown_code", path)} if path else set())


@pytest.mark.parametrize("sent", ["99999999999", "1.5", "-1", "primary"])
def test_a_priority_that_no_database_keeps_is_named_and_left_out(sent: str) -> None:
    parsed = coverage({22: sent})
    assert every(parsed, CoverageList)[0].coverages[0].priority == 1
    assert issues(parsed) == {("bad_number", "IN1-22")}
    visit = read("ADT^A08", PID, PV1, "DG1|1||I10" + "|" * 12 + sent, "PR1|1||X" + "|" * 11 + sent)
    assert issues(visit) == {("bad_number", "DG1-15"), ("bad_number", "PR1-14")}
    (found,) = every(visit, Encounter)
    assert found.diagnoses is not None
    assert found.diagnoses[0].priority is None


def test_the_version_is_what_the_dialect_makes_of_it() -> None:
    pid = "PID|1||7^^^HOSP^MR|9^^^HOSP^PI"
    alias = {"V2.3": "2.3"}
    (who,) = every(read("ADT^A31", pid, version="V2.3", version_alias=alias), Patient)
    assert [one.value for one in who.identifiers] == ["7", "9"]


@pytest.mark.parametrize(
    ("pid", "version", "path"),
    [
        ("PID|1|8|7^^^HOSP^MR", "2.3", "PID-2"),
        ("PID|1||7^^^HOSP^MR|9", "2.3", "PID-4"),
        ("PID|1||7^^^HOSP^MR|9^^^HOSP^PI", "2.8", "PID-4"),
        ("PID|1||7^^^HOSP^MR|9^^^HOSP^PI", "2.3", ""),
        ("PID|1|7|7^^^HOSP^MR", "2.5.1", ""),
    ],
)
def test_a_number_beside_the_list_that_is_no_identifier_is_named(
    pid: str, version: str, path: str
) -> None:
    parsed = read("ADT^A31", pid, version=version)
    assert issues(parsed) == ({("identifier_not_read", path)} if path else set())


def test_repetitions_without_a_place_are_named() -> None:
    race, ethnicity = "||2106-3~2028-9", "|" * 12 + "H~N"
    parsed = read("ADT^A31", PID + race + ethnicity, "PD1||||31^Reed~32^Hall")
    assert issues(parsed) == {
        ("repetitions_not_read", path) for path in ("PID-10", "PID-22", "PD1-4")
    }


@pytest.mark.parametrize(("sent", "named"), [("YES", True), ("Y", False), ("U", False)])
def test_a_flag_that_is_neither_yes_nor_no_is_named(sent: str, named: bool) -> None:
    parsed = read("ADT^A31", PID + "|" * 22 + sent)
    assert issues(parsed) == ({("unknown_code", "PID-30")} if named else set())


def test_an_email_address_in_the_place_of_the_number_is_read() -> None:
    parsed = read("ADT^A31", PID + "|||||iris@patients.example^NET^Internet~5550142")
    (who,), (details,) = every(parsed, Patient), every(parsed, PatientDetails)
    assert (who.email, who.phone) == ("iris@patients.example", "5550142")
    assert details.telecoms is not None
    assert [one.kind for one in details.telecoms] == ["email", "phone"]


def test_an_appointment_begins_when_any_of_its_services_says_so() -> None:
    parsed = read("SIU^S12", "SCH||F1", PID, "AIS|1||X", "AIS|2||Y|20260301100000")
    (found,) = every(parsed, Appointment)
    assert found.starts_at is not None
    assert issues(parsed) == set()


def test_the_service_of_an_appointment_is_its_alternate_code_where_it_has_no_other() -> None:
    (found,) = every(read("SIU^S14", SCH, PID, "AIS|1||^^^C1^Consult^L"), Appointment)
    assert found.service_code == "C1"


def test_insurance_details_before_any_insurance_are_named() -> None:
    parsed = read("ADT^A31", PID, "IN2" + "|" * 61 + "M9", "IN1|1||60054")
    assert ("insurance_unplaced", "IN2") in issues(parsed)


def test_a_cancelled_discharge_takes_the_end_back_whatever_the_visit_was() -> None:
    parsed = read("ADT^A13", PID, PV1 + "|" * 26 + "20260301100000")
    (visit,) = every(parsed, Encounter)
    assert (visit.ends_at, visit.discharge_disposition) == (None, "")
    assert parsed.records[0].cleared == ("ends_at",)


@pytest.mark.parametrize(
    ("event", "kind", "day", "named"),
    [
        ("A05", "P", 2, False),
        ("A08", "P", 2, False),
        ("A08", "I", None, True),
        ("A01", "I", None, True),
    ],
)
def test_when_a_visit_is_expected_counts_as_long_as_it_is_planned(
    event: str, kind: str, day: int | None, named: bool
) -> None:
    planned = PV1.replace("|O|", f"|{kind}|"), "PV2" + "|" * 8 + "20260402"
    parsed = read(f"ADT^{event}", PID, *planned)
    (visit,) = every(parsed, Encounter)
    assert (visit.starts_at and visit.starts_at.day) == day
    assert issues(parsed) == ({("fields_not_read", "PV2-8")} if named else set())
