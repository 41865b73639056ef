"""Writing the demonstration's set-up into the hub: practices, agreements, connections, payers.

Everything has a fixed id, so that seeding again changes only what moved (the vendors' ports).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from connectors.payer_x12 import simulator as payer
from connectors.payer_x12.simulator import PAYER_DOWN, payers
from connectors.payroll_rest import simulator as payroll
from connectors.supply_rest import simulator as supply_rest
from connectors.supply_x12 import simulator as supply_x12
from hub.domain.agreements import Domain, Granularity, Purpose, unrestricted_scope
from hub.entrypoints.demo.vendors import Vendors
from hub.entrypoints.demo.world import DemoPractice, World, applications
from hub.entrypoints.hub import Hub
from hub.services import connections
from hub.storage.session import ScopedSession
from hub.storage.tables import Patient, Payer, Practice, ServiceAgreement, Supplier
from hub.storage.upsert import insert_or_update

_SCOPE = unrestricted_scope("demonstration set-up")
_SINCE = date(2026, 1, 1)

SUPPLIER_NAMES = {"supply_rest": "Brightwell Medical Supply", "supply_x12": "Stonebridge Supply"}
_SUPPLY = {"supply_rest": supply_rest, "supply_x12": supply_x12}
_PURPOSES = {
    Domain.CLINICAL: [Purpose.OPERATIONS, Purpose.TREATMENT, Purpose.QUALITY],
    Domain.SCHEDULE: [Purpose.OPERATIONS, Purpose.PAYMENT],
    Domain.ELIGIBILITY: [Purpose.OPERATIONS, Purpose.PAYMENT],
    Domain.BILLING: [Purpose.OPERATIONS, Purpose.PAYMENT],
    Domain.PAYROLL: [Purpose.OPERATIONS, Purpose.PAYMENT],
    Domain.SUPPLY: [Purpose.OPERATIONS, Purpose.PURCHASING],
    Domain.QUALITY: [Purpose.QUALITY],
}


def seed(hub: Hub, world: World, vendors: Vendors, secrets: dict[str, str]) -> None:
    """Write or refresh the set-up in one transaction; `secrets` are the webhooks' tokens, keys."""
    now = hub.now()

    def work(session: ScopedSession) -> None:
        _practices(session, world.practices, now)
        _agreements(session, world)
        _ehr_connections(session, hub, world, now)
        _payer_connections(session, hub, world, vendors, now)
        _payroll_connection(session, hub, world, vendors, now)
        for connector_id in SUPPLIER_NAMES:
            _supply_connection(session, hub, world, vendors, connector_id, secrets, now)

    hub.database.transaction(_SCOPE, work)


def seed_outsider(hub: Hub, world: World) -> None:
    """Write the practice without an agreement and its patient, whom not even the MSO may see."""
    now = hub.now()

    def work(session: ScopedSession) -> None:
        _practices(session, [world.outsider], now)
        key = {"practice_id": world.outsider.id, "id": world.outsiders_patient}
        if session.get(Patient, key) is None:
            session.add(
                Patient(**key, family_name="Brightmoor", given_name="Odile", received_at=now)
            )

    hub.database.transaction(_SCOPE, work)


def _practices(session: ScopedSession, practices: Sequence[DemoPractice], now: datetime) -> None:
    for practice in practices:
        if session.get(Practice, practice.id) is None:
            session.add(
                Practice(
                    id=practice.id,
                    name=practice.name,
                    npi=practice.npi,
                    care_model=practice.care_model,
                    specialties=[practice.specialty],
                    zone=practice.zone,
                    line1=practice.line1,
                    city=practice.city,
                    state=practice.state,
                    postal_code=practice.postal_code,
                    created_at=now,
                )
            )
    session.flush()


def _agreements(session: ScopedSession, world: World) -> None:
    """Every practice grants rows for the MSO's services; one limits clinical data to rows without
    identifiers."""
    for number, practice in enumerate(world.practices):
        for domain, purposes in _PURPOSES.items():
            agreement_id = world.id_of("agreement", f"{practice.id}:{domain}")
            if session.get(ServiceAgreement, agreement_id) is not None:
                continue
            limited = domain is Domain.CLINICAL and number == 1
            session.add(
                ServiceAgreement(
                    id=agreement_id,
                    practice_id=practice.id,
                    domain=domain,
                    granularity=Granularity.LIMITED if limited else Granularity.ROW,
                    purposes=[str(purpose) for purpose in purposes],
                    starts_on=_SINCE,
                    ends_on=None,
                    data_aggregation=True,
                    delegates_purchase_approval=domain is Domain.SUPPLY
                    and practice.delegates_approval,
                )
            )


def _ehr_connections(session: ScopedSession, hub: Hub, world: World, now: datetime) -> None:
    for application, practices in applications(world.practices).items():
        connections.add(
            session,
            hub.crypto,
            connection_id=world.id_of("connection", application),
            name=f"EHR {application}",
            connector_id="ehr_hl7v2",
            config={"zone": practices[0].zone, "default_authority": application},
            routing={"sending_application": application},
            practices={p.facility_code: (p.id, p.receiving_facility) for p in practices},
            now=now,
        )


def _payer_connections(
    session: ScopedSession, hub: Hub, world: World, vendors: Vendors, now: datetime
) -> None:
    ids = {}
    for transport in ("soap", "raw"):
        fit = payer.demo_connection(vendors.urls["payer_x12"], transport)
        ids[transport] = connection_id = world.id_of("connection", f"payer {transport}")
        connections.add(
            session,
            hub.crypto,
            connection_id=connection_id,
            name=f"Payers by {'CAQH CORE SOAP' if transport == 'soap' else 'X12 over HTTP'}",
            connector_id="payer_x12",
            config=fit.config(connection_id),
            secrets=dict(fit.secrets),
            now=now,
        )
    for number, (code, name) in enumerate(payers()):
        transport = "raw" if number % 2 or code == PAYER_DOWN else "soap"
        values = {"name": name, "route_id": code, "connection_id": ids[transport]}
        insert_or_update(
            session,
            Payer,
            {"id": world.id_of("payer", code), "code": code, "enrollment": "enrolled", **values},
            key=["code"],
            update=values,
        )


def _payroll_connection(
    session: ScopedSession, hub: Hub, world: World, vendors: Vendors, now: datetime
) -> None:
    connection_id = world.id_of("connection", "payroll")
    fit = payroll.demo_connection(vendors.urls["payroll_rest"])
    connections.add(
        session,
        hub.crypto,
        connection_id=connection_id,
        name="Payroll Wagewright",
        connector_id="payroll_rest",
        config={**fit.config(connection_id), "page_size": 50},
        practices={p.payroll_entity: p.id for p in world.practices},
        secrets=dict(fit.secrets),
        now=now,
    )


def _supply_connection(
    session: ScopedSession,
    hub: Hub,
    world: World,
    vendors: Vendors,
    connector_id: str,
    secrets: dict[str, str],
    now: datetime,
) -> None:
    connection_id = world.id_of("connection", connector_id)
    fit = _SUPPLY[connector_id].demo_connection(vendors.urls[connector_id])
    connections.add(
        session,
        hub.crypto,
        connection_id=connection_id,
        name=SUPPLIER_NAMES[connector_id],
        connector_id=connector_id,
        config={
            **fit.config(connection_id),
            "webhook_secrets": [f"secret://conn/{connection_id}/webhook"],
        },
        practices={p.supply_account: p.id for p in world.practices},
        secrets={**fit.secrets, "webhook": secrets[f"{connector_id}.webhook"]},
        endpoint_token=secrets[f"{connector_id}.endpoint"],
        now=now,
    )
    supplier_id = world.id_of("supplier", connector_id)
    if session.get(Supplier, supplier_id) is None:
        session.add(
            Supplier(id=supplier_id, name=SUPPLIER_NAMES[connector_id], connection_id=connection_id)
        )
