"""Queries on service agreements."""

from __future__ import annotations

from sqlalchemy import select

from hub.domain.agreements import AgreementTerm, Domain, Granularity, Purpose
from hub.storage.session import ScopedSession
from hub.storage.tables import Practice, ServiceAgreement


def read_terms(session: ScopedSession) -> list[AgreementTerm]:
    """Every row of every service agreement, with its practice's time zone."""
    rows = session.execute(
        select(ServiceAgreement, Practice.zone).join(
            Practice, Practice.id == ServiceAgreement.practice_id
        )
    )
    return [
        AgreementTerm(
            practice_id=row.practice_id,
            practice_zone=zone,
            domain=Domain(row.domain),
            granularity=Granularity(row.granularity),
            purposes=frozenset(Purpose(item) for item in row.purposes),
            starts_on=row.starts_on,
            ends_on=row.ends_on,
            data_aggregation=row.data_aggregation,
            delegates_purchase_approval=row.delegates_purchase_approval,
            sensitive_records=row.sensitive_records,
        )
        for row, zone in rows
    ]
