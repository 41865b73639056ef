"""Files inside clinical documents: handed out to whoever may read the document, and audited."""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from datetime import date
from typing import Any

import pytest
from sqlalchemy import select

from hub.domain.agreements import DataClass, Domain, Purpose, unrestricted_scope
from hub.domain.clinical_documents import DocumentPart
from hub.storage import clinical_documents, tables
from hub.storage.reads.write import global_id

SCOPE = unrestricted_scope("test")
LETTER = b"%PDF-1.7 a synthetic letter"
PATHS = """query($id: ID!) { node(id: $id) { ... on ClinicalDocument {
  parts { nodes { position downloadPath } } } } }"""


@pytest.fixture
def practice(world: Any) -> str:
    return str(world.practice("Mine"))


@pytest.fixture
def document(world: Any, practice: str) -> str:
    """A document with a file, a pointer and a file of a type that is none."""
    (patient,) = world.patients(practice, 1)
    row = tables.ClinicalDocument(
        practice_id=practice, id=tables.new_id(), patient_id=patient, external_id="D1",
        activity_at=world.now, received_at=world.now,
    )  # fmt: skip
    world.add(row)
    parts = [
        DocumentPart("application/pdf", base64=b64encode(LETTER).decode()),
        DocumentPart("application/pdf", reference="https://elsewhere.example/1"),
        DocumentPart("text/html\r\nX: y", base64=b64encode(b"<script>").decode()),
    ]
    world.database.transaction(
        SCOPE, lambda s: clinical_documents.replace_parts(s, world.crypto, row, parts)
    )
    return row.id


def get(api: Any, path: str, **headers: str) -> Any:
    return api.http.get(path, headers={**api.headers, **headers})


def paths(api: Any, document: str) -> list[str | None]:
    nodes = api.data(PATHS, id=global_id("ClinicalDocument", document))["node"]["parts"]["nodes"]
    return [node["downloadPath"] for node in nodes]


def test_a_file_is_handed_out_as_it_came_and_never_shown_in_a_page(
    world: Any, practice: str, document: str
) -> None:
    app = world.app(practice)
    file, pointer, odd = paths(app, document)
    assert pointer is None
    answer = get(app, str(file))
    assert (answer.status_code, answer.content) == (200, LETTER)
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-disposition"].startswith("attachment")
    digest = answer.headers["repr-digest"].removeprefix("sha-256=:").removesuffix(":")
    assert b64decode(digest) == hashlib.sha256(LETTER).digest()
    assert get(app, str(odd)).headers["content-type"] == "application/octet-stream"
    assert get(app, f"/documents/{document}/2").status_code == 404
    assert get(app, f"/documents/{document}/9").status_code == 404


def test_the_reading_is_in_the_audit_trail_with_patient_and_purpose(
    world: Any, practice: str, document: str
) -> None:
    app = world.app(practice, "ours", purposes=(Purpose.OPERATIONS, Purpose.TREATMENT))
    assert get(app, f"/documents/{document}/1", **{"Hub-Purpose": "TREATMENT"}).status_code == 200
    events = world.read(
        lambda s: s.scalars(
            select(tables.AuditEvent).where(tables.AuditEvent.operation.contains("documentFile"))
        ).all()
    )
    (event,) = events
    assert (event.principal_name, event.purpose, event.action) == ("ours", "TREATMENT", "read")
    assert event.entities["ClinicalDocument"] == 1
    assert len(event.subjects) == 1


def test_who_may_not_read_the_document_gets_no_file(
    world: Any, practice: str, document: str
) -> None:
    path = f"/documents/{document}/1"
    assert world.http.get(path).status_code == 401
    assert get(world.app(world.practice("Other")), path).status_code == 404
    mso = world.mso()
    assert get(mso, path).status_code == 404
    blind = world.app(practice, "blind", classes=frozenset({DataClass.OPERATIONAL}))
    assert get(blind, path).status_code == 404
    assert get(world.app(practice, "p"), path, **{"Hub-Purpose": "PAYMENT"}).status_code == 403


def test_rows_without_identifiers_have_no_files(world: Any, practice: str, document: str) -> None:
    mso = world.mso()
    world.agreement(practice, Domain.CLINICAL, "LIMITED")
    assert paths(mso, document) == [None, None, None]
    assert get(mso, f"/documents/{document}/1").status_code == 404
    world.agreement(practice, Domain.CLINICAL, "ROW", starts_on=date(2026, 1, 2))
    assert get(mso, f"/documents/{document}/1").status_code == 200
