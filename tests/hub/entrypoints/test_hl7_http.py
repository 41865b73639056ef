"""HL7 over HTTP: the credential, the framing, and the status each acknowledgement stands for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette

from connectors.ehr_hl7v2.config import Config
from connectors.sdk.hl7v2.acks import read_ack
from connectors.sdk.hl7v2.batches import split_messages
from connectors.sdk.hl7v2.framing import FRAME_CAP, wrap
from hub.auth.credentials import create_client
from hub.domain.agreements import Domain, PrincipalKind, unrestricted_scope
from hub.entrypoints.hl7_http import LARGEST_BODY, MOST_MESSAGES, hl7_routes
from hub.entrypoints.hl7_routes import Facility, Hl7Connection, Routes
from hub.services.intake import Arrival, Intake, Stored, Told
from hub.storage.crypto import Crypto
from hub.storage.reads.write import global_id
from hub.storage.session import Database
from hub.storage.tables import Connection, InboundMessage, Practice, ServiceAgreement

SCOPE = unrestricted_scope("test")
HL7 = "application/hl7-v2"
ROUTES = Routes(
    (
        Hl7Connection(
            "con-a",
            "EHRA",
            {"NORTH": Facility("north", "UTC"), "SOUTH": Facility("south", "UTC")},
            Config(),
            peers=("192.0.2.0/24",),
        ),
        Hl7Connection("con-b", "EHRB", {"EAST": Facility("east", "UTC")}, Config()),
    )
)


@dataclass
class FullDisk:
    """An intake that cannot store."""

    def receive_then(self, arrival: Arrival, told: Told) -> None:
        told(None, OSError("full"))

    def receive_together(self, arrivals: Sequence[Arrival]) -> Future[list[Stored]]:
        failed: Future[list[Stored]] = Future()
        failed.set_exception(OSError("full"))
        return failed


@dataclass
class Parts:
    """What the endpoint needs of the hub."""

    database: Database
    intake: Any

    def now(self) -> datetime:
        return datetime(2026, 3, 2, 15, 0, tzinfo=UTC)


@dataclass
class Door:
    parts: Parts
    keys: dict[str, str] = field(default_factory=dict)

    def post(
        self,
        body: bytes,
        client: str | None = "mso",
        path: str = "/hl7/EHR A",
        content_type: str = HL7,
    ) -> httpx2.Response:
        app = Starlette(routes=hl7_routes(self.parts, lambda: ROUTES))  # type: ignore[arg-type]
        headers = {"content-type": content_type}
        if client is not None:
            headers["authorization"] = f"Bearer {self.keys.get(client, client)}"

        async def ask() -> httpx2.Response:
            transport = httpx2.ASGITransport(app)
            async with httpx2.AsyncClient(transport=transport, base_url="http://hub") as http:
                return await http.post(path, content=body, headers=headers)

        return asyncio.run(ask())

    def stored(self) -> list[InboundMessage]:
        with self.parts.database.read(SCOPE) as session:
            return list(session.query(InboundMessage).order_by(InboundMessage.control_id))


@pytest.fixture
def door(database: Database, crypto: Crypto, now: datetime) -> Door:
    parts = Parts(database, Intake(database, crypto, lambda: now))

    def seed(session: Any) -> dict[str, str]:
        for name in ("north", "south", "east"):
            session.add(Practice(id=name, name=name, zone="UTC", created_at=now))
        for id, name in (("con-a", "EHR A"), ("con-b", "EHR B"), ("con-c", "not HL7")):
            session.add(
                Connection(id=id, name=name, connector_id="ehr_hl7v2", config={}, created_at=now)
            )
        session.flush()
        for practice in ("north", "south"):
            session.add(
                ServiceAgreement(
                    practice_id=practice, domain="CLINICAL", granularity="ROW",
                    purposes=["OPERATIONS"], starts_on=date(2026, 1, 1),
                    ends_on=date(2026, 3, 1) if practice == "south" else None,
                )
            )  # fmt: skip
        grants: dict[str, tuple[PrincipalKind, str | None, tuple[Domain, ...]]] = {
            "mso": (PrincipalKind.MSO_APP, None, tuple(Domain)),
            "north": (PrincipalKind.PRACTICE_APP, "north", tuple(Domain)),
            "east": (PrincipalKind.PRACTICE_APP, "east", tuple(Domain)),
            "buyer": (PrincipalKind.MSO_APP, None, (Domain.SUPPLY,)),
            "reader": (PrincipalKind.PRACTICE_APP, "north", tuple(Domain)),
        }
        return {
            name: create_client(
                session, name, kind, practice, now=now, domains=domains, write=name != "reader"
            )[1]
            for name, (kind, practice, domains) in grants.items()
        }

    return Door(parts, database.transaction(SCOPE, seed))


def message(number: int = 1, **fields: str) -> bytes:
    values = {"app": "EHRA", "facility": "NORTH", "type": "ADT^A04", "accept": "", **fields}
    return (
        f"MSH|^~\\&|{values['app']}|{values['facility']}|HUB|HUB|20260302||{values['type']}|C{number}"
        f"|P|2.5.1|||{values['accept']}|{values['accept']}\rPID|1||77^^^NORTH^MR||Quill^Zeb\r"
    ).encode()


def codes(answer: httpx2.Response) -> list[tuple[str, bytes]]:
    acks = [read_ack(content) for content in split_messages(answer.content)]
    return [(ack[0], ack[1]) for ack in acks if ack is not None]


def test_a_message_is_stored_and_its_acknowledgement_is_the_body(door: Door) -> None:
    answer = door.post(message())
    assert (answer.status_code, answer.headers["content-type"]) == (200, HL7)
    assert codes(answer) == [("AA", b"C1")]
    (row,) = door.stored()
    assert (row.state, row.practice_id, row.connection_id) == ("received", "north", "con-a")


def test_a_message_sent_again_gets_the_stored_answer_and_no_second_row(door: Door) -> None:
    assert door.post(message()).content == door.post(message()).content
    assert len(door.stored()) == 1


@pytest.mark.parametrize("content_type", [HL7, f"{HL7}; charset=utf-8", "text/plain"])
def test_the_content_types_of_hl7_are_taken(door: Door, content_type: str) -> None:
    assert door.post(message(), content_type=content_type).status_code == 200


def test_several_messages_are_answered_in_their_order(door: Door) -> None:
    answer = door.post(message(1) + message(2) + message(3))
    assert codes(answer) == [("AA", b"C1"), ("AA", b"C2"), ("AA", b"C3")]
    assert not answer.content.startswith(b"\x0b")


def test_mllp_framing_is_taken_and_given_back(door: Door) -> None:
    answer = door.post(wrap(message(1)) + wrap(message(2)))
    assert answer.content.startswith(b"\x0bMSH")
    assert answer.content.endswith(b"\x1c\r")
    assert codes(answer) == [("AA", b"C1"), ("AA", b"C2")]


@pytest.mark.parametrize(
    ("body", "status", "acks"),
    [
        (message(type="XYZ^Q01"), 400, ["AR"]),
        (message(facility="ELSEWHERE"), 400, ["AR"]),
        (message(app="EHRB", facility="EAST"), 400, ["AR"]),
        (b"PID|1\r", 422, ["AE"]),
        (message() + message(2).replace(b"|C2|", b"||"), 422, ["AA", "AE"]),
        (b"PID|1\r" + message(2, type="XYZ^Q01"), 400, ["AE", "AR"]),
        (message(accept="NE"), 202, []),
        (message() + message(2, accept="NE"), 200, ["AA"]),
        (message() + b"x" * FRAME_CAP, 400, ["AR"]),
    ],
)
def test_the_gravest_acknowledgement_decides_the_status(
    door: Door, body: bytes, status: int, acks: list[str]
) -> None:
    answer = door.post(body)
    assert answer.status_code == status
    assert [code for code, _ in codes(answer)] == acks
    assert len(door.stored()) >= 1  # kept, whatever it was


def test_what_is_not_stored_is_to_be_sent_again(door: Door) -> None:
    door.parts.intake = FullDisk()
    answer = door.post(message())
    assert (answer.status_code, codes(answer)) == (503, [("AE", b"C1")])
    assert door.post(message(accept="NE")).status_code == 503


def test_a_repetition_may_lack_its_last_cr(door: Door) -> None:
    first = door.post(message())
    again = door.post(message().rstrip(b"\r"))
    assert (again.status_code, again.content) == (200, first.content)
    assert len(door.stored()) == 1


class NoDatabase:
    def read(self, *_: object) -> Any:
        raise OSError("the database is away")


def test_while_the_database_is_away_all_is_to_be_sent_again(door: Door) -> None:
    door.parts.database = NoDatabase()  # type: ignore[assignment]
    answer = door.post(message())
    assert (answer.status_code, list(answer.json())) == (503, ["error"])


def test_a_practice_sends_for_its_own_facility_only(door: Door) -> None:
    assert door.post(message(1), "north").status_code == 200
    foreign = door.post(message(2, facility="SOUTH"), "north")
    assert (foreign.status_code, codes(foreign)) == (400, [("AR", b"C2")])
    assert {row.practice_id for row in door.stored()} == {"north", None}


def test_the_mso_sends_for_practices_whose_agreement_covers_clinical_data(door: Door) -> None:
    assert door.post(message(1)).status_code == 200
    ended = door.post(message(2, facility="SOUTH"))
    assert (ended.status_code, codes(ended)) == (400, [("AR", b"C2")])
    assert {row.practice_id for row in door.stored()} == {"north", None}


@pytest.mark.parametrize(
    ("client", "path", "status"),
    [
        ("reader", "/hl7/EHR A", 403),
        ("mso", "/hl7/EHR B", 404),
        (None, "/hl7/EHR A", 401),
        ("hub_00000000_unknown", "/hl7/EHR A", 401),
        ("buyer", "/hl7/EHR A", 403),
        ("east", "/hl7/EHR A", 404),
        ("mso", "/hl7/unknown", 404),
        ("mso", "/hl7/%00", 404),
        ("mso", "/hl7/not HL7", 404),
    ],
)
def test_a_stranger_is_refused_before_the_body_is_read(
    door: Door, client: str | None, path: str, status: int
) -> None:
    answer = door.post(message(), client, path)
    assert answer.status_code == status
    assert answer.json()["error"].endswith(".")
    assert ("www-authenticate" in answer.headers) == (status == 401)
    assert door.stored() == []


def test_a_foreign_connection_and_a_missing_one_have_the_same_answer(door: Door) -> None:
    foreign = door.post(message(), "east", "/hl7/EHR A")
    missing = door.post(message(), "east", "/hl7/no such")
    assert foreign.json() == missing.json()


def test_the_connection_may_be_named_by_its_id(door: Door) -> None:
    assert door.post(message(), path="/hl7/con-a").status_code == 200
    as_graphql_tells_it = global_id("Connection", "con-a")
    assert door.post(message(), path=f"/hl7/{as_graphql_tells_it}").status_code == 200
    assert door.post(message(), path=f"/hl7/{global_id('Job', 'con-a')}").status_code == 404


@pytest.mark.parametrize(
    ("make", "content_type", "status"),
    [
        (lambda: message(), "application/json", 415),
        (lambda: b" \r\n", HL7, 400),
        (lambda: b"x" * (LARGEST_BODY + 1), HL7, 413),
        (lambda: b"MSH|^~\\&|A\r" * (MOST_MESSAGES + 1), HL7, 413),
    ],
)
def test_what_is_no_body_of_messages_is_refused(
    door: Door, make: Callable[[], bytes], content_type: str, status: int
) -> None:
    answer = door.post(make(), content_type=content_type)
    assert answer.status_code == status
    assert answer.json()["error"].endswith(".")
    assert door.stored() == []
