"""The EHR connector against its fixtures, its dialect, and its simulator's traffic."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from dataclasses import asdict
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import pytest
from pydantic import ValidationError

from connectors.ehr_hl7v2 import events, parse
from connectors.ehr_hl7v2.config import Config, ValueMaps
from connectors.ehr_hl7v2.connector import connector
from connectors.ehr_hl7v2.events import EventRules
from connectors.ehr_hl7v2.fields import FIELDS
from connectors.ehr_hl7v2.simulator import (
    FacilityFeed,
    Member,
    Provider,
    TrafficMessage,
    generate,
)
from connectors.sdk.base import DocumentParser, ParsedDocument, RawDocument
from hub.domain.coverage import CoverageList
from hub.domain.encounters import Encounter
from hub.domain.observations import ObservationReport
from hub.domain.patients import Patient, PatientMerge
from hub.domain.scheduling import Appointment
from hub.errors import Rejected

FIXTURES = Path(__file__).parents[2] / "fixtures" / "ehr_hl7v2"
CASES = sorted(path.stem for path in FIXTURES.glob("*.hl7"))
T = TypeVar("T")
CHICAGO = Config(zone="America/Chicago")
FEEDS = [
    FacilityFeed(
        application,
        code,
        "MSOHUB",
        f"TO{code}",
        f"Practice {code}",
        zone,
        (Provider("1234567893", "Reyes", "Ana"), Provider("1000000004", "Stone", "Ray")),
        specialty,
    )
    for application, code, zone, specialty in (
        ("EHRA", "FAC1", "America/Chicago", False),
        ("EHRB", "FAC2", "America/New_York", True),
    )
]
MEMBERS = [Member("60054", "Simulated Payer", f"M{number:03d}") for number in range(5)]
DAY = date(2026, 3, 2)


def raw(case: str) -> bytes:
    return (FIXTURES / f"{case}.hl7").read_bytes()


def read(content: bytes, config: Config = CHICAGO, **headers: str) -> ParsedDocument:
    return connector.parse(config, RawDocument(content, headers=headers))


def of(parsed: ParsedDocument, kind: type[T]) -> T:
    """The data of the only record of that kind."""
    (found,) = (record.data for record in parsed.records if isinstance(record.data, kind))
    return found


def plain(parsed: ParsedDocument) -> Any:
    def value(found: object) -> str:
        if isinstance(found, Decimal):
            return str(found)
        assert isinstance(found, date | datetime)
        return found.isoformat()

    document: dict[str, Any] = {
        "ignored": parsed.ignored,
        "issues": [asdict(issue) for issue in parsed.issues],
        "records": [
            {"record": type(record.data).__name__, **asdict(record)} for record in parsed.records
        ],
    }
    for written in document["records"]:
        if written["sensitivity"] is None:
            del written["sensitivity"]
        if not written["cleared"]:
            del written["cleared"]
    return json.loads(json.dumps(document, default=value))


@pytest.mark.parametrize("case", CASES)
def test_a_fixture_gives_the_expected_records(case: str) -> None:
    expected = json.loads((FIXTURES / f"{case}.expected.json").read_text())
    assert plain(read(raw(case))) == expected


@pytest.mark.parametrize("case", CASES)
def test_a_fixture_states_its_origin_and_digest(case: str) -> None:
    meta = tomllib.loads((FIXTURES / f"{case}.meta.toml").read_text())
    assert meta["origin"] == "synthetic"
    assert meta["author"]
    assert meta["document"]
    assert meta["sha256"] == hashlib.sha256(raw(case)).hexdigest()


def test_the_connector_is_a_document_parser_whose_events_are_all_mapped() -> None:
    assert isinstance(connector, DocumentParser)
    assert set(parse.MAPPINGS) == events.EVENTS
    assert not events.EVENTS & events.IGNORED


def test_an_unmapped_event_is_rejected_and_an_ignored_one_is_not_read() -> None:
    with pytest.raises(Rejected, match="not supported") as caught:
        read(raw("adt_a04").replace(b"ADT^A04", b"ADT^A60"))
    assert caught.value.path == "MSH-9"
    assert read(raw("adt_a04").replace(b"ADT^A04", b"ADT^A10")).ignored


def test_a_message_without_a_patient_is_rejected_without_quoting_it() -> None:
    content = raw("siu_s12").replace(b"00481516^^^LAKEVIEW&1.3.6.1.4.1.55555.1&ISO^MR", b"")
    with pytest.raises(Rejected) as caught:
        read(content)
    assert caught.value.reason == "patient_missing"
    assert "Okonkwo" not in str(caught.value)


def test_a_social_security_number_is_never_the_key_of_a_patient() -> None:
    only_ssn = raw("adt_a28").replace(b"00481516^^^LAKEVIEW&1.3.6.1.4.1.55555.1&ISO^MR~", b"")
    with pytest.raises(Rejected) as caught:
        read(only_ssn)
    assert caught.value.reason == "patient_missing"


def test_the_dialect_renames_authorities_codes_and_events() -> None:
    config = Config(
        zone="America/Chicago",
        authority={"LAKEVIEW": "lakeview-clinic"},
        values=ValueMaps(sex={"F": "other"}),
        events=EventRules(alias={"ADT^Z99": "ADT^A28"}, ignore=("ADT^A31",)),
    )
    content = (
        raw("latin1").replace(b"ADT^A28", b"ADT^Z99").replace(b"&1.3.6.1.4.1.55555.1&ISO", b"")
    )
    patient = read(content, config).records[0].data
    assert isinstance(patient, Patient)
    assert patient.identifiers[0].authority == "lakeview-clinic"
    assert patient.sex == "other"
    assert read(raw("adt_a31"), config).ignored


@pytest.mark.parametrize(
    "settings",
    [
        {"zone": "Central"},
        {"charset_fallback": "klingon"},
        {"member_id": ("IN1",)},
        {"member_id": ("36.1",)},
        {"version_alias": {"2.3.2": "9.9"}},
        {"unheard_of": 1},
        {"field": {"patient.shoe_size": ["PID-40"]}},
        {"field": {"patient.language": []}},
        {"field": {"patient.language": ["15.1"]}},
        {"field": {"patient.language": ["PID-15.1 when PID-8"]}},
        {"unread": ["zp"]},
        {"events": {"alias": {"ADT^Z99": "ADT^Q99"}}},
    ],
)
def test_a_dialect_that_cannot_work_is_refused_when_it_is_set(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Config(**settings)


@pytest.mark.parametrize("sent", [b"|2.7|", b"|2.6|"])
def test_the_truncation_character_is_text_before_2_7(sent: bytes) -> None:
    parsed = read(raw("adt_a31_truncated").replace(b"|2.7|", sent))
    cut = [issue.path for issue in parsed.issues if issue.code == "values_truncated"]
    assert cut == (["PID-5,PID-11"] if sent == b"|2.7|" else [])


def test_a_social_security_number_of_its_own_field_is_in_no_record_and_no_issue() -> None:
    assert b"900990000" in raw("adt_a31_truncated")
    assert "900990000" not in json.dumps(plain(read(raw("adt_a31_truncated"))))
    assert "PID-19" not in json.dumps(plain(read(raw("adt_a31_truncated"))))


def test_the_zone_of_the_document_overrides_that_of_the_connection() -> None:
    content = raw("siu_s12").replace(b"20260302091500-0600", b"20260302091500")
    appointment = read(content, zone="America/Los_Angeles").records[0].data
    assert isinstance(appointment, Appointment)
    assert appointment.starts_at is not None
    assert appointment.starts_at.utcoffset() == timedelta(hours=-7)
    with pytest.raises(Rejected):
        read(content, zone="Nowhere/Else")


def test_a_foreign_offset_in_the_header_holds_for_times_without_one() -> None:
    content = raw("siu_s12").replace(b"20260302091500-0600", b"20260302091500+0100")
    appointment = read(content).records[0].data
    assert isinstance(appointment, Appointment)
    assert appointment.starts_at is not None
    assert appointment.starts_at.utcoffset() == timedelta(hours=1)


def test_absent_insurance_changes_nothing_and_a_null_segment_clears_the_list() -> None:
    names = [type(record.data).__name__ for record in read(raw("adt_a01")).records]
    assert names == ["Patient", "PatientDetails", "Encounter"]
    assert of(read(raw("adt_a08")), CoverageList).coverages == ()


def test_an_update_never_reopens_a_visit() -> None:
    encounter = of(read(raw("adt_a08")), Encounter)
    assert encounter.status is None


def test_segments_that_nobody_reads_are_named_once_unless_the_dialect_expects_them() -> None:
    content = (
        raw("adt_a02").replace(b"|||SURG", b"||OLD|SURG")
        + b"ZPD|1|Basalt\rDB1|1|PT\rZPD|2|Cobalt\r"
    )
    parsed = read(content)
    assert [(issue.code, issue.path) for issue in parsed.issues] == [
        ("segments_not_read", "DB1,ZPD"),
        ("fields_not_read", "PV1-5"),
    ]
    assert read(content, Config(unread=("ZPD", "DB1", "PV1-5"))).issues == ()


def test_the_dialect_moves_fields_to_other_places() -> None:
    config = Config(
        field={
            "visit.number": ("ZVN-2",),
            "visit.class": ("=E",),
            "visit.hospital_service": ("ZVN-3 when ZVN-1 = S", "PV1-10"),
        },
        unread=("ZVN",),
    )
    parsed = read(raw("adt_a02") + b"ZVN|S|0099|CARD\rZVN|S|0100\r", config)
    (visit,) = parsed.records
    assert isinstance(visit.data, Encounter)
    assert visit.external_id == "0099"
    assert (visit.data.encounter_class, visit.data.hospital_service) == ("emergency", "CARD")
    (other,) = read(raw("adt_a02") + b"ZVN|T|0099|CARD\r", config).records
    assert isinstance(other.data, Encounter)
    assert other.data.hospital_service is None


def test_a_merge_pairs_the_numbers_of_every_authority() -> None:
    content = raw("adt_a40").split(b"\r")
    at = next(n for n, line in enumerate(content) if line.startswith(b"PID|"))
    content[at:] = [
        b"PID|1||11^^^NORTH^MR~21^^^SOUTH^MR||Reed^Ann",
        b"MRG|12^^^NORTH^MR~22^^^SOUTH^MR",
    ]
    merge = of(read(b"\r".join(content)), PatientMerge)
    named = lambda found: {(one.authority, one.value) for one in found}  # noqa: E731
    assert named(merge.survivor.identifiers) == {("NORTH", "11"), ("SOUTH", "21")}
    assert named(merge.prior) == {("NORTH", "12"), ("SOUTH", "22")}


def test_a_member_id_is_never_taken_from_another_coverage() -> None:
    config = Config(member_id=("IN2-61.1",))
    insured = of(read(raw("adt_a04"), config), CoverageList)
    assert [one.member_id for one in insured.coverages] == ["GLM0098213", ""]


def test_the_same_charge_without_a_number_keeps_its_key() -> None:
    first, second = (read(raw("dft_p03")).records[1].external_id for _ in range(2))
    assert first == second


def traffic(seed: int = 7, day: date = DAY) -> list[TrafficMessage]:
    practices = generate(FEEDS, MEMBERS, seed=seed, base_date=day)
    return [message for practice in practices for message in practice.messages]


def test_the_same_seed_and_day_give_the_same_bytes_and_others_give_others() -> None:
    assert traffic() == traffic()
    ours = {message.content for message in traffic()}
    assert not ours & {message.content for message in traffic(seed=8)}
    assert not ours & {message.content for message in traffic(day=DAY + timedelta(days=1))}


def test_simulated_traffic_holds_every_kind_of_message_and_fault() -> None:
    messages = traffic()
    assert {message.event for message in messages if message.label == "good"} >= {
        "A01", "A03", "A04", "A08", "A40", "S12", "S13", "S15", "R01", "P03",
    }  # fmt: skip
    labels = [message.label for message in messages]
    assert labels.count("malformed") == labels.count("wrong_practice") == 4
    assert labels.count("duplicate") == labels.count("bad_date") == 2
    assert labels.count("unsupported_event") == 2


def test_simulated_messages_are_read_without_issues_but_for_the_bad_dates() -> None:
    for message in traffic():
        if message.expected != "AA":
            continue
        parsed = read(message.content)
        found = [*parsed.issues, *(issue for one in parsed.records for issue in one.issues)]
        assert parsed.records
        assert {issue.code for issue in found} - {"fields_not_read"} == (
            {"bad_date"} if message.label == "bad_date" else set()
        )


def test_simulated_appointments_lie_two_days_ahead_or_later() -> None:
    days = set()
    for message in traffic():
        if message.event.startswith("S"):
            appointment = read(message.content).records[0].data
            assert isinstance(appointment, Appointment)
            assert appointment.starts_at is not None
            days.add(appointment.starts_at.date())
    assert min(days) == DAY + timedelta(days=2)
    assert max(days) > DAY + timedelta(days=6)


def test_every_member_offered_is_used_when_there_are_patients_enough() -> None:
    body = b"".join(message.content for message in traffic())
    assert all(member.member_id.encode() in body for member in MEMBERS)


def test_the_reference_names_every_field_with_its_places_and_every_event() -> None:
    page = (FIXTURES.parents[1] / "docs" / "reference" / "hl7-messages.md").read_text()
    for name, places in FIELDS.items():
        assert f"| `{name}` | {', '.join(places)} |" in page
    rows = [line for line in page.splitlines() if re.match(r"\| [A-Z]{3} ", line)]
    named = set()
    for row in rows:
        for kind, listed in re.findall(
            r"([A-Z]{3}) ((?:[A-Z]\d\d(?: to |, )?)+)", row.split("|")[1]
        ):
            codes = re.findall(r"[A-Z]\d\d", listed)
            if " to " in listed:
                first, last = re.findall(r"([A-Z]\d\d) to ([A-Z]\d\d)", listed)[0]
                codes += [f"{first[0]}{n:02}" for n in range(int(first[1:]), int(last[1:]) + 1)]
            named |= {f"{kind}^{code}" for code in codes}
    assert named == events.EVENTS


def test_the_senders_own_codes_go_before_the_tables() -> None:
    config = Config(
        values=ValueMaps(
            encounter_class={"I": "outpatient"},
            observation_status={"F": "preliminary"},
            appointment_status={"Booked": "completed"},
        )
    )
    visit = of(read(raw("adt_a02"), config), Encounter)
    assert visit.encounter_class == "outpatient"
    assert of(read(raw("siu_s14"), config), Appointment).status == "completed"
    (report, *_) = read(raw("oru_r01"), config).records
    assert isinstance(report.data, ObservationReport)
    assert report.data.observations[0].status == "preliminary"


def test_a_dialect_that_names_no_field_says_which_was_meant() -> None:
    with pytest.raises(ValidationError, match=r"did you mean patient\.language\?"):
        Config(field={"patient.languages": ("PID-15",)})


@pytest.mark.parametrize(("field", "member_id"), [(6, "1EG4TE5MK73"), (8, "MCD-0042")])
def test_medicare_and_medicaid_numbers_stand_in_for_a_missing_member_id(
    field: int, member_id: str
) -> None:
    in2 = "IN2|" + "|" * (field - 1) + member_id
    insurance = f"IN1|1|MCR|00431|Federal Program\r{in2}\r".encode()
    insured = of(read(raw("adt_a01") + insurance), CoverageList)
    assert [one.member_id for one in insured.coverages] == [member_id]


@pytest.mark.parametrize("number", ["1E-400", "1E+9999999", "0." + "1" * 100, "NaN"])
def test_a_number_that_cannot_be_kept_is_an_issue_and_the_rest_is_read(number: str) -> None:
    parsed = read(raw("oru_r01").replace(b"104.50", number.encode()))
    report = next(one.data for one in parsed.records if isinstance(one.data, ObservationReport))
    assert report.observations[0].value_number is None
    assert report.observations[0].value_text == number
    issues = [issue for record in parsed.records for issue in (*record.issues, *parsed.issues)]
    assert "bad_number" in {issue.code for issue in issues}


def test_a_message_without_a_type_is_read_as_the_dialect_says() -> None:
    content = raw("adt_a28").replace(b"ADT^A28^ADT_A05", b"")
    with pytest.raises(Rejected):
        read(content)
    agreed = Config(zone="America/Chicago", default={"MSH-9": "ADT^A28"})
    assert read(content, agreed).records == read(raw("adt_a28")).records


def test_a_result_before_any_order_is_told_of_and_takes_no_other_along() -> None:
    stray = b"OBX|1|NM|2345-7^Glucose^LN||90|mg/dL||||F\r"
    content = raw("oru_r01")
    place = content.index(b"OBR|")
    parsed = read(content[:place] + stray + content[place:])
    told = [issue.path for record in parsed.records for issue in record.issues]
    assert "report_missing" in {i.code for record in parsed.records for i in record.issues}
    assert "OBX" in told
    assert [record.data for record in parsed.records] == [r.data for r in read(content).records]
    alone = read(content[:place] + stray)
    assert [issue.code for issue in alone.issues if issue.path == "OBX"] == ["report_missing"]
    assert alone.records == ()


def test_a_note_of_a_report_has_no_place_and_is_told_of() -> None:
    content = raw("oru_r01")
    place = content.index(b"OBX|")
    parsed = read(content[:place] + b"NTE|1||Fasting not confirmed\r" + content[place:])
    codes = [issue.code for record in parsed.records for issue in record.issues]
    assert codes.count("note_unplaced") == 1
    assert [record.data for record in parsed.records] == [r.data for r in read(content).records]


@pytest.mark.parametrize(
    ("case", "sent", "instead", "path", "status"),
    [
        ("mfn_m02", "|A|", "|SABBATICAL|", "STF-7", None),
        ("vxu_v04", "|CP|A", "|CP|MOVE", "RXA-21", "completed"),
    ],
)
def test_a_code_in_no_table_that_could_end_a_record_is_an_issue_and_ends_nothing(
    case: str, sent: str, instead: str, path: str, status: str | None
) -> None:
    content = raw(case).replace(sent.encode(), instead.encode(), 1)
    assert content != raw(case)
    record = read(content).records[0]
    assert ("unknown_code", path) in {(issue.code, issue.path) for issue in record.issues}
    assert getattr(record.data, "status", None) in {status, "active"}
