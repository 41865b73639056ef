"""Queries on clinical documents and the files inside them."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Sequence

from sqlalchemy import select

from hub.domain.clinical_documents import DocumentPart
from hub.storage.crypto import Crypto
from hub.storage.session import ScopedSession
from hub.storage.tables import ClinicalDocument, new_id
from hub.storage.tables import DocumentPart as PartRow


def part_identity(part_id: str) -> str:
    return f"document_parts.content:{part_id}"


def parts(session: ScopedSession, practice_id: str, document_id: str) -> Sequence[PartRow]:
    """The files of a document, in order."""
    return session.scalars(
        select(PartRow)
        .where(PartRow.practice_id == practice_id, PartRow.document_id == document_id)
        .order_by(PartRow.position)
    ).all()


def part(
    session: ScopedSession, practice_id: str, document_id: str, position: int
) -> PartRow | None:
    """One file of a document."""
    return session.scalars(
        select(PartRow).where(
            PartRow.practice_id == practice_id,
            PartRow.document_id == document_id,
            PartRow.position == position,
        )
    ).one_or_none()


def content(crypto: Crypto, row: PartRow) -> bytes:
    """The bytes of a file; empty for a pointer to one."""
    return b"" if row.content is None else crypto.decrypt(row.content, part_identity(row.id))


def replace_parts(
    session: ScopedSession,
    crypto: Crypto,
    document: ClinicalDocument,
    stated: Sequence[DocumentPart],
) -> None:
    """Make `stated` the files of a document; contents are encrypted under their row's identity."""
    for row in parts(session, document.practice_id, document.id):
        session.delete(row)
    session.flush()
    for position, part in enumerate(stated, start=1):
        part_id, content = new_id(), b64decode(part.base64)
        session.add(
            PartRow(
                practice_id=document.practice_id,
                id=part_id,
                document_id=document.id,
                position=position,
                media_type=part.media_type,
                size=len(content),
                digest=crypto.digest(content) if content else "",
                reference=part.reference,
                content=crypto.encrypt(content, part_identity(part_id), document.practice_id)
                if content
                else None,
            )
        )
