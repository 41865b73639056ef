"""Checks of a connector against a vendor in trouble: what its errors say and how often it asks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx2

from connectors.sdk.kit import wire
from connectors.sdk.kit.attempts import attempt, told
from connectors.sdk.kit.model import check
from connectors.sdk.kit.subject import NOW, Call, Subject
from hub.errors import AuthError, HubError, RateLimited, Rejected, Transient, VendorDown

_PAGE = b"<!doctype html><html><body>Scheduled maintenance</body></html>"
_PLACES = (1, 2, 3)
"""Faults begin at the first, second and third request: a login, a list, a page."""


def _faulted(
    subject: Subject, fault: wire.Fault
) -> Iterator[tuple[str, Call, BaseException | None, Any]]:
    """Every call with the fault from its first, second and third request on."""
    for name, ask in subject.asks().items():
        for place in _PLACES:
            call = subject.call(fault, place)
            error, result = attempt(call, ask)
            if call.wire.hit:
                yield f"{name}, from request {place} on", call, error, result


@check(
    "http",
    "A limited rate is waited out as long as the vendor says.",
    "Let the error of ctx.http through, or raise RateLimited with the vendor's own time.",
)
def retry_after_honoured(subject: Subject) -> Iterator[str]:
    date = NOW + timedelta(minutes=7)
    answers: dict[str, tuple[wire.Fault, datetime | None]] = {
        "in seconds": (wire.status(429, retry_after="90"), NOW + timedelta(seconds=90)),
        "as a date": (wire.status(429, retry_after=format_datetime(date, usegmt=True)), date),
        "not at all": (wire.status(429), None),
        "in words": (wire.status(429, retry_after="soon"), None),
    }
    for how, (fault, due) in answers.items():
        for name, _, error, _ in _faulted(subject, fault):
            if not isinstance(error, RateLimited):
                yield f"{name}: {told(error)} instead of RateLimited for a 429"
            elif error.retry_at <= NOW or (due is not None and error.retry_at != due):
                yield f"{name}: Retry-After given {how} was not kept"


@check(
    "http",
    "At a limit of the rate the call ends at once: no worker sleeps, and nothing is asked again.",
    "Do not wait or repeat in the connector; the engine parks the job.",
    name="429_never_sleeps",
)
def limit_never_sleeps(subject: Subject) -> Iterator[str]:
    slept: list[object] = []
    real, time.sleep = time.sleep, slept.append
    try:
        for name, call, _, _ in _faulted(subject, wire.status(429, retry_after="1")):
            if slept:
                yield f"{name}: it slept"
            if call.wire.hit > 1:
                yield f"{name}: it asked again {call.wire.hit - 1} times"
            slept.clear()
    finally:
        time.sleep = real


@check(
    "http",
    "Refused credentials stop the call after at most one fresh token.",
    "Let the AuthError of ctx.http through; use oauth2.ClientCredentials for tokens.",
    name="401_maps_to_auth_and_stops",
)
def refusal_stops(subject: Subject) -> Iterator[str]:
    for name, call, error, _ in _faulted(subject, wire.status(401)):
        if not isinstance(error, AuthError):
            yield f"{name}: {told(error)} instead of AuthError for a 401"
        if call.wire.hit > 2:
            yield f"{name}: it asked {call.wire.hit} times"


@check(
    "http",
    "Trouble at the vendor is temporary: the call ends as Transient and the engine repeats it.",
    "Let the Transient of ctx.http through; do not repeat in the connector.",
    name="5xx_timeout_reset_bounded",
)
def trouble_is_transient(subject: Subject) -> Iterator[str]:
    faults = {
        "500": wire.status(500),
        "503": wire.status(503),
        "a timeout": wire.failing(httpx2.ReadTimeout),
        "a reset": wire.failing(httpx2.ReadError),
    }
    for what, fault in faults.items():
        for name, call, error, _ in _faulted(subject, fault):
            if not isinstance(error, VendorDown):
                yield f"{name}: {told(error)} instead of Transient for {what}"
            if call.wire.hit > 3:
                yield f"{name}: it asked {call.wire.hit} times"


_BODIES: dict[str, Callable[[bytes], bytes]] = {
    "a page of HTML": lambda body: _PAGE,
    "half a body": lambda body: body[: len(body) // 2],
    "an empty body": lambda body: b"",
    "a byte order mark": lambda body: b"\xef\xbb\xbf" + body,
    "another charset": lambda body: b"\xff\xfe\xe9" + body,
}


@check(
    "http",
    "An answer that is none is never taken for one: neither an empty list nor a crash.",
    "Read with read_json, or raise Transient, DataError or ContractDrift for what is no answer.",
)
def malformed_body_is_data_or_transient(subject: Subject) -> Iterator[str]:
    clean = {name: ask(subject.call().ctx) for name, ask in subject.asks().items()}
    for what, change in _BODIES.items():
        for name, _, error, result in _faulted(subject, wire.changed(change)):
            if error is None and result != clean[name.partition(",")[0]]:
                yield f"{name}: {what} was taken for an answer"
            if error is not None and not isinstance(error, Transient | Rejected):
                kind = "a crash" if not isinstance(error, HubError) else "another error"
                yield f"{name}: {told(error)} for {what}, which is {kind}"


CHECKS = (
    retry_after_honoured,
    limit_never_sleeps,
    refusal_stops,
    trouble_is_transient,
    malformed_body_is_data_or_transient,
)
