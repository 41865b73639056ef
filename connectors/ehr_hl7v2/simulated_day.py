"""A day of one practice with its own truth: admissions, moves, results, appointments, merges,
and what goes wrong on the way (repetitions, late and corrected messages, bad ones).

Each message carries the time of its event; it is sent at another one where it is late. What holds
at the end of the day is kept here, independent of how the hub reads messages.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

APPLICATION = "DAYEHR"
AUTHORITY = "DAY"
_TESTS = (("718-7", "Hemoglobin"), ("2345-7", "Glucose"))


@dataclass(frozen=True, slots=True)
class DayMessage:
    """`at` is when it is sent, `expected` the acknowledgement code it deserves."""

    at: datetime
    content: bytes
    control_id: str
    expected: Literal["AA", "AE", "AR"] = "AA"


@dataclass(slots=True)
class Visit:
    """`places` are where the patient was, in order."""

    mrn: str
    status: str
    places: list[str]


@dataclass(slots=True)
class Truth:
    """What holds at the end. Keys are the numbers the EHR gives; `merged` maps a number to the one
    its patient goes by now; `results` are by report and code."""

    streets: dict[str, str] = field(default_factory=dict)
    visits: dict[str, Visit] = field(default_factory=dict)
    appointments: dict[str, tuple[str, datetime]] = field(default_factory=dict)
    results: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    merged: dict[str, str] = field(default_factory=dict)


class Day:
    """The messages of a practice in the order they are sent, and the truth they tell.

    `refused` counts those that must not be taken, `repeated` those sent a second time.
    """

    def __init__(self, facility: str, begins: datetime, patients: int) -> None:
        self.facility = facility
        self.truth = Truth()
        self.refused = self.repeated = 0
        self._begins = begins.astimezone(UTC)
        self._count = 0
        self._messages: list[DayMessage] = []
        for number in range(patients):
            self._patient(number)
        self._bad()
        self.messages = self._with_repetitions(sorted(self._messages, key=lambda one: one.at))

    def _patient(self, number: int) -> None:
        mrn, start = f"{self.facility}{number:04d}", number * 3
        self._admission(number, mrn, start)
        self._appointment(number, mrn, start)
        self._results(number, mrn, start)
        self._addresses(number, mrn, start)
        if number % 10 == 9:
            self._merge(mrn, start)

    def _admission(self, number: int, mrn: str, start: int) -> None:
        visit, inpatient = f"V{mrn}", number % 2 == 0
        place = "W1" if inpatient else "DESK"
        self._adt("A01" if inpatient else "A04", mrn, start, visit=visit, place=place)
        truth = self.truth.visits[visit] = Visit(mrn, "in_progress", [place])
        if not inpatient:
            truth.status = "registered"
            return
        late = 90 if number % 4 == 0 else 0
        self._adt("A02", mrn, start + 60, visit=visit, place="W2", late=late)
        self._adt("A02", mrn, start + 120, visit=visit, place="W3")
        truth.places += ["W2", "W3"]
        if number % 6 == 0:
            self._adt("A03", mrn, start + 400, visit=visit, place="W3", ends=True)
            truth.status = "finished"

    def _appointment(self, number: int, mrn: str, start: int) -> None:
        key, begins = f"A{mrn}", self._begins + timedelta(days=3, minutes=15 * number)
        self._siu("S12", mrn, key, begins, start + 10)
        status = "booked"
        if number % 3 == 0:
            begins += timedelta(hours=5)
            self._siu("S13", mrn, key, begins, start + 200)
        if number % 7 == 2:
            self._siu("S15", mrn, key, begins, start + 300)
            self._siu("S14", mrn, key, begins, start + 250, late=120)
            status = "cancelled"
        self.truth.appointments[key] = (status, begins)

    def _results(self, number: int, mrn: str, start: int) -> None:
        report = f"R{mrn}"
        said = [("P", "10"), ("F", "11")] if number % 4 == 1 else [("F", "11")]
        if number % 6 == 0:
            said.append(("C", "12"))
        for step, (status, value) in enumerate(said):
            # A first value that was overtaken by its correction comes last.
            late = 300 if status == "F" and number % 12 == 0 else 0
            self._oru(mrn, report, status, value, start + 30 + 60 * step, late)
        names = {"P": "preliminary", "F": "final", "C": "corrected"}
        for code, _ in _TESTS:
            self.truth.results[report, code] = (names[said[-1][0]], said[-1][1])

    def _addresses(self, number: int, mrn: str, start: int) -> None:
        self._adt("A08", mrn, start + 500, street="2 New Street")
        if number % 5 == 0:
            self._adt("A08", mrn, start + 450, street="1 Old Street", late=120)
        self.truth.streets[mrn] = "2 New Street"

    def _merge(self, mrn: str, start: int) -> None:
        twin = f"T{mrn}"
        self._adt("A04", twin, start + 550, street="9 Twin Street", visit=f"V{twin}", place="DESK")
        self.truth.visits[f"V{twin}"] = Visit(twin, "registered", ["DESK"])
        body = f"PID|1||{mrn}^^^{AUTHORITY}^MR||Testperson^{mrn}", f"MRG|{twin}^^^{AUTHORITY}^MR"
        self._add("ADT^A40^ADT_A39", start + 700, f"EVN|A40|{self._time(start + 700)}", *body)
        self.truth.streets[twin] = "9 Twin Street"
        self.truth.merged[twin] = mrn

    def _adt(
        self,
        event: str,
        mrn: str,
        minute: int,
        *,
        street: str = "0 First Street",
        visit: str = "",
        place: str = "",
        ends: bool = False,
        late: int = 0,
    ) -> None:
        now = self._time(minute)
        pv1 = f"PV1|1|{'I' if place.startswith('W') else 'O'}|{place}" if visit else "PV1|1|N"
        if visit:
            pv1 += "|" * 16 + visit
            begun = "" if event in {"A02", "A03"} else now
            pv1 += "|" * 25 + begun + (f"|{now}" if ends else "")
        pid = f"PID|1||{mrn}^^^{AUTHORITY}^MR||Testperson^{mrn}||19790412|F|||{street}"
        structure = {"A02": "ADT_A02", "A03": "ADT_A03"}.get(event, "ADT_A01")
        self._add(f"ADT^{event}^{structure}", minute, f"EVN|{event}|{now}", pid, pv1, late=late)

    def _siu(
        self, event: str, mrn: str, key: str, begins: datetime, minute: int, late: int = 0
    ) -> None:
        at = begins.strftime("%Y%m%d%H%M%S+0000")
        self._add(
            f"SIU^{event}^SIU_S12",
            minute,
            f"SCH||{key}|||||||30|min|^^^{at}",
            f"PID|1||{mrn}^^^{AUTHORITY}^MR||Testperson^{mrn}",
            "RGS|1",
            f"AIL|1||ROOM 1|||{at}",
            late=late,
        )

    def _oru(self, mrn: str, report: str, status: str, value: str, minute: int, late: int) -> None:
        observed = self._time(minute)
        results = [
            f"OBX|{place}|NM|{code}^{name}^LN||{value}|g/dL|||||{status}|||{observed}"
            for place, (code, name) in enumerate(_TESTS, 1)
        ]
        pid = f"PID|1||{mrn}^^^{AUTHORITY}^MR||Testperson^{mrn}"
        obr = f"OBR|1||{report}|24323-8^Panel^LN|||{observed}"
        self._add("ORU^R01^ORU_R01", minute, pid, obr, *results, late=late)

    def _bad(self) -> None:
        """A sender that is elsewhere, an unknown type, and no message at all; in the middle."""
        pid = f"PID|1||BAD^^^{AUTHORITY}^MR||Nobody^No"
        for number in range(5):
            self._add("ADT^A04", 100 + number, pid, facility="ELSEWHERE", expected="AR")
            self._add("XXX^Q01", 200 + number, pid, expected="AR")
            self.refused += 2

    def _with_repetitions(self, messages: list[DayMessage]) -> list[DayMessage]:
        """Every ninth message comes twice in a row, and every fiftieth once more in the evening."""
        sent: list[DayMessage] = []
        for number, message in enumerate(messages):
            again = [message] if number % 9 == 0 and message.expected == "AA" else []
            sent += [message, *again]
            self.repeated += len(again)
        evening = [message for message in messages[::50] if message.expected == "AA"]
        self.repeated += len(evening)
        return sent + evening

    def _add(
        self,
        kind: str,
        minute: int,
        *segments: str,
        late: int = 0,
        facility: str = "",
        expected: Literal["AA", "AE", "AR"] = "AA",
    ) -> None:
        self._count += 1
        control_id = f"{self.facility}{self._count:06d}"
        msh = (
            f"MSH|^~\\&|{APPLICATION}|{facility or self.facility}|HUB|HUB|{self._time(minute)}||"
            f"{kind}|{control_id}|P|2.5.1"
        )
        content = "\r".join((msh, *segments)) + "\r"
        sent = self._begins + timedelta(minutes=minute + late)
        self._messages.append(DayMessage(sent, content.encode(), control_id, expected))

    def _time(self, minute: int) -> str:
        return (self._begins + timedelta(minutes=minute)).strftime("%Y%m%d%H%M%S+0000")
