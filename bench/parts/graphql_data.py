"""The rows of the GraphQL bench, on PostgreSQL and SQLite."""

from __future__ import annotations

import os
import random
import uuid
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import create_engine, insert, select, text
from sqlalchemy.engine import make_url

from hub.domain.agreements import Domain
from hub.storage import tables
from hub.storage.migrate import upgrade
from hub.storage.tables import Base

SERVER = os.environ.get(
    "HUB_TEST_POSTGRESQL_URL", "postgresql+psycopg://postgres@127.0.0.1:5432/postgres"
)
NAME = "hub_bench_graphql"
URL = SERVER.rsplit("/", 1)[0] + f"/{NAME}"
PLAIN_URL = URL.replace("+psycopg", "")
ROLE = "mso_hub_bench"
ROLE_URL = make_url(URL).set(username=ROLE, password=ROLE).render_as_string(hide_password=False)
"""The same database as a role that owns nothing."""
NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)


def load(url: str, practices: int, patients: int) -> None:
    """A new database of synthetic rows: one coverage and two or three appointments a patient."""
    engine = create_engine(url)
    drawn = random.Random(7)
    with engine.begin() as connection:
        Base.metadata.create_all(connection)
        for number in range(practices):
            _load_practice(connection, drawn, number, patients)
    if not url.startswith("sqlite"):
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))
    engine.dispose()


def _load_practice(connection: Any, drawn: random.Random, number: int, patients: int) -> None:
    def new() -> str:
        return str(uuid.UUID(int=drawn.getrandbits(128), version=4))

    practice = new()
    common = {"practice_id": practice, "external_id": "", "content_hash": ""}
    row = {"id": practice, "name": f"Practice {number:04d}", "zone": "America/Chicago"}
    connection.execute(insert(tables.Practice), [{**row, "created_at": NOW}])
    terms = {"granularity": "ROW", "purposes": ["OPERATIONS"], "starts_on": date(2026, 1, 1)}
    agreed = [{"id": new(), "practice_id": practice, "domain": d.value, **terms} for d in Domain]
    connection.execute(insert(tables.ServiceAgreement), agreed)
    providers = [
        {"practice_id": practice, "id": new(), "npi": f"{n:010d}", "family_name": f"Healer {n}"}
        for n in range(10)
    ]
    connection.execute(insert(tables.Provider), [{**p, "external_id": p["id"]} for p in providers])
    people = [
        {
            **common,
            "id": new(),
            "family_name": f"Family {drawn.randrange(5000):04d}",
            "given_name": f"Given {drawn.randrange(500):03d}",
            "birth_date": date(1940, 1, 1) + timedelta(days=drawn.randrange(30_000)),
            "sex": drawn.choice(["female", "male"]),
        }
        for _ in range(patients)
    ]
    connection.execute(insert(tables.Patient), people)
    coverages, appointments = [], []
    for place, person in enumerate(people):
        own = {**common, "patient_id": person["id"]}
        coverages.append(
            {
                **own,
                "id": new(),
                "priority": 1,
                "payer_code": "GLM",
                "payer_name": "Great Lakes Mutual",
                "plan_name": "Choice PPO",
                "member_id": f"M{drawn.randrange(10**9):09d}",
            }
        )
        for turn in range(2 + place % 2):
            moment = NOW + timedelta(days=7 * turn, minutes=drawn.randrange(2000))
            booked = {"id": new(), "status": "booked", "starts_at": moment, "minutes": 20}
            provider = drawn.choice(providers)["id"]
            appointments.append({**own, **booked, "provider_id": provider})
    connection.execute(insert(tables.Coverage), coverages)
    rows = [{**row, "external_id": row["id"]} for row in appointments]
    connection.execute(insert(tables.Appointment), rows)


def practice_ids(url: str) -> list[str]:
    engine = create_engine(url)
    with engine.connect() as connection:
        found = [row[0] for row in connection.execute(select(tables.Practice.id))]
    engine.dispose()
    return sorted(found)


def prepare_postgresql(practices: int, patients: int) -> list[str]:
    """The bench's database, kept from an earlier run of the same size."""
    server = create_engine(SERVER, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        known = connection.scalar(
            text("SELECT count(*) FROM pg_database WHERE datname = :name"), {"name": NAME}
        )
        if known:
            connection.execute(text(f"DROP DATABASE {NAME} WITH (FORCE)"))
        connection.execute(text(f"CREATE DATABASE {NAME}"))
        if not connection.scalar(
            text("SELECT 1 FROM pg_roles WHERE rolname = :name"), {"name": ROLE}
        ):
            connection.execute(text(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{ROLE}'"))
    server.dispose()
    upgrade(URL, ROLE)
    load(URL, practices, patients)
    return practice_ids(URL)
