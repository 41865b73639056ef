"""Transport to a payer: CORE SOAP 1.2 real time (CAQH CORE 2.2.0) or a plain POST; nothing else."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

from connectors.payer_x12.config import Config
from connectors.sdk.ctx import Ctx
from hub.errors import AuthError, DataError, DeadlineNear, Transient

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_SOAP = "http://www.w3.org/2003/05/soap-envelope"
_CORE = "http://www.caqh.org/SOAP/WSDL/CORERule2.2.0.xsd"
_WSS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss"
_PAYLOAD_TYPE = "X12_270_Request_005010X279A1"
_REFUSED_LOGIN = {"FailedAuthentication", "FailedCheck", "InvalidSecurity", "InvalidSecurityToken"}
_PAYLOAD_NAMESPACE = uuid.UUID("6d1ce1a4-2f0a-5f0e-9a57-0e5d7d0a7b11")


@dataclass(frozen=True, slots=True)
class SoapFault:
    """A SOAP 1.2 fault: the local names of its code and subcode."""

    code: str
    subcode: str = ""


def exchange(ctx: Ctx, config: Config, request: bytes, trace: str) -> bytes:
    """Send a 270 and return the payload of the answer, whatever it holds.

    Waits for `timeout_seconds`, and never past the deadline. `trace` gives the payload its id.
    Raises the errors of `connectors.sdk.http`, AuthError for a refused login, DataError for a
    request the payer's gateway refuses or the answer to another request, DeadlineNear.
    """
    left = (ctx.deadline - ctx.clock.now()).total_seconds()
    if left < 1:
        raise DeadlineNear("There is no time left to ask the payer.")
    timeout = min(config.timeout_seconds, left)
    if config.transport == "raw":
        return _post_raw(ctx, config, request, timeout)
    return _post_soap(ctx, config, request, trace, timeout)


def probe(ctx: Ctx, config: Config) -> None:
    """Ask the address with GET: a gateway that answers at all is reachable."""
    if config.transport == "raw":
        login = (config.username, ctx.secrets.get(config.password))
        ctx.http.request("GET", config.base_url, auth=login, accept_statuses=(400, 405, 415))
    else:
        ctx.http.request("GET", f"{config.base_url}?wsdl", accept_statuses=(400, 405, 415))


def _post_raw(ctx: Ctx, config: Config, request: bytes, timeout: float) -> bytes:
    response = ctx.http.request(
        "POST",
        config.base_url,
        headers={"content-type": "application/edi-x12", "accept": "application/edi-x12"},
        content=request,
        auth=(config.username, ctx.secrets.get(config.password)),
        timeout=timeout,
    )
    return response.content


def _post_soap(ctx: Ctx, config: Config, request: bytes, trace: str, timeout: float) -> bytes:
    payload_id = str(uuid.uuid5(_PAYLOAD_NAMESPACE, f"{config.sender_id}:{trace}"))
    response = ctx.http.request(
        "POST",
        config.base_url,
        headers={
            "content-type": 'application/soap+xml; charset=UTF-8; action="RealTimeTransaction"'
        },
        content=_envelope(ctx, config, request.decode(), payload_id),
        accept_statuses=(400, 500),
        timeout=timeout,
    )
    root = _xml(response.content)
    if root is None:
        if not response.is_success:
            raise Transient(f"The payer answered {response.status_code}.")
        return response.content  # not SOAP: the reader says what it is
    fault = read_fault(root)
    if fault is not None:
        raise _fault_error(fault)
    if not response.is_success:
        raise Transient(f"The payer answered {response.status_code}.")
    return _payload(root, payload_id)


def read_fault(root: Element) -> SoapFault | None:
    """The SOAP 1.2 fault in an envelope, if it is one."""
    fault = root.find(f"{{{_SOAP}}}Body/{{{_SOAP}}}Fault")
    if fault is None:
        return None
    values = [_local(value.text or "") for value in fault.iter(f"{{{_SOAP}}}Value")]
    return SoapFault(*values[:2]) if values else SoapFault("Receiver")


def _fault_error(fault: SoapFault) -> Exception:
    if fault.subcode in _REFUSED_LOGIN:
        return AuthError("The payer refused our user name or password.", kind="revoked")
    if fault.code in {"Sender", "VersionMismatch", "MustUnderstand"}:
        return DataError("The payer's gateway refused the SOAP envelope.", reason="soap_fault")
    return Transient("The payer's gateway reports a fault of its own.")


def _payload(root: Element, payload_id: str) -> bytes:
    answer = root.find(f"{{{_SOAP}}}Body/{{{_CORE}}}COREEnvelopeRealTimeResponse")
    if answer is None:
        raise Transient("The payer's SOAP answer holds no CORE envelope.")
    fields = {_local_tag(child): (child.text or "") for child in answer}
    error = fields.get("ErrorCode", "Success").strip()
    if error == "UnAuthorized":
        raise AuthError("The payer refused our user name or password.", kind="revoked")
    if error == "Receiver":
        raise Transient("The payer's gateway reports a fault of its own.")
    if error not in {"", "Success"}:
        raise DataError("The payer's gateway refused the CORE envelope.", reason="core_error")
    returned = fields.get("PayloadID", "").strip()
    if returned and returned.lower() != payload_id:
        text = "The answer carries the PayloadID of another request."
        raise DataError(text, reason="other_request", path="PayloadID")
    return fields.get("Payload", "").encode()


def _envelope(ctx: Ctx, config: Config, payload: str, payload_id: str) -> bytes:
    password = escape(ctx.secrets.get(config.password))
    stamp = ctx.clock.now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    fields = {
        "PayloadType": _PAYLOAD_TYPE,
        "ProcessingMode": "RealTime",
        "PayloadID": payload_id,
        "TimeStamp": stamp,
        "SenderID": escape(config.sender_id),
        "ReceiverID": escape(config.receiver_id),
        "CORERuleVersion": "2.2.0",
        "Payload": "<![CDATA[" + payload.replace("]]>", "]]]]><![CDATA[>") + "]]>",
    }
    body = "".join(f"<{name}>{value}</{name}>" for name, value in fields.items())
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f'<soap:Envelope xmlns:soap="{_SOAP}"><soap:Header>'
        f'<wsse:Security xmlns:wsse="{_WSS}-wssecurity-secext-1.0.xsd" soap:mustUnderstand="true">'
        f"<wsse:UsernameToken><wsse:Username>{escape(config.username)}</wsse:Username>"
        f'<wsse:Password Type="{_WSS}-username-token-profile-1.0#PasswordText">{password}'
        "</wsse:Password></wsse:UsernameToken></wsse:Security></soap:Header><soap:Body>"
        f'<cor:COREEnvelopeRealTimeRequest xmlns:cor="{_CORE}">{body}'
        "</cor:COREEnvelopeRealTimeRequest></soap:Body></soap:Envelope>"
    ).encode()


def _xml(content: bytes) -> Element | None:
    try:
        root: Element = fromstring(content)
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        return None
    return root if root.tag == f"{{{_SOAP}}}Envelope" else None


def _local(name: str) -> str:
    return name.strip().rpartition(":")[2]


def _local_tag(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]
