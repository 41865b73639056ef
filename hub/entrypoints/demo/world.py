"""The MSO of the demonstration: practices, feeds, payers and members; all names are invented.

Everything follows from seed, number of practices and the day, so that a second run on the same
data says the same things again.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from connectors.ehr_hl7v2.simulator import FacilityFeed, Member, Provider
from connectors.payer_x12.simulator import PAYER_DOWN, member_id, payers

NAMESPACE = uuid.UUID("5d0f0c0e-6d50-5f1e-9a0e-2f6f4f0a7c11")
FILE = "demo.json"
SAME_RUN = timedelta(hours=2)
FEWEST, MOST = 1, 60
"""Practices a demonstration may have."""

_PRACTICES = (
    ("Harbor Family Medicine", "primary_care", "207Q00000X", "America/Chicago"),
    ("Northside Pediatrics", "primary_care", "208000000X", "America/Chicago"),
    ("Lakeview Orthopedics", "specialty", "207X00000X", "America/Chicago"),
    ("Prairie Internal Medicine", "primary_care", "207R00000X", "America/Chicago"),
    ("Elm Street Women's Health", "specialty", "207V00000X", "America/Chicago"),
    ("Summit Cardiology", "specialty", "207RC0000X", "America/Denver"),
    ("Juniper Dermatology", "specialty", "207N00000X", "America/Denver"),
    ("Mesa Family Practice", "primary_care", "207Q00000X", "America/Denver"),
    ("Old Mill Gastroenterology", "specialty", "207RG0100X", "America/New_York"),
    ("Seabright Primary Care", "primary_care", "207Q00000X", "America/New_York"),
    ("Granby Endocrinology", "specialty", "207RE0101X", "America/New_York"),
    ("Ashford Community Health", "primary_care", "208D00000X", "America/New_York"),
)
_PLACES = {
    "America/Chicago": ("Fairview", "IL", "60190"),
    "America/Denver": ("Redstone", "CO", "80199"),
    "America/New_York": ("Ashford", "CT", "06199"),
}
_CLINICIANS = (("Marchetti", "Lena"), ("Oyelaran", "Tunde"), ("Vanterpool", "Ruth"))
# Two hosted EHRs carry several practices each; the rest run one of their own.
_SHARED_FEEDS = {0: "CEDARCHART", 1: "CEDARCHART", 2: "CEDARCHART", 3: "CEDARCHART",
                 5: "RIDGEMED", 6: "RIDGEMED", 7: "RIDGEMED"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class DemoPractice:
    """One practice and what each connection calls it."""

    id: str
    name: str
    npi: str
    care_model: str
    specialty: str
    zone: str
    city: str
    state: str
    postal_code: str
    line1: str
    sending_application: str
    facility_code: str
    receiving_facility: str
    payroll_entity: str
    supply_account: str
    delegates_approval: bool
    providers: tuple[Provider, ...]


@dataclass(frozen=True, slots=True)
class World:
    """The whole demonstration; `started_at` (aware) fixes its days."""

    seed: int
    started_at: datetime
    practices: tuple[DemoPractice, ...]

    @property
    def outsider(self) -> DemoPractice:
        """A practice that has no agreement with the MSO: nobody may see it."""
        return replace(_practice(self.seed, MOST), name="Kestrel Urology")

    @property
    def outsiders_patient(self) -> str:
        """The id of the one patient of that practice."""
        return self.id_of("patient", "outsider")

    @property
    def today(self) -> date:
        """The day of the vendors' documents."""
        return self.started_at.date()

    @property
    def round_name(self) -> str:
        return f"Medical supplies {self.today.isoformat()}"

    def id_of(self, kind: str, name: str) -> str:
        """The same identifier for the same thing in every run."""
        return demo_id(self.seed, kind, name)

    def feeds(self) -> list[tuple[date, list[FacilityFeed]]]:
        """The practices' feeds by local day (practices in the east may be a day ahead)."""
        days: dict[date, list[FacilityFeed]] = {}
        for practice in self.practices:
            day = self.started_at.astimezone(ZoneInfo(practice.zone)).date()
            days.setdefault(day, []).append(_feed(practice))
        return sorted(days.items())


def demo_id(seed: int, kind: str, name: str) -> str:
    return str(uuid.uuid5(NAMESPACE, f"{seed}:{kind}:{name}"))


def build_world(*, seed: int, practices: int, started_at: datetime) -> World:
    """The demonstration's MSO with `practices` practices (`FEWEST` to `MOST`)."""
    made = tuple(_practice(seed, number) for number in range(practices))
    return World(seed, started_at, made)


def stored_world(data_dir: Path) -> World | None:
    """The world that was last begun on a data directory."""
    file = data_dir / FILE
    if not file.exists():
        return None
    stored = json.loads(file.read_text())
    started_at = datetime.fromisoformat(stored["started_at"])
    return build_world(seed=stored["seed"], practices=stored["practices"], started_at=started_at)


def open_world(data_dir: Path, *, seed: int, practices: int, now: datetime) -> World:
    """The world of a data directory: begun there today (or within two hours), else a new day."""
    stored = stored_world(data_dir)
    if stored is not None:
        started = stored.started_at
        same = (stored.seed, len(stored.practices)) == (seed, practices)
        if same and (started.date() == now.date() or now - started < SAME_RUN):
            return stored
    data_dir.mkdir(parents=True, exist_ok=True)
    begun = {"seed": seed, "practices": practices, "started_at": now.isoformat()}
    file = data_dir / FILE
    temporary = file.with_suffix(".tmp")
    temporary.write_text(json.dumps(begun))
    temporary.replace(file)
    return build_world(seed=seed, practices=practices, started_at=now)


def members() -> list[Member]:
    """Insurance cards: most active, some inactive, rejected, and of a payer that is down.

    Each kind is among the first six, less the third, which are those that the appointments of any
    one practice are asked about.
    """
    directory = [payer for payer in payers() if payer[0] != PAYER_DOWN]
    down = next(payer for payer in payers() if payer[0] == PAYER_DOWN)
    outcomes = ("active", "inactive", "active", "75", "down", "active", "72", "active", "active")
    cards = []
    for number, outcome in enumerate(outcomes * 4, start=1):
        code, name = down if outcome == "down" else directory[number % len(directory)]
        kind = "active" if outcome == "down" else outcome
        cards.append(Member(code, name, member_id(kind, number)))
    return cards


def _practice(seed: int, number: int) -> DemoPractice:
    name, care_model, specialty, zone = _PRACTICES[number % len(_PRACTICES)]
    generation = number // len(_PRACTICES)
    if generation:
        name = f"{name} {generation + 1}"
    city, state, postal_code = _PLACES[zone]
    application = _SHARED_FEEDS.get(number, f"PRACTICEEHR{number + 1}")
    return DemoPractice(
        id=demo_id(seed, "practice", str(number)),
        name=name,
        npi=npi(100_000_000 + number),
        care_model=care_model,
        specialty=specialty,
        zone=zone,
        city=city,
        state=state,
        postal_code=postal_code,
        line1=f"{100 + number} Example Street",
        sending_application=application,
        facility_code=f"FAC{number + 1:03d}",
        receiving_facility=f"PRACTICE{number + 1:03d}",
        payroll_entity=f"cmp_{number + 1:03d}",
        supply_account=f"ACCT{number + 1:04d}",
        delegates_approval=number % 3 == 0,
        providers=tuple(
            Provider(npi(200_000_000 + number * 10 + index), family, given)
            for index, (family, given) in enumerate(_CLINICIANS)
        ),
    )


def _feed(practice: DemoPractice) -> FacilityFeed:
    return FacilityFeed(
        sending_application=practice.sending_application,
        facility_code=practice.facility_code,
        receiving_application="MSOHUB",
        receiving_facility=practice.receiving_facility,
        practice_name=practice.name,
        zone=practice.zone,
        providers=practice.providers,
        specialty=practice.care_model == "specialty",
    )


def applications(practices: Sequence[DemoPractice]) -> dict[str, list[DemoPractice]]:
    """Practices by the EHR that sends for them."""
    found: dict[str, list[DemoPractice]] = {}
    for practice in practices:
        found.setdefault(practice.sending_application, []).append(practice)
    return found


def npi(nine_digits: int) -> str:
    """A ten-digit NPI: nine digits and the Luhn check digit over 80840 + them (45 CFR 162.406)."""
    digits = [int(digit) for digit in f"80840{nine_digits}"]
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = digit * 2 if place % 2 == 0 else digit
        total += doubled - 9 if doubled > 9 else doubled
    return f"{nine_digits}{-total % 10}"
