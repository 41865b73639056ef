from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from defusedxml.ElementTree import fromstring

from connectors.payer_x12.client import exchange
from connectors.payer_x12.config import Config
from connectors.sdk.ctx import Ctx
from connectors.sdk.http import Http
from hub.errors import AuthError, DataError, HubError, Transient

NOW = datetime(2026, 3, 2, 16, 0, tzinfo=UTC)
CORE = "http://www.caqh.org/SOAP/WSDL/CORERule2.2.0.xsd"
SOAP = "http://www.w3.org/2003/05/soap-envelope"


class Clock:
    def now(self) -> datetime:
        return NOW


class Secrets:
    def get(self, reference: str) -> str:
        return "p<&>w"


def ask(answer: Callable[[httpx2.Request], httpx2.Response], request: bytes = b"ISA~") -> bytes:
    config = Config.model_validate(
        {
            "base_url": "https://edi.payer.example/core",
            "sender_id": "MSO<HUB",
            "receiver_id": "CLEARING",
            "trace_company": "9MSOHUB000",
            "username": "hub&co",
            "password": "env:PAYER_PASSWORD",
        }
    )
    http = Http(egress=("*.payer.example",), clock=Clock(), transport=httpx2.MockTransport(answer))
    deadline = NOW + timedelta(seconds=30)
    ctx = Ctx("c1", config, http, Secrets(), Clock(), deadline, lambda _: None, lambda: False)
    try:
        return exchange(ctx, config, request, "T17")
    finally:
        http.close()


def replying(text: str, status: int = 200) -> Callable[[httpx2.Request], httpx2.Response]:
    return lambda _: httpx2.Response(status, content=text.encode())


def core(fields: str) -> str:
    return (
        f'<e:Envelope xmlns:e="{SOAP}"><e:Body><c:COREEnvelopeRealTimeResponse xmlns:c="{CORE}">'
        f"{fields}</c:COREEnvelopeRealTimeResponse></e:Body></e:Envelope>"
    )


def fault(code: str, subcode: str = "") -> str:
    inner = f"<e:Subcode><e:Value>wsse:{subcode}</e:Value></e:Subcode>" if subcode else ""
    return (
        f'<e:Envelope xmlns:e="{SOAP}"><e:Body><e:Fault><e:Code><e:Value>e:{code}</e:Value>{inner}'
        "</e:Code></e:Fault></e:Body></e:Envelope>"
    )


def test_the_envelope_is_core_real_time_with_the_payload_untouched() -> None:
    seen: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(200, content=core("<Payload>ISA</Payload>").encode())

    assert ask(answer, b"ISA*<&]]>*~") == b"ISA"
    kind = seen[0].headers["content-type"]
    assert kind == 'application/soap+xml; charset=UTF-8; action="RealTimeTransaction"'
    root = fromstring(seen[0].content)
    sent = {element.tag.rpartition("}")[2]: element.text for element in root.iter()}
    assert sent["Payload"] == "ISA*<&]]>*~"
    assert sent["PayloadType"] == "X12_270_Request_005010X279A1"
    assert (sent["ProcessingMode"], sent["CORERuleVersion"]) == ("RealTime", "2.2.0")
    assert (sent["SenderID"], sent["ReceiverID"]) == ("MSO<HUB", "CLEARING")
    assert (sent["Username"], sent["Password"]) == ("hub&co", "p<&>w")
    assert sent["TimeStamp"] == "2026-03-02T16:00:00Z"


def test_a_resent_request_keeps_its_payload_id() -> None:
    seen: list[bytes] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request.content.partition(b"<PayloadID>")[2][:36])
        return httpx2.Response(200, content=core("<Payload>ISA</Payload>").encode())

    ask(answer)
    ask(answer)
    assert seen[0] == seen[1]


@pytest.mark.parametrize(
    ("text", "status", "error"),
    [
        (fault("Sender", "FailedAuthentication"), 500, AuthError),
        (fault("Sender", "FailedAuthentication"), 200, AuthError),
        (fault("Sender"), 400, DataError),
        (fault("VersionMismatch"), 500, DataError),
        (fault("Receiver"), 500, Transient),
        ("<html>busy</html>", 500, Transient),
        ("", 500, Transient),
        (core("<ErrorCode>UnAuthorized</ErrorCode>"), 200, AuthError),
        (core("<ErrorCode>Receiver</ErrorCode>"), 200, Transient),
        (core("<ErrorCode>PayloadTypeIllegal</ErrorCode>"), 200, DataError),
        (core("<PayloadID>another</PayloadID><Payload>ISA</Payload>"), 200, DataError),
        (f'<e:Envelope xmlns:e="{SOAP}"><e:Body/></e:Envelope>', 200, Transient),
        ("", 503, Transient),
        ("", 403, AuthError),
    ],
)
def test_faults_become_errors_by_what_to_do(text: str, status: int, error: type[HubError]) -> None:
    with pytest.raises(error):
        ask(replying(text, status))


@pytest.mark.parametrize(
    "text",
    [
        "<html>busy",
        "",
        '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
        "plain text",
    ],
)
def test_anything_but_soap_is_left_to_the_reader(text: str) -> None:
    assert ask(replying(text)) == text.encode()


def test_an_entity_is_never_expanded() -> None:
    bomb = f'<!DOCTYPE a [<!ENTITY x "ISA">]>{core("<Payload>&x;</Payload>")}'
    assert ask(replying(bomb)) == bomb.encode()
