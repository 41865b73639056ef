"""The dispatch: every kind has a handler, failures leave issues and nothing else."""

from __future__ import annotations

import inspect
from dataclasses import is_dataclass
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

import pytest

from hub.domain import (
    care_roles,
    claims,
    clinical_documents,
    clinical_orders,
    coverage,
    encounters,
    immunizations,
    observations,
    patient_details,
    patients,
    payroll,
    practitioners,
    procedures,
    scheduling,
    supply,
    supply_bids,
    workforce,
)
from hub.domain.agreements import practice_scope, unrestricted_scope
from hub.domain.patients import Identifier, Patient, PatientReference
from hub.domain.records import Issue, Record
from hub.domain.scheduling import Appointment
from hub.errors import Forbidden
from hub.services.apply import HANDLERS, ApplyContext, Outcome, apply, route_entity
from hub.storage import tables
from hub.storage.tables import Connection, ConnectionPractice, DataIssue, InboundMessage

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
ALL = unrestricted_scope("test")
MODULES: tuple[ModuleType, ...] = (
    care_roles,
    procedures,
    claims,
    clinical_documents,
    clinical_orders,
    coverage,
    encounters,
    immunizations,
    observations,
    patient_details,
    patients,
    payroll,
    practitioners,
    scheduling,
    supply,
    supply_bids,
    workforce,
)
PARTS = {
    patients.Identifier,
    patients.PersonName,
    patients.Address,
    patients.PatientReference,
    coverage.Coverage,
    encounters.Diagnosis,
    care_roles.CareRole,
    procedures.Procedure,
    patient_details.UsedName,
    patient_details.UsedAddress,
    patient_details.Telecom,
    patient_details.Contact,
    patient_details.Guarantor,
    patient_details.Allergy,
    scheduling.AppointmentResource,
    clinical_documents.DocumentPart,
    observations.Observation,
    workforce.Compensation,
    payroll.PayStatementLine,
    supply.PriceTier,
    supply_bids.BidLine,
    supply.AckLine,
    supply.ShipmentLine,
    supply.InvoiceLine,
    supply.CreditLine,
}
OUTBOUND = {supply.ShipTo, supply.OrderLine, supply.OrderToPlace, supply.SubmitReceipt}

KNOWN = Patient((Identifier("HOSP", "MR", "7"),), phone="555-0100")
CANCELLED = Appointment(PatientReference(KNOWN.identifiers), "cancelled")


def test_every_canonical_record_is_handled() -> None:
    canonical = {
        kind
        for module in MODULES
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if is_dataclass(kind) and kind.__module__ == module.__name__
    }
    assert set(HANDLERS) == canonical - PARTS - OUTBOUND


def test_data_of_an_unknown_kind_is_a_bug_and_says_which(desk: Any) -> None:
    with pytest.raises(TypeError, match="object"):
        desk.put(object())


def test_a_record_without_practice_is_rejected(desk: Any) -> None:
    assert desk.put(KNOWN, practice=None) == "rejected"
    assert desk.codes == ["unknown_practice"]


def test_a_record_without_key_is_rejected(desk: Any) -> None:
    booked = Appointment(PatientReference(KNOWN.identifiers), "booked", starts_at=NOW)
    assert desk.put(booked, "") == "rejected"
    assert desk.codes == ["missing_key"]


def test_a_rejected_record_leaves_its_issues_and_nothing_else(desk: Any) -> None:
    said = Issue("bad_date", "SCH-11.4", "The date cannot be read.")
    assert desk.put(CANCELLED, issues=[said]) == "rejected"
    assert desk.codes == ["bad_date", "unknown_appointment"]
    assert desk.rows(tables.Patient) == []
    assert desk.stored_issues() == ["bad_date", "unknown_appointment"]


def test_one_bad_record_does_not_undo_its_neighbours(desk: Any) -> None:
    context = ApplyContext("north", "ehr", None, None, NOW, UTC)
    records = [Record("P", KNOWN), Record("A", CANCELLED), Record("P2", KNOWN)]

    def work(session: Any) -> list[Outcome]:
        return [apply(session, context, record) for record in records]

    outcomes = desk.work(work)
    assert outcomes == ["created", "rejected", "unchanged"]
    assert len(desk.rows(tables.Patient)) == 1


def test_a_replayed_message_stores_its_issues_once(desk: Any) -> None:
    message = InboundMessage(
        id="M1",
        kind="hl7v2",
        source="s",
        control_id="1",
        message_type="SIU^S15",
        body_digest="d",
        size=1,
        content_type="x",
        headers={},
        raw=b"x",
        answer=b"",
        state="received",
        received_at=NOW,
    )
    desk.work(lambda session: session.add(message))
    for _ in range(2):
        context = ApplyContext("north", "ehr", "M1", None, NOW, UTC)
        desk.work(lambda session, c=context: apply(session, c, Record("A", CANCELLED)))
        assert len(context.issues) == 1
    stored = desk.one(DataIssue)
    assert (stored.inbox_id, stored.practice_id, stored.code) == (
        "M1",
        "north",
        "unknown_appointment",
    )


def test_a_record_cannot_write_into_a_practice_outside_the_scope(desk: Any) -> None:
    context = ApplyContext("south", "ehr", None, None, NOW, UTC)
    with pytest.raises(Forbidden):
        desk.database.transaction(
            practice_scope("north"), lambda session: apply(session, context, Record("P", KNOWN))
        )
    assert desk.rows(tables.Patient) == []


def test_a_company_is_routed_by_the_names_of_its_connection(desk: Any) -> None:
    def seed(session: Any) -> None:
        session.add(ConnectionPractice(connection_id="payroll", code="C1", practice_id="north"))
        session.add(
            Connection(
                id="own",
                name="own",
                connector_id="t",
                config={},
                practice_id="south",
                created_at=NOW,
            )
        )

    desk.work(seed)

    def route(connection: str, code: str) -> str | None:
        with desk.database.read(ALL) as session:
            return route_entity(session, connection, code)

    assert route("payroll", "C1") == "north"
    assert route("payroll", "C2") is None
    assert route("rival", "C1") is None
    assert route("own", "anything") == "south"
