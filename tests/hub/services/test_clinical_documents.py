"""Documents: text and files kept, files encrypted, replacements and cancellations visible."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from hub.domain.agreements import practice_scope
from hub.domain.clinical_documents import ClinicalDocument, DocumentPart
from hub.domain.patients import Identifier, PatientReference
from hub.domain.records import Record
from hub.services.apply import ApplyContext, Outcome, apply
from hub.storage import tables
from hub.storage.clinical_documents import part_identity
from hub.storage.crypto import Crypto

WHO = PatientReference((Identifier("HOSP", "MR", "7"),))
OTHER = PatientReference((Identifier("HOSP", "MR", "8"),))
CRYPTO = Crypto(bytes(32))
FILE = b"%PDF-1.4 basalt"
PART = DocumentPart("application/pdf", b64encode(FILE).decode())
NOTE = ClinicalDocument(
    WHO,
    type_code="HP",
    completion="dictated",
    availability="available",
    text="First",
    parts=(PART,),
)
Put = Callable[..., Outcome]


@pytest.fixture
def put(desk: Any) -> Put:
    def work(
        data: object, key: str = "D1", minute: int = 1, crypto: Crypto | None = CRYPTO
    ) -> Outcome:
        moment = datetime(2026, 3, 2, 15, minute, tzinfo=UTC)
        context = ApplyContext("north", "ehr", None, None, moment, UTC, crypto)
        record = Record(key, data, moment)
        outcome: Outcome = desk.database.transaction(
            practice_scope("north"), lambda session: apply(session, context, record)
        )
        desk.issues = context.issues
        return outcome

    return work


def test_a_file_is_stored_encrypted_under_its_own_row(desk: Any, put: Put) -> None:
    assert put(NOTE) == "created"
    part = desk.one(tables.DocumentPart)
    assert (part.media_type, part.size, part.position) == ("application/pdf", len(FILE), 1)
    assert FILE not in part.content
    assert CRYPTO.decrypt(part.content, part_identity(part.id)) == FILE


def test_a_pointer_is_kept_and_has_no_content(desk: Any, put: Put) -> None:
    put(ClinicalDocument(WHO, parts=(DocumentPart("image/jpeg", reference="images/41"),)))
    part = desk.one(tables.DocumentPart)
    assert (part.reference, part.content, part.size) == ("images/41", None, 0)


def test_a_status_change_keeps_text_and_files_and_new_content_replaces_them(
    desk: Any, put: Put
) -> None:
    put(NOTE)
    assert put(ClinicalDocument(WHO, completion="authenticated"), minute=2) == "changed"
    assert desk.one(tables.ClinicalDocument).text == "First"
    assert len(desk.rows(tables.DocumentPart)) == 1
    assert put(ClinicalDocument(WHO, text="Second", parts=()), minute=3) == "changed"
    row = desk.one(tables.ClinicalDocument)
    assert (row.text, row.completion) == ("Second", "authenticated")
    assert desk.rows(tables.DocumentPart) == []


def test_the_same_document_again_writes_nothing(desk: Any, put: Put) -> None:
    put(NOTE)
    before = desk.one(tables.DocumentPart).id
    assert put(NOTE) == "unchanged"
    assert desk.one(tables.DocumentPart).id == before


def test_a_replacement_makes_its_parent_obsolete_and_an_addendum_does_not(
    desk: Any, put: Put
) -> None:
    put(NOTE)
    put(ClinicalDocument(WHO, parent_number="D1", text="More"), "D2", 2)
    assert desk.one(tables.ClinicalDocument, external_id="D1").availability == "available"
    put(ClinicalDocument(WHO, parent_number="D1", replaces_parent=True), "D3", 3)
    parent = desk.one(tables.ClinicalDocument, external_id="D1")
    assert parent.availability == "obsolete"
    children = desk.rows(tables.ClinicalDocument, parent_id=parent.id)
    assert {row.external_id for row in children} == {"D2", "D3"}


@pytest.mark.parametrize("who", [WHO, OTHER])
def test_a_parent_that_is_unknown_or_another_patients_is_an_issue(
    desk: Any, put: Put, who: PatientReference
) -> None:
    if who is OTHER:
        put(ClinicalDocument(OTHER), "D1")
    put(ClinicalDocument(WHO, parent_number="D1", replaces_parent=True), "D2", 2)
    assert desk.codes == ["unknown_document"]
    assert desk.one(tables.ClinicalDocument, external_id="D2").parent_id is None


def test_a_cancelled_document_is_kept(desk: Any, put: Put) -> None:
    put(NOTE)
    put(ClinicalDocument(WHO, availability="cancelled"), minute=2)
    row = desk.one(tables.ClinicalDocument)
    assert (row.availability, row.text) == ("cancelled", "First")


def test_without_a_key_an_embedded_file_is_refused_and_nothing_is_written(
    desk: Any, put: Put
) -> None:
    assert put(NOTE, crypto=None) == "rejected"
    assert desk.codes == ["no_key"]
    assert desk.rows(tables.ClinicalDocument) == []
