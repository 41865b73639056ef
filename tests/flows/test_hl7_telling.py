"""What the hub tells other systems because an app asks for it: over GraphQL, the queue and MLLP, to
a running receiver, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import httpx2
import pytest

from connectors.hl7v2_destination.simulator import FakeReceiver
from connectors.sdk.hl7v2.lexer import Message, lex
from hub.auth.credentials import create_client
from hub.domain.agreements import Domain, PrincipalKind, unrestricted_scope
from hub.services import connections
from hub.storage.session import ScopedSession
from hub.storage.tables import OutboundMessage, ServiceAgreement
from tests.flows.hl7_desk import Desk, adt
from tests.polling import wait_until

pytestmark = pytest.mark.end_to_end
SCOPE = unrestricted_scope("test")
BOOKED = (
    "SCH|PL-31|AP-7001^DESKEHR|||||FOLLOWUP^Follow-up|OFFICE|30|MIN|^^30^{at}|||||||||||||||Booked\r"
    "PID|1||M1^^^NORTH^MR||Testperson^Ada||19790412|F\r"
    "RGS|1|A\rAIS|1|A|FOLLOWUP^Follow-up|{at}|||30|MIN\r"
)
ORDERED = (
    "PID|1||M1^^^NORTH^MR||Testperson^Ada||19790412|F\r"
    "ORC|NW|ORD-88^DESKEHR||||||||20260303074500\r"
    "OBR|1|ORD-88^DESKEHR||24323-8^Comprehensive metabolic panel^LN\r"
)
FOUND = """{ appointments { nodes { id } } clinicalOrders { nodes { id } }
  connections(where: {connectorId: {eq: "hl7v2_destination"}}) { nodes { id } } }"""
TELL = {
    "appointment": """mutation($input: SendAppointmentInput!) { sendAppointment(input: $input) {
      ... on SendAppointmentPayload { job { kind } } ... on UserErrors { errors { code } } } }""",
    "order": """mutation($input: SendOrderInput!) { sendOrder(input: $input) {
      ... on SendOrderPayload { job { kind } } ... on UserErrors { errors { code } } } }""",
}


class App:
    """An app of the MSO."""

    def __init__(self, at: Desk, key: str) -> None:
        self._url = f"http://127.0.0.1:{at.service.http_port}/graphql"
        self._headers = {"authorization": f"Bearer {key}"}

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        with httpx2.Client(trust_env=False, timeout=30) as http:
            asked = {"query": query, "variables": variables}
            answer = http.post(self._url, json=asked, headers=self._headers).json()
        assert "errors" not in answer, answer
        found: dict[str, Any] = answer["data"]
        return found

    def ids(self) -> dict[str, str]:
        found = self.ask(FOUND)
        return {name: one["nodes"][0]["id"] for name, one in found.items() if one["nodes"]}


def app_and_lab(at: Desk, port: int) -> App:
    def seed(session: ScopedSession) -> str:
        now = datetime.now(UTC)
        for domain in (Domain.SCHEDULE, Domain.CLINICAL):
            session.add(
                ServiceAgreement(
                    practice_id="north", domain=domain.value, granularity="ROW",
                    purposes=["OPERATIONS"], starts_on=date(2026, 1, 1),
                )
            )  # fmt: skip
        connections.add(
            session, at.hub.crypto, connection_id="lab", name="Lab", now=now,
            connector_id="hl7v2_destination",
            config={"host": "127.0.0.1", "port": port, "tls": False},
        )  # fmt: skip
        return create_client(session, "mso", PrincipalKind.MSO_APP, now=now, write=True)[1]

    return App(at, at.hub.database.transaction(SCOPE, seed))


def test_an_appointment_and_an_order_reach_a_receiver_when_an_app_asks(
    desk: Callable[..., Desk],
) -> None:
    with FakeReceiver(["later", "accept", "split"]) as receiver:
        at = desk(roles=("web", "mllp", "jobs"))
        app = app_and_lab(at, receiver.port)
        sender = at.connect()
        sender.send(
            adt("C1", f9="SIU^S12^SIU_S12", body=BOOKED.format(at="20260309143000")),
            adt("C2", f9="ORM^O01^ORM_O01", body=ORDERED),
        )
        assert [sender.answer()[0], sender.answer()[0]] == ["AA", "AA"]
        wait_until(lambda: set(at.states().values()) == {"processed"})
        ids = app.ids()
        to = {"destinationId": ids["connections"]}
        given = {"appointmentId": ids["appointments"], "isNew": True, **to}
        assert app.ask(TELL["appointment"], input=given)["sendAppointment"]["job"]
        wait_until(lambda: len(receiver.received) == 2)
        given = {"orderId": ids["clinicalOrders"], "isNew": True, **to}
        assert app.ask(TELL["order"], input=given)["sendOrder"]["job"]
        wait_until(lambda: [row.state for row in at.rows(OutboundMessage)] == ["accepted"] * 2)
    first, again, order = receiver.received
    assert first == again  # not now, said the receiver: the same bytes
    assert says(lex(first), "MSH-9.2", "PID-3", "PID-5.1", "AIS-3", "AIS-4") == [
        "S12", "M1", "Testperson", "FOLLOWUP", "20260309143000+0000",
    ]  # fmt: skip
    assert says(lex(order), "ORC-1", "ORC-2", "OBR-4.1", "PID-3") == [
        "NW", "ORD-88", "24323-8", "M1",
    ]  # fmt: skip


def says(message: Message, *paths: str) -> list[str | None]:
    return [message.value(path) for path in paths]
