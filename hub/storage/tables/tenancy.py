"""Practices, service agreements, credentials, connections and their routing."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, LargeBinary, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column

from hub.storage.tables.base import Base, new_id


class Practice(Base):
    """A separate legal entity: tenant and owner of its records."""

    __tablename__ = "practices"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str]
    npi: Mapped[str] = mapped_column(default="")
    care_model: Mapped[str] = mapped_column(default="primary_care")
    specialties: Mapped[list[str]] = mapped_column(default=list)
    zone: Mapped[str]
    phone: Mapped[str] = mapped_column(default="")
    line1: Mapped[str] = mapped_column(default="")
    city: Mapped[str] = mapped_column(default="")
    state: Mapped[str] = mapped_column(default="")
    postal_code: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime]

    __table_args__ = (Index(None, "name", "id"),)


class ServiceAgreement(Base):
    """One effective-dated row of what a practice lets the MSO see and do.

    `sensitive_records`: also records with a sensitivity label, for which the practice has its
    patients' consent or an agreement with a qualified service organization (42 CFR 2.11, 2.31).
    `retention_days_after_end`: how long the hub keeps what it holds once all terms are over.
    """

    __tablename__ = "service_agreements"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    practice_id: Mapped[str] = mapped_column(ForeignKey("practices.id"))
    domain: Mapped[str]
    granularity: Mapped[str]
    purposes: Mapped[list[str]]
    starts_on: Mapped[date]
    ends_on: Mapped[date | None]
    data_aggregation: Mapped[bool] = mapped_column(default=False)
    delegates_purchase_approval: Mapped[bool] = mapped_column(default=False)
    sensitive_records: Mapped[bool] = mapped_column(default=False, server_default=false())
    retention_days_after_end: Mapped[int | None]

    __table_args__ = (UniqueConstraint("practice_id", "domain", "starts_on"),)


class Client(Base):
    """A credential: its key is stored as a SHA-256 digest and shown once, at creation.

    `developer` credentials may send documents of their own and introspect in production.
    `export` credentials may start bulk exports, `write` credentials change something, `approve`
    credentials approve purchases, `break_glass` credentials open labelled records in an emergency;
    without any of them a credential only reads. With a `console` credential a person signs in.
    """

    __tablename__ = "clients"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    practice_id: Mapped[str | None] = mapped_column(ForeignKey("practices.id"))
    key_prefix: Mapped[str]
    key_digest: Mapped[str] = mapped_column(unique=True)
    classes: Mapped[list[str]]
    domains: Mapped[list[str]]
    purposes: Mapped[list[str]]
    default_purpose: Mapped[str]
    developer: Mapped[bool] = mapped_column(default=False, server_default=false())
    export: Mapped[bool] = mapped_column(default=False, server_default=false())
    write: Mapped[bool] = mapped_column(default=False, server_default=false())
    approve: Mapped[bool] = mapped_column(default=False, server_default=false())
    break_glass: Mapped[bool] = mapped_column(default=False, server_default=false())
    console: Mapped[bool] = mapped_column(default=False, server_default=false())
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class ClientDocument(Base):
    """A document a credential may run by its SHA-256 digest, for one fixed purpose; `cost` is its
    cost with the usual page sizes."""

    __tablename__ = "client_documents"

    client_id: Mapped[str] = mapped_column(ForeignKey("clients.id"), primary_key=True)
    digest: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    text: Mapped[str]
    purpose: Mapped[str]
    cost: Mapped[int]
    created_at: Mapped[datetime]


class ConsoleSession(Base):
    """Somebody is signed in to the console; `digest` is of the secret in their cookie (SHA-256)."""

    __tablename__ = "console_sessions"

    digest: Mapped[str] = mapped_column(primary_key=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("clients.id"))
    purpose: Mapped[str]
    started_at: Mapped[datetime]
    seen_at: Mapped[datetime]

    __table_args__ = (Index(None, "started_at"),)


class Connection(Base):
    """One configured use of a connector. `practice_id` is null for a feed shared by practices."""

    __tablename__ = "connections"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(unique=True)
    connector_id: Mapped[str]
    practice_id: Mapped[str | None] = mapped_column(ForeignKey("practices.id"))
    config: Mapped[dict[str, Any]]
    routing: Mapped[dict[str, Any]] = mapped_column(default=dict)
    status: Mapped[str] = mapped_column(default="ok")
    status_reason: Mapped[str] = mapped_column(default="")
    paused: Mapped[bool] = mapped_column(default=False)
    endpoint_digest: Mapped[str | None] = mapped_column(unique=True)
    retry_at: Mapped[datetime | None]
    created_at: Mapped[datetime]

    __table_args__ = (Index(None, "connector_id"),)


class ConnectionPractice(Base):
    """Routing: the name a connection uses for a practice (MSH-4 facility, payroll entity, ship-to
    account)."""

    __tablename__ = "connection_practices"

    connection_id: Mapped[str] = mapped_column(ForeignKey("connections.id"), primary_key=True)
    code: Mapped[str] = mapped_column(primary_key=True)
    practice_id: Mapped[str] = mapped_column(ForeignKey("practices.id"))
    receiving_facility: Mapped[str] = mapped_column(default="")


class ConnectionVersion(Base):
    """The settings a connection had from `recorded_at` on, the newest being those it has. A
    connection that was never changed has none. `practices` maps its names for practices to
    their ids and the MSH-6 they expect."""

    __tablename__ = "connection_versions"

    connection_id: Mapped[str] = mapped_column(ForeignKey("connections.id"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    config: Mapped[dict[str, Any]]
    routing: Mapped[dict[str, Any]]
    practices: Mapped[dict[str, Any]]
    changed_by: Mapped[str] = mapped_column(default="")
    reason: Mapped[str] = mapped_column(default="")
    recorded_at: Mapped[datetime]


class ConnectionSecret(Base):
    """A secret of a connection, encrypted; addressed as ``secret://conn/<connection>/<name>``."""

    __tablename__ = "connection_secrets"

    connection_id: Mapped[str] = mapped_column(ForeignKey("connections.id"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    ciphertext: Mapped[bytes] = mapped_column(LargeBinary)
    updated_at: Mapped[datetime]
