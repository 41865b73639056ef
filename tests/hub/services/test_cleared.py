"""What a source cleared: gone from the store, unless the store knows something newer."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.ehr_hl7v2.config import Config
from connectors.ehr_hl7v2.connector import connector
from connectors.sdk.base import RawDocument
from hub.domain.clinical_documents import ClinicalDocument
from hub.domain.clinical_orders import ClinicalOrder
from hub.domain.coverage import Coverage, CoverageList
from hub.domain.encounters import Encounter
from hub.domain.patients import Identifier, Patient, PatientMerge, PatientReference
from hub.domain.practitioners import PractitionerEntry
from hub.domain.scheduling import Appointment, Practitioner
from hub.storage import tables

FIXTURES = Path(__file__).parents[3] / "fixtures" / "ehr_hl7v2"
MRN = (Identifier("HOSP", "MR", "7"),)
WHO = PatientReference(MRN)
REYES = Practitioner("D1")
IN = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
OUT = datetime(2026, 3, 4, 8, 0, tzinfo=UTC)
DEAD = Patient(
    MRN,
    birth_date=date(1980, 4, 1),
    sex="female",
    deceased_at=OUT,
    deceased=True,
    protected=True,
    primary_provider=REYES,
    deceased_at_precision="minute",
)
VISIT = Encounter(
    WHO, "finished", attending=REYES, starts_at=IN, ends_at=OUT, ends_at_precision="minute"
)
CASES = [
    (tables.Patient, DEAD, Patient(MRN), name, column)
    for name, column in (
        ("birth_date", "birth_date"),
        ("deceased", "deceased"),
        ("deceased_at", "deceased_at"),
        ("deceased_at", "deceased_at_precision"),
        ("deceased", "deceased_at"),
        ("deceased", "deceased_at_precision"),
        ("protected", "protected"),
        ("primary_provider", "primary_provider_id"),
    )
]
CASES += [
    (tables.Encounter, VISIT, Encounter(WHO, None), name, column)
    for name, column in (
        ("ends_at", "ends_at"),
        ("ends_at", "ends_at_precision"),
        ("attending", "provider_id"),
    )
]
CASES += [
    (
        tables.Appointment,
        Appointment(WHO, "booked", starts_at=IN, minutes=30, practitioner=REYES),
        Appointment(WHO, "booked"),
        name,
        column,
    )
    for name, column in (("minutes", "minutes"), ("practitioner", "provider_id"))
]
CASES += [
    (
        tables.ClinicalOrder,
        ClinicalOrder(WHO, "P1", starts_at=IN, ends_at=OUT, practitioner=REYES),
        ClinicalOrder(WHO, "P1"),
        name,
        column,
    )
    for name, column in (
        ("starts_at", "starts_at"),
        ("ends_at", "ends_at"),
        ("practitioner", "provider_id"),
    )
]
CASES += [
    (
        tables.ClinicalDocument,
        ClinicalDocument(
            WHO,
            completion="dictated",
            availability="available",
            originated_at=IN,
            author=REYES,
            authenticator=REYES,
        ),
        ClinicalDocument(WHO),
        name,
        column,
    )
    for name, column in (
        ("completion", "completion"),
        ("availability", "availability"),
        ("originated_at", "originated_at"),
        ("author", "author_id"),
        ("authenticator", "authenticator_id"),
    )
]
CASES += [
    (
        tables.Provider,
        PractitionerEntry(REYES, "active", starts_on=IN.date(), ends_on=OUT.date()),
        PractitionerEntry(REYES),
        name,
        name,
    )
    for name in ("starts_on", "ends_on")
]


@pytest.mark.parametrize(
    ("table", "before", "silent", "name", "column"),
    CASES,
    ids=[f"{table.__tablename__}-{name}-{column}" for table, _, _, name, column in CASES],
)
def test_what_is_cleared_goes_what_is_not_said_stays_and_an_older_message_clears_nothing(
    desk: Any, table: Any, before: Any, silent: Any, name: str, column: str
) -> None:
    key = "D1" if table is tables.Provider else "K1"

    def held() -> Any:
        return getattr(next(row for row in desk.rows(table)), column)

    desk.put(before, key, minute=2)
    known = held()
    assert known is not None
    assert desk.put(silent, key, minute=1, cleared=(name,)) == "stale"
    assert held() == known
    assert desk.put(silent, key, minute=3) == "changed"
    assert held() == known
    assert desk.put(silent, key, minute=4, cleared=(name,)) == "changed"
    assert held() is None
    assert desk.put(silent, key, minute=4, cleared=(name,)) == "unchanged"
    desk.put(before, key, minute=5)
    assert desk.put(silent, key, minute=4, cleared=(name,)) == "stale"
    assert held() == known


def test_a_year_of_birth_that_is_cleared_goes_too(desk: Any) -> None:
    desk.put(Patient(MRN, birth_date_stated="1950"), minute=1)
    desk.put(Patient(MRN), minute=2, cleared=("birth_date",))
    row = desk.one(tables.Patient)
    assert (row.birth_date, row.birth_date_stated) == (None, "")


def test_who_has_not_died_has_no_time_of_death(desk: Any) -> None:
    desk.put(DEAD, minute=1)
    desk.put(Patient(MRN, deceased=False), minute=2)
    row = desk.one(tables.Patient)
    assert (row.deceased, row.deceased_at, row.deceased_at_precision) == (False, None, None)


def test_a_time_of_death_that_is_cleared_leaves_that_the_patient_died(desk: Any) -> None:
    desk.put(DEAD, minute=1)
    desk.put(Patient(MRN), minute=2, cleared=("deceased_at",))
    row = desk.one(tables.Patient)
    assert (row.deceased, row.deceased_at) == (True, None)


def test_the_end_of_a_stay_goes_with_that_of_its_visit(desk: Any) -> None:
    desk.put(replace(VISIT, location="W1"), minute=1)
    desk.put(Encounter(WHO, None), minute=2, cleared=("ends_at",))
    stay = desk.one(tables.EncounterStay)
    assert (stay.ends_at, stay.ends_at_precision) == (None, None)


def test_a_merge_clears_what_it_says_of_the_survivor(desk: Any) -> None:
    desk.put(DEAD, minute=1)
    prior = (Identifier("HOSP", "MR", "8"),)
    desk.put(PatientMerge(Patient(MRN), prior), minute=2, cleared=("birth_date",))
    row = desk.one(tables.Patient, status="active")
    assert (row.birth_date, row.deceased) == (None, True)


def test_a_coverage_listed_again_without_dates_has_none(desk: Any) -> None:
    insured = Coverage(1, "P", member_id="M1", starts_on=IN.date(), ends_on=OUT.date())
    desk.put(CoverageList(WHO, (insured,)), minute=1)
    desk.put(CoverageList(WHO, (replace(insured, starts_on=None, ends_on=None),)), minute=2)
    row = desk.one(tables.Coverage)
    assert (row.starts_on, row.ends_on) == (None, None)


def _send(desk: Any, *cases: str) -> None:
    """Apply the records of fixtures in order, each case a minute later."""
    for minute, case in enumerate(cases, start=1):
        document = RawDocument((FIXTURES / f"{case}.hl7").read_bytes())
        for record in connector.parse(Config(zone="America/Chicago"), document).records:
            desk.put(record.data, record.external_id, minute, cleared=record.cleared)


def test_an_update_full_of_nulls_clears_the_patient_and_the_end_of_the_visit(desk: Any) -> None:
    _send(desk, "adt_a03")
    (before,) = desk.rows(tables.Encounter)
    assert before.ends_at is not None
    _send(desk, "adt_a03", "adt_a08_nulls")
    patient, visit = desk.one(tables.Patient), desk.one(tables.Encounter)
    assert (patient.birth_date, patient.sex, patient.deceased_at) == (None, "unknown", None)
    assert (visit.starts_at, visit.ends_at, visit.provider_id) == (before.starts_at, None, None)
    assert (visit.status, visit.encounter_class) == ("finished", "other")


def test_an_appointment_full_of_nulls_keeps_its_start(desk: Any) -> None:
    _send(desk, "siu_s14")
    before = desk.one(tables.Appointment)
    assert before.minutes
    assert before.provider_id
    _send(desk, "siu_s14", "siu_s14_nulls")
    row = desk.one(tables.Appointment)
    assert (row.starts_at, row.minutes, row.provider_id) == (before.starts_at, None, None)
    assert (row.note, row.reason) == ("", "")


def test_dates_of_an_identifier_go_when_they_are_cleared_and_by_nothing_older(desk: Any) -> None:
    other = Identifier("CLINIC", "PI", "9", date(2026, 1, 1), date(2027, 1, 1))
    held = Patient((*MRN, other))
    silent = Patient((*MRN, Identifier("CLINIC", "PI", "9")))

    def dates() -> Any:
        row = next(row for row in desk.rows(tables.PatientIdentifier) if row.value == "9")
        return row.effective_on, row.expires_on

    def put(data: Patient, minute: int, *cleared: str) -> None:
        desk.put(data, minute=minute, cleared=cleared)

    put(held, 2)
    put(silent, 3)
    put(silent, 1, "identifiers[2].expires_on")
    put(silent, 4, "identifiers[1].expires_on")
    assert dates() == (date(2026, 1, 1), date(2027, 1, 1))
    put(silent, 5, "identifiers[2].expires_on")
    assert dates() == (date(2026, 1, 1), None)
    put(silent, 6, "identifiers[2].effective_on")
    assert dates() == (None, None)


def test_the_npi_of_a_practitioner_goes_when_it_is_cleared(desk: Any) -> None:
    def npi() -> str:
        return str(next(row for row in desk.rows(tables.Provider)).npi)

    desk.put(PractitionerEntry(replace(REYES, npi="1234567893"), "active"), "D1", minute=2)
    desk.put(PractitionerEntry(REYES, "active"), "D1", minute=3)
    assert npi() == "1234567893"
    desk.put(PractitionerEntry(REYES), "D1", minute=4, cleared=("practitioner.npi",))
    assert npi() == ""
