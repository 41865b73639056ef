"""Clinical documents: written, added to, replaced, cancelled (HL7 v2.5.1 chapter 9)."""

from __future__ import annotations

from hub.domain.clinical_documents import ClinicalDocument
from hub.domain.records import Record
from hub.errors import Rejected
from hub.services import clinical_orders, patients
from hub.services.encounters import visit_of
from hub.services.providers import assign_practitioner
from hub.services.records import (
    ApplyContext,
    Outcome,
    content_of,
    copy_stated,
    digest,
    judge,
    key_of,
    stamp,
)
from hub.storage import clinical_documents as store
from hub.storage import sourced
from hub.storage.session import ScopedSession
from hub.storage.tables import ClinicalDocument as DocumentRow
from hub.storage.tables import new_id

COPIED = (
    "type_code",
    "type_name",
    "title",
    "file_name",
    "completion",
    "availability",
    "confidentiality",
    "activity_at",
    "originated_at",
    "text",
)


def apply_clinical_document(
    session: ScopedSession, context: ApplyContext, record: Record
) -> Outcome:
    """Create or update a document; content that the message does not bring stays.

    A cancelled or replaced document is kept and says so.
    """
    document = content_of(record, ClinicalDocument)
    row = sourced.find(
        session, DocumentRow, context.practice, context.connection_id, key_of(record)
    )
    content = digest(record)
    outcome = judge(row, record, content)
    if outcome in (Outcome.UNCHANGED, Outcome.STALE):
        return outcome
    patient_id = patients.resolve(session, context, document.patient)
    if row is None:
        row = DocumentRow(
            practice_id=context.practice,
            id=new_id(),
            activity_at=record.occurred_at or context.received_at,
        )
    else:
        patients.note_other_patient(context, row.patient_id, patient_id)
    row.patient_id = patient_id
    _change(session, context, row, record)
    if record.op == "delete":
        row.availability = "cancelled"
    stamp(row, context, record, content)
    session.add(row)
    _link_parent(session, context, row, document)
    if document.parts is not None:
        if document.parts and context.crypto is None:
            raise Rejected("There is no key to encrypt embedded files with.", reason="no_key")
        session.flush()
        if context.crypto is not None:
            store.replace_parts(session, context.crypto, row, document.parts)
    return outcome


def _change(
    session: ScopedSession, context: ApplyContext, row: DocumentRow, record: Record
) -> None:
    document = content_of(record, ClinicalDocument)
    copy_stated(row, document, COPIED, record.cleared)
    row.encounter_id = (
        visit_of(session, context, document.visit_number, row.patient_id) or row.encounter_id
    )
    assign_practitioner(
        session, context, record, row, author="author_id", authenticator="authenticator_id"
    )
    order = clinical_orders.named(
        session, context, placer=document.placer_number, filler=document.filler_number
    )
    if order is not None and order.patient_id == row.patient_id:
        row.order_id = order.id


def _link_parent(
    session: ScopedSession, context: ApplyContext, row: DocumentRow, document: ClinicalDocument
) -> None:
    if not document.parent_number:
        return
    parent = sourced.find(
        session, DocumentRow, context.practice, context.connection_id, document.parent_number
    )
    if parent is None or parent.patient_id != row.patient_id:
        context.report(
            "unknown_document", "TXA-13", "The document that this one refers to is not known."
        )
    elif parent.id != row.id:
        session.flush()
        row.parent_id = parent.id
        if document.replaces_parent:
            parent.availability = "obsolete"
