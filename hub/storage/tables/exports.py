"""Bulk exports and the checks of connections: what a job leaves behind for whoever asked."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, LargeBinary, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from hub.storage.tables.base import Base, Sequence64, new_id


class Export(Base):
    """A bulk export of one root under the rights of one credential.

    `request` (document, operation, variables) is encrypted. `chunks`, `rows`, `bytes` and `cursor`
    move together after each chunk is in the file, so a killed job goes on from there. `state`:
    running, ready, failed, downloaded. `digest` is the SHA-256 of the whole text.
    """

    __tablename__ = "exports"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    client_id: Mapped[str] = mapped_column(ForeignKey("clients.id"))
    practice_id: Mapped[str | None] = mapped_column(ForeignKey("practices.id"))
    purpose: Mapped[str]
    format: Mapped[str] = mapped_column(default="jsonl")
    request: Mapped[bytes] = mapped_column(LargeBinary)
    token_digest: Mapped[str] = mapped_column(unique=True)
    state: Mapped[str] = mapped_column(default="running")
    chunks: Mapped[int] = mapped_column(default=0)
    rows: Mapped[int] = mapped_column(default=0)
    bytes: Mapped[int] = mapped_column(Sequence64, default=0)
    cursor: Mapped[str | None]
    digest: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    downloaded_at: Mapped[datetime | None]

    __table_args__ = (Index(None, "created_at", "id"),)


class ConnectionCheck(Base):
    """One check of a connection by safe requests only; `ok` if every probe was."""

    __tablename__ = "connection_checks"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    connection_id: Mapped[str] = mapped_column(ForeignKey("connections.id"))
    practice_id: Mapped[str | None] = mapped_column(ForeignKey("practices.id"))
    job_id: Mapped[int] = mapped_column(Sequence64)
    ok: Mapped[bool]
    checked_at: Mapped[datetime]

    __table_args__ = (
        Index(None, "connection_id", "checked_at", "id"),
        Index(None, "checked_at", "id"),
    )


class ConnectionProbe(Base):
    """One finding of a check: what is wrong and what to do about it."""

    __tablename__ = "connection_probes"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    check_id: Mapped[str] = mapped_column(ForeignKey("connection_checks.id"))
    practice_id: Mapped[str | None] = mapped_column(ForeignKey("practices.id"))
    position: Mapped[int]
    name: Mapped[str]
    ok: Mapped[bool]
    error: Mapped[str] = mapped_column(default="")
    hint: Mapped[str] = mapped_column(default="")
    milliseconds: Mapped[int] = mapped_column(default=0)

    __table_args__ = (UniqueConstraint("check_id", "position"),)
