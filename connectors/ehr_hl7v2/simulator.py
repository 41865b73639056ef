"""Simulated EHRs: a day of synthetic traffic per practice, faults included, and its sender.

The same seed, feeds, members and base date give the same bytes, control ids and times included.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Literal

from connectors.ehr_hl7v2 import simulator_messages as messages
from connectors.ehr_hl7v2.simulator_messages import FacilityFeed, Header, Member, Person, Provider
from connectors.sdk.hl7v2.client import MllpClient, Outcome

__all__ = [
    "FacilityFeed",
    "Member",
    "Outcome",
    "Provider",
    "Sent",
    "Traffic",
    "TrafficMessage",
    "generate",
    "send_all",
]

Label = Literal["good", "bad_date", "duplicate", "malformed", "wrong_practice", "unsupported_event"]

_FAMILIES: tuple[str, ...] = (
    "Alvarez",
    "Bennett",
    "Castillo",
    "Dubois",
    "Eriksen",
    "Granger",
    "Holloway",
)
_FAMILIES += ("Ibarra", "Jansen", "Kowalski", "Lindqvist", "Nakamura", "Okafor", "Sørensen")
_GIVEN = {
    "F": ("Amelia", "Beatriz", "Carmen", "Dana", "Elise", "Farah", "Greta", "Hana", "Ingrid"),
    "M": ("Adrian", "Boris", "Caleb", "Dmitri", "Emil", "Felix", "Gustavo", "Henrik", "Isaac"),
}
_STREETS = ("Maple Street", "Harbor Road", "Orchard Lane", "Mill Avenue", "Prospect Drive")
_PROCEDURES = (("99213", "128.00"), ("99214", "189.50"), ("36415", "12.75"), ("93000", "46.20"))
_TESTS = (
    ("2345-7", "Glucose", "mg/dL", "70-99", 68, 180),
    ("2951-2", "Sodium", "mmol/L", "136-145", 132, 148),
    ("2823-3", "Potassium", "mmol/L", "3.5-5.1", 3, 5),
    ("2160-0", "Creatinine", "mg/dL", "0.6-1.3", 0, 2),
)


@dataclass(frozen=True, slots=True)
class TrafficMessage:
    """One message to send. `expected` is the acknowledgement code of original mode it deserves."""

    label: Label
    event: str
    content: bytes
    expected: Literal["AA", "AE", "AR"] = "AA"


@dataclass(frozen=True, slots=True)
class Traffic:
    """What one practice sends, in order."""

    feed: FacilityFeed
    messages: tuple[TrafficMessage, ...]


@dataclass(frozen=True, slots=True)
class Sent:
    """A message and what came back."""

    feed: FacilityFeed
    message: TrafficMessage
    outcome: Outcome

    @property
    def as_expected(self) -> bool:
        return self.outcome.code == self.message.expected


def generate(
    feeds: Sequence[FacilityFeed],
    members: Sequence[Member],
    *,
    seed: int,
    base_date: date,
    faults: bool = True,
) -> list[Traffic]:
    """A day of traffic for every feed, dated `base_date` (local to each feed).

    Appointments are two days after and later; the third patient of a feed cancels theirs. Members
    are dealt out in their order over all patients of all feeds, six to each at least, so that each
    is used if there are patients enough. With `faults`, each feed also sends one message of every
    other label (two that are malformed, two for a wrong practice).
    """
    dealt = 0
    traffic: list[Traffic] = []
    for feed in feeds:
        day = _Day(feed, seed, base_date)
        people = day.people(members, dealt)
        dealt += len(people)
        day.life(people)
        if faults:
            day.faults(people, _foreign_facility(feed, feeds))
        traffic.append(Traffic(feed, tuple(day.messages)))
    return traffic


def _foreign_facility(feed: FacilityFeed, feeds: Sequence[FacilityFeed]) -> str:
    """A facility that the feed's application does not send for."""
    own = {f.facility_code for f in feeds if f.sending_application == feed.sending_application}
    return next((f.facility_code for f in feeds if f.facility_code not in own), "NOSUCHFACILITY")


class _Day:
    """The traffic of one practice while it is written."""

    def __init__(self, feed: FacilityFeed, seed: int, base_date: date) -> None:
        scope = f"{seed}|{feed.sending_application}|{feed.facility_code}|{base_date}"
        digest = hashlib.sha256(scope.encode()).hexdigest()
        self.feed = feed
        self.date = base_date
        self.messages: list[TrafficMessage] = []
        self._random = random.Random(digest)
        self._prefix = digest[:10].upper()
        self._minutes = 0

    def people(self, members: Sequence[Member], dealt: int) -> list[Person]:
        """Six to ten patients of the practice."""
        count = self._random.randint(6, 10)
        return [
            self._person(index, members[(dealt + index) % len(members)]) for index in range(count)
        ]

    def life(self, people: list[Person]) -> None:
        """Arrivals, appointments, results, moves, charges, departures and a merge.

        Those who move are changed in `people`, so that later messages keep the new address.
        """
        arrival = "A01" if self.feed.specialty else "A04"
        for who in people:
            self._add(arrival, messages.adt(arrival, self._header(), who, self._now()))
        for index, who in enumerate(people):
            self._appointments(index, who)
        for who in people[::2]:
            number = f"L{self._number()}"
            self._add("R01", messages.oru(self._header(), who, number, self._results()))
        for index in range(3):
            people[index] = replace(people[index], street=self._street(), phone=self._phone())
            moved = messages.adt("A08", self._header(), people[index], self._now())
            self._add("A08", moved)
        for who in people:
            code, price = self._random.choice(_PROCEDURES)
            charge = messages.dft(self._header(), who, f"T{self._number()}", code, Decimal(price))
            self._add("P03", charge)
        for who in people[: max(len(people) - 2, 1)]:
            self._add("A03", messages.adt("A03", self._header(), who, self._now(), ended=True))
        self._merge(people[-1])

    def faults(self, people: Sequence[Person], foreign: str) -> None:
        """What must not be taken, or only with an issue."""
        who = people[0]
        odd = messages.with_bad_birth_date(people[1])
        self._add("A08", messages.adt("A08", self._header(), odd, self._now()), "bad_date")
        first = self.messages[0]
        self.messages.append(replace(first, label="duplicate"))
        stranger = replace(self.feed, facility_code=foreign)
        astray = replace(self.feed, receiving_facility=f"NOT-{self.feed.receiving_facility}")
        for feed in (stranger, astray):
            wrong = messages.adt("A08", replace(self._header(), feed=feed), who, self._now())
            self._add("A08", wrong, "wrong_practice", "AR")
        self._add("A60", messages.unsupported(self._header(), who), "unsupported_event", "AR")
        self._add("", f"{self._prefix} is no HL7 message".encode(), "malformed", "AE")
        whole = self._header().msh("ADT_A04", "ADT_A01")
        cut = whole[: whole.index("|ADT^")]
        self._add("", cut.encode(), "malformed", "AE")

    def _appointments(self, index: int, who: Person) -> None:
        # Not the day after: traffic sent late would by its end have appointments of today.
        soon = messages.morning(self.date + timedelta(days=2), 30 * index)
        number = f"A{self._number()}"
        self._add("S12", messages.siu("S12", self._header(), who, number, soon))
        if index % 3 == 0:
            later = messages.morning(self.date + timedelta(days=7 + index), 60)
            other = f"A{self._number()}"
            self._add("S12", messages.siu("S12", self._header(), who, other, later))
        if index == 1:
            moved = soon + timedelta(hours=5)
            self._add("S13", messages.siu("S13", self._header(), who, number, moved))
        if index == 2:
            self._add("S15", messages.siu("S15", self._header(), who, number, soon))

    def _merge(self, who: Person) -> None:
        twin = replace(who, mrn=f"T{who.mrn}", visit=f"{who.visit}T")
        self._add("A04", messages.adt("A04", self._header(), twin, self._now()))
        self._add("A40", messages.merge(self._header(), who, twin))

    def _add(
        self,
        event: str,
        content: bytes,
        label: Label = "good",
        expected: Literal["AA", "AE", "AR"] = "AA",
    ) -> None:
        self.messages.append(TrafficMessage(label, event, content, expected))

    def _header(self) -> Header:
        self._minutes += 1
        return Header(self.feed, f"{self._prefix}{self._minutes:05d}", self._now())

    def _now(self) -> datetime:
        return messages.morning(self.date, self._minutes)

    def _number(self) -> str:
        return f"{self._prefix[:6]}{self._random.randint(0, 999_999):06d}"

    def _person(self, index: int, member: Member) -> Person:
        sex = self._random.choice("FM")
        born = date(1938, 1, 1) + timedelta(days=self._random.randint(0, 25_000))
        return Person(
            mrn=f"{self._prefix[:4]}{index + 1:06d}",
            family=self._random.choice(_FAMILIES),
            given=self._random.choice(_GIVEN[sex]),
            sex=sex,
            birth_date=born.strftime("%Y%m%d"),
            street=self._street(),
            city="Fairview",
            state="IL",
            postal_code=f"60{self._random.randint(100, 999)}",
            phone=self._phone(),
            member=member,
            visit=f"V{self._prefix[:6]}{index + 1:04d}",
            provider=self.feed.providers[index % len(self.feed.providers)],
        )

    def _street(self) -> str:
        return f"{self._random.randint(1, 999)} {self._random.choice(_STREETS)}"

    def _phone(self) -> str:
        return f"31255501{self._random.randint(0, 99):02d}"

    def _results(self) -> list[tuple[str, ...]]:
        results: list[tuple[str, ...]] = []
        for code, name, unit, span, low, high in _TESTS:
            value = Decimal(self._random.randint(low * 10, high * 10)) / 10
            bottom, top = (Decimal(edge) for edge in span.split("-"))
            flag = "L" if value < bottom else "H" if value > top else "N"
            results.append((code, name, str(value), unit, span, flag))
        return results


def send_all(
    host: str,
    port: int,
    traffic: Sequence[Traffic],
    *,
    timeout: float = 10.0,
    workers: int = 16,
    on_sent: Callable[[Sent], None] | None = None,
) -> list[Sent]:
    """Send every feed's messages in order, each feed on a connection of its own, feeds in parallel.

    Each message waits for the answer to the one before. `on_sent` is called from the sending
    threads.
    """

    def send(one: Traffic) -> list[Sent]:
        sent: list[Sent] = []
        with MllpClient(host, port, timeout=timeout) as client:
            for message in one.messages:
                sent.append(Sent(one.feed, message, client.send(message.content)))
                if on_sent is not None:
                    on_sent(sent[-1])
        return sent

    if not traffic:
        return []
    with ThreadPoolExecutor(min(workers, len(traffic))) as pool:
        return [sent for done in pool.map(send, traffic) for sent in done]
