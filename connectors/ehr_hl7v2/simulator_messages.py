"""What a simulated EHR writes: HL7 v2.5.1 messages from templates, for synthetic people only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class Provider:
    """A clinician of a practice."""

    npi: str
    family: str
    given: str


@dataclass(frozen=True, slots=True)
class Member:
    """What a patient's insurance card says."""

    payer_code: str
    payer_name: str
    member_id: str
    plan_name: str = "Choice PPO"
    group_number: str = "G-1000"


@dataclass(frozen=True, slots=True)
class FacilityFeed:
    """One practice as its EHR names it in MSH. `specialty` practices admit (A01), others
    register.
    """

    sending_application: str
    facility_code: str
    receiving_application: str
    receiving_facility: str
    practice_name: str
    zone: str
    providers: tuple[Provider, ...]
    specialty: bool = False


@dataclass(frozen=True, slots=True)
class Person:
    """A synthetic patient; `mrn` is the medical record number, `visit` the visit's number."""

    mrn: str
    family: str
    given: str
    sex: str
    birth_date: str
    street: str
    city: str
    state: str
    postal_code: str
    phone: str
    member: Member
    visit: str
    provider: Provider


@dataclass(frozen=True, slots=True)
class Header:
    """MSH of one message; `at` is local to the feed's zone and sent with its offset."""

    feed: FacilityFeed
    control_id: str
    at: datetime

    def stamp(self, at: datetime | None = None) -> str:
        """HL7 TS to the second with the offset of the feed's zone."""
        local = (at or self.at).replace(tzinfo=ZoneInfo(self.feed.zone))
        return local.strftime("%Y%m%d%H%M%S%z")

    def msh(self, event: str, structure: str) -> str:
        feed, kind = self.feed, event.replace("_", "^")
        return _segment(
            "MSH|^~\\&",
            feed.sending_application,
            feed.facility_code,
            feed.receiving_application,
            feed.receiving_facility,
            self.stamp(),
            "",
            f"{kind}^{structure}",
            self.control_id,
            "P",
            "2.5.1",
            *[""] * 5,
            "UNICODE UTF-8",
        )


def _segment(*fields: str) -> str:
    return "|".join(fields).rstrip("|")


def _join(*segments: str) -> bytes:
    return ("\r".join(segment for segment in segments if segment) + "\r").encode()


def _xcn(provider: Provider) -> str:
    return f"{provider.npi}^{provider.family}^{provider.given}^^^^^^NPI^L^^^NPI"


def pid(feed: FacilityFeed, who: Person) -> str:
    return _segment(
        "PID|1|",
        f"{who.mrn}^^^{feed.facility_code}^MR",
        "",
        f"{who.family}^{who.given}^^^^^L",
        "",
        who.birth_date,
        who.sex,
        "",
        "",
        f"{who.street}^^{who.city}^{who.state}^{who.postal_code}^USA^H",
        "",
        f"^PRN^PH^^1^{who.phone[:3]}^{who.phone[3:]}",
        "",
        "en",
        *[""] * 2,
        who.visit,
    )


def pv1(feed: FacilityFeed, who: Person, started: str, ended: str = "") -> str:
    kind, room = ("I", "SURG^02^A") if feed.specialty else ("O", "CLINIC^1")
    fields = [""] * 45
    fields[0:3] = ["1", kind, f"{room}^{feed.facility_code}"]
    fields[6] = _xcn(who.provider)
    fields[18] = who.visit
    fields[35] = "01" if ended else ""
    fields[43:45] = [started, ended]
    return _segment("PV1", *fields)


def in1(who: Person) -> str:
    member = who.member
    fields = [""] * 36
    fields[0:4] = ["1", f"PLAN^{member.plan_name}", member.payer_code, member.payer_name]
    fields[7] = member.group_number
    fields[11] = "20260101"
    fields[15:18] = [f"{who.family}^{who.given}", "SEL^Self^HL70063", who.birth_date]
    fields[35] = member.member_id
    return _segment("IN1", *fields)


def adt(event: str, head: Header, who: Person, started: datetime, ended: bool = False) -> bytes:
    """A01, A04, A08 or A03 with the patient, the visit and, while it lasts, the insurance."""
    structure = {"A03": "ADT_A03"}.get(event, "ADT_A01")
    return _join(
        head.msh(f"ADT_{event}", structure),
        _segment("EVN", "", head.stamp()),
        pid(head.feed, who),
        pv1(head.feed, who, head.stamp(started), head.stamp() if ended else ""),
        "" if ended else in1(who),
    )


def merge(head: Header, survivor: Person, prior: Person) -> bytes:
    return _join(
        head.msh("ADT_A40", "ADT_A39"),
        _segment("EVN", "", head.stamp()),
        pid(head.feed, survivor),
        f"MRG|{prior.mrn}^^^{head.feed.facility_code}^MR||||||{prior.family}^{prior.given}",
    )


def siu(event: str, head: Header, who: Person, number: str, starts: datetime) -> bytes:
    """S12, S13 or S15; the appointment's time is local and without offset."""
    local = starts.strftime("%Y%m%d%H%M%S")
    status = "Cancelled" if event == "S15" else "Booked"
    sch = [""] * 25
    sch[0:2] = [f"P{number}", f"{number}^{head.feed.sending_application}"]
    sch[5:11] = ["ROUTINE", "FOLLOWUP^Follow-up visit", "OFFICE", "30", "MIN", f"^^30^{local}"]
    sch[24] = status
    return _join(
        head.msh(f"SIU_{event}", "SIU_S12"),
        _segment("SCH", *sch),
        pid(head.feed, who),
        "RGS|1|A",
        f"AIS|1|A|FOLLOWUP^Follow-up visit|{local}|||30|MIN",
        f"AIL|1|A|CLINIC^1^^{head.feed.facility_code}",
        f"AIP|1|A|{_xcn(who.provider)}",
    )


def oru(head: Header, who: Person, number: str, results: Sequence[tuple[str, ...]]) -> bytes:
    """R01; each result is code, name, value, unit, range, flag (LOINC codes)."""
    lines = [
        f"OBX|{order}|NM|{code}^{name}^LN||{value}|{unit}|{span}|{flag}|||F|||{head.stamp()}"
        for order, (code, name, value, unit, span, flag) in enumerate(results, start=1)
    ]
    fasting = "NTE|1||Drawn in the morning, patient fasting."
    return _join(
        head.msh("ORU_R01", "ORU_R01"),
        pid(head.feed, who),
        pv1(head.feed, who, head.stamp()),
        f"ORC|RE|O{number}|{number}",
        f"OBR|1|O{number}|{number}|24323-8^Comprehensive metabolic panel^LN|||{head.stamp()}"
        "|||||||||||||||||F",
        *lines,
        fasting,
    )


def dft(head: Header, who: Person, number: str, code: str, amount: Decimal) -> bytes:
    day = head.at.strftime("%Y%m%d")
    ft1 = [""] * 26
    ft1[0:2] = ["1", number]
    ft1[3:7] = [day, day, "CG", f"{code}^^C4"]
    ft1[9:11] = ["1", f"{amount}&USD"]
    ft1[18:20] = ["Z00.00^^I10", _xcn(who.provider)]
    ft1[24] = f"{code}^^C4"
    return _join(
        head.msh("DFT_P03", "DFT_P03"),
        _segment("EVN", "", head.stamp()),
        pid(head.feed, who),
        pv1(head.feed, who, head.stamp()),
        _segment("FT1", *ft1),
    )


def unsupported(head: Header, who: Person) -> bytes:
    """An allergy update by A60, an event the hub does not read."""
    return _join(
        head.msh("ADT_A60", "ADT_A60"), _segment("EVN", "", head.stamp()), pid(head.feed, who)
    )


def with_bad_birth_date(who: Person) -> Person:
    return replace(who, birth_date="19851345")


def morning(day: date, minutes: int) -> datetime:
    """A local wall-clock time, `minutes` after eight; the zone is the feed's."""
    return datetime(day.year, day.month, day.day, 8) + timedelta(minutes=minutes)  # noqa: DTZ001
