"""Simulated payers behind one clearinghouse: CORE SOAP at /soap, plain HTTP at /x12.

The payer is chosen by the id in the 270 (2100A NM1-09), the case by the beginning of the member id
(`member_id`); what the payers know is in `simulated_payers.py`.
"""

from __future__ import annotations

import asyncio
import base64
import re
from datetime import date
from typing import Final, Literal
from xml.sax.saxutils import unescape

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from connectors.payer_x12.simulated_payers import (
    PAYER_DOWN,
    PAYERS,
    Book,
    SimulatedPayer,
    member_id,
    payers,
    read_question,
)
from connectors.sdk.simulator import DemoConnection, FaultPlan, simulator_app

__all__ = [
    "LOGIN",
    "PAYERS",
    "PAYER_DOWN",
    "RAW_PATH",
    "SOAP_PATH",
    "SimulatedPayer",
    "build",
    "demo_app",
    "demo_connection",
    "member_id",
    "payers",
]

LOGIN: Final = ("mso-hub", "simulated-payer")
"""User name and password every simulated payer accepts."""

SOAP_PATH: Final = "/soap"
RAW_PATH: Final = "/x12"

_CORE = "http://www.caqh.org/SOAP/WSDL/CORERule2.2.0.xsd"
_SOAP = "http://www.w3.org/2003/05/soap-envelope"


def build(plan: FaultPlan | None = None, *, seed: int = 1, slow_seconds: float = 25.0) -> Starlette:
    """The app. Members beginning with SLOW are answered after `slow_seconds`."""
    book = Book(seed)

    async def soap(request: Request) -> Response:
        if request.method == "GET":
            return Response("<definitions/>", media_type="text/xml")
        body = (await request.body()).decode("utf-8", "replace")
        if not _soap_login(body):
            return _fault("Sender", "wsse:FailedAuthentication")
        text = _between(body, "<Payload><![CDATA[", "]]></Payload>").replace(
            "]]]]><![CDATA[>", "]]>"
        )
        asked = read_question(text)
        if asked is not None and asked.member.startswith("FAULT"):
            return _fault("Receiver", "")
        response = await answer(text)
        if response.status_code != 200 or response.media_type != "application/edi-x12":
            return response
        payload = bytes(response.body).decode()
        return _soap_answer(payload, _between(body, "<PayloadID>", "</PayloadID>"))

    async def raw(request: Request) -> Response:
        wanted = "Basic " + base64.b64encode(":".join(LOGIN).encode()).decode()
        if request.headers.get("authorization") != wanted:
            return Response(status_code=401)
        if request.method == "GET":
            return Response(status_code=204)
        return await answer((await request.body()).decode("utf-8", "replace"))

    async def answer(text: str) -> Response:
        question = read_question(text)
        if question is None:
            return Response("Not a 270.", status_code=400)
        if question.payer_id == PAYER_DOWN:
            return Response("Service unavailable", status_code=503)
        if question.member.startswith("SLOW"):
            await asyncio.sleep(slow_seconds)
        if question.member.startswith("HTML"):
            return Response(
                "<html><body>Scheduled maintenance</body></html>", media_type="text/html"
            )
        payload = book.answer(question)
        if question.member.startswith("CUT"):
            payload = payload[: len(payload) * 2 // 3]
        return Response(payload, media_type="application/edi-x12")

    routes = [
        Route(SOAP_PATH, soap, methods=["GET", "POST"]),
        Route(RAW_PATH, raw, methods=["GET", "POST"]),
    ]
    return simulator_app(routes, plan or FaultPlan())


def demo_app(*, seed: int, today: date) -> Starlette:
    """The app of `mso-hub connector simulate`; answers carry the day of the question."""
    return build(seed=seed)


def demo_connection(url: str, transport: Literal["soap", "raw"] = "soap") -> DemoConnection:
    """A route to every simulated payer over one of the two transports."""
    return DemoConnection(
        {
            "base_url": url + (SOAP_PATH if transport == "soap" else RAW_PATH),
            "transport": transport,
            "sender_id": "MSOHUB",
            "receiver_id": "PAYERS",
            "trace_company": "9MSOHUB001",
            "username": LOGIN[0],
            "timeout_seconds": 20.0,
        },
        {"password": LOGIN[1]},
    )


def _soap_login(body: str) -> bool:
    name = _between(body, "<wsse:Username>", "</wsse:Username>")
    password = re.search(r"<wsse:Password[^>]*>([^<]*)<", body)
    return (unescape(name), unescape(password[1]) if password else "") == LOGIN


def _soap_answer(payload: str, payload_id: str) -> Response:
    kind = re.search(r"ST.(271|999)", payload)
    name = f"X12_{kind[1] if kind else 'TA1'}_Response"
    content = (
        f'<s:Envelope xmlns:s="{_SOAP}"><s:Body>'
        f'<c:COREEnvelopeRealTimeResponse xmlns:c="{_CORE}"><PayloadType>{name}</PayloadType>'
        f"<ProcessingMode>RealTime</ProcessingMode><PayloadID>{payload_id}</PayloadID>"
        "<CORERuleVersion>2.2.0</CORERuleVersion>"
        f"<Payload><![CDATA[{payload}]]></Payload>"
        "<ErrorCode>Success</ErrorCode><ErrorMessage>None</ErrorMessage>"
        "</c:COREEnvelopeRealTimeResponse></s:Body></s:Envelope>"
    )
    return Response(content, media_type="application/soap+xml")


def _fault(code: str, subcode: str) -> Response:
    inner = f"<s:Subcode><s:Value>{subcode}</s:Value></s:Subcode>" if subcode else ""
    content = (
        f'<s:Envelope xmlns:s="{_SOAP}"><s:Body><s:Fault><s:Code><s:Value>s:{code}</s:Value>{inner}'
        '</s:Code><s:Reason><s:Text xml:lang="en">Refused</s:Text></s:Reason></s:Fault></s:Body>'
        "</s:Envelope>"
    )
    return Response(content, status_code=500, media_type="application/soap+xml")


def _between(text: str, start: str, end: str) -> str:
    _, _, rest = text.partition(start)
    return rest.partition(end)[0]
