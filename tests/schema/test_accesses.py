"""Who saw a patient, told to those who may see the patient, and audited itself."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from hub.storage import tables
from hub.storage.reads.write import global_id

ACCESSES = """query($id: ID!, $first: Int! = 100) { patientAccesses(patientId: $id, first: $first) {
  eventId recordedAt principalName purpose action outcome operation entities } }"""
READ = "query Reading($id: ID!) { node(id: $id) { ... on Patient { familyName } } }"


def patient_of(world: Any, name: str) -> tuple[str, str]:
    """A practice and the global id of its one patient."""
    practice = world.practice(name)
    (patient,) = world.patients(practice, 1)
    return practice, global_id("Patient", patient)


def test_the_practice_sees_who_read_its_patient(world: Any) -> None:
    practice, patient = patient_of(world, "Mine")
    _, other = patient_of(world, "Other")
    app = world.app(practice, "ours")
    app.data(READ, id=patient)

    (seen,) = app.data(ACCESSES, id=patient)["patientAccesses"]

    assert (seen["principalName"], seen["action"], seen["outcome"]) == ("ours", "read", "success")
    assert seen["operation"].startswith("sha256:")
    assert seen["entities"] == {"Patient": 1}
    looked = world.read(
        lambda s: s.scalars(
            select(tables.AuditEvent.operation).order_by(tables.AuditEvent.sequence)
        ).all()
    )
    assert list(looked) == [seen["operation"], "patientAccesses"]
    assert app.code(ACCESSES, id=other) == "NOT_FOUND"
    assert app.code(ACCESSES, id=global_id("Patient", "nobody")) == "NOT_FOUND"


def test_no_more_are_shown_than_may_be_asked_for(world: Any) -> None:
    practice, patient = patient_of(world, "Mine")
    app = world.app(practice)
    for _ in range(3):
        app.data(READ, id=patient)
    assert len(app.data(ACCESSES, id=patient, first=2)["patientAccesses"]) == 2
    assert app.code(ACCESSES, id=patient, first=0) == "BAD_INPUT"
    assert app.code(ACCESSES, id=patient, first=1001) == "BAD_INPUT"
