"""Checks of a connector that calls somebody: its probes, its errors, and where its secrets go."""

from __future__ import annotations

import contextlib
import io
import logging
import traceback
from collections.abc import Iterator
from typing import Any

import httpx2

from connectors.sdk.base import CheckReport
from connectors.sdk.kit import wire
from connectors.sdk.kit.attempts import attempt, told
from connectors.sdk.kit.model import check
from connectors.sdk.kit.subject import Call, Subject
from connectors.sdk.kit.vendor import demo_connection
from hub.errors import ConfigError

CANARY = "canary-5b0a2f77d1"
_WRONG = "wrong"
_ELSEWHERE = "elsewhere.invalid"


def _report(call: Call, subject: Subject) -> CheckReport | BaseException:
    try:
        return subject.connector.check(call.ctx)
    except (Exception, wire.Endless) as error:
        return error


def _failure(report: CheckReport | BaseException, when: str) -> Iterator[str]:
    """What is wrong with the report of a check that had to fail."""
    if isinstance(report, BaseException):
        yield f"{when}, check raised {type(report).__name__}"
    elif report.ok:
        yield f"{when}, check found nothing wrong"
    else:
        for probe in report.probes:
            if not probe.ok and not (probe.error and probe.hint):
                yield f"{when}, the probe {probe.name} says not what is wrong and what to do"


@check(
    "every",
    "A check of a good connection passes, and says what it asked.",
    "Make check(ctx) pass against the simulator with the settings of demo_connection.",
)
def check_good(subject: Subject) -> Iterator[str]:
    with subject.server() as server:
        report = _report(_good_call(subject, server), subject)
    if isinstance(report, BaseException):
        yield f"check raised {type(report).__name__}"
        return
    if not report.probes:
        yield "check asked nothing"
    yield from (
        f"the probe {probe.name} failed: {probe.error}" for probe in report.probes if not probe.ok
    )


def _good_call(subject: Subject, server: Any) -> Call:
    if server is None:
        return subject.call()
    return subject.call(settings=demo_connection(subject.package, server.url).settings)


@check(
    "http",
    "Wrong or missing credentials are found by a check, which never raises and says what to do.",
    "Let check(ctx) ask something that needs the credentials, inside run_probes.",
)
def check_bad_auth(subject: Subject) -> Iterator[str]:
    if not subject.fit.secrets:
        yield "demo_connection names no secret, so that none can be wrong"
        return
    yield from _failure(_report(subject.call(secret=_WRONG), subject), "with a wrong secret")
    missing = subject.call(secrets_missing=True)
    yield from _failure(_report(missing, subject), "without the secret")


@check(
    "http",
    "Credentials without a right that is needed are found by a check, which never raises and says"
    " what to do.",
    "Let check(ctx) ask for what the streams or calls need, inside run_probes.",
)
def check_missing_scope(subject: Subject) -> Iterator[str]:
    yield from _failure(_report(subject.call(wire.status(403)), subject), "where all is forbidden")
    usual = subject.call()
    _report(usual, subject)
    for place in range(2, len(usual.wire.requests) + 1):
        report = _report(subject.call(wire.status(403), place), subject)
        yield from _failure(report, f"where the requests from number {place} on are forbidden")


@check(
    "caller",
    "A vendor that cannot be reached or is in trouble is told by a check, which never raises.",
    "Put every question of check(ctx) into run_probes.",
)
def check_unreachable(subject: Subject) -> Iterator[str]:
    if "http" not in subject.scopes:
        with subject.server() as server:
            settings = _good_call(subject, server).ctx.config.model_dump()
        call = subject.call(settings=settings)  # nobody listens there any more
        yield from _failure(_report(call, subject), "where nobody listens")
        return
    faults = {
        "where nobody answers": wire.failing(httpx2.ConnectError),
        "at a vendor that answers 503": wire.status(503),
        "at a limit of the rate": wire.status(429),
    }
    for when, fault in faults.items():
        yield from _failure(_report(subject.call(fault), subject), when)


@check(
    "caller",
    "A check changes nothing at the vendor: it may be run at any time.",
    "Ask with GET or HEAD; only a token may be fetched with POST.",
)
def check_is_read_only(subject: Subject) -> Iterator[str]:
    with subject.server() as server:
        call = _good_call(subject, server)
        _report(call, subject)
        if getattr(server, "received", ()):
            yield "check sent a message"
    for request in call.wire.requests:
        is_token = b"grant_type=" in request.content
        if request.method not in {"GET", "HEAD", "OPTIONS"} and not is_token:
            yield f"check sent {request.method} to {request.url.path}"


@check(
    "http",
    "No request, and so no secret, goes to a host that the manifest does not list.",
    "Send every request through ctx.http, to addresses made of the settings.",
)
def egress_allow_list(subject: Subject) -> Iterator[str]:
    moved = {
        name: value.replace(subject.url, f"https://{_ELSEWHERE}")
        for name, value in subject.fit.settings.items()
        if isinstance(value, str) and value.startswith(subject.url)
    }
    if not moved:
        yield "no setting of demo_connection holds the vendor's address"
    to_elsewhere = wire.status(302, location=f"https://{_ELSEWHERE}/")
    for name, ask in subject.asks().items():
        for how, call in (
            ("with an address outside egress", subject.call(settings=moved)),
            ("after a redirect", subject.call(to_elsewhere)),
        ):
            error, _ = attempt(call, ask)
            hosts = {request.url.host for request in call.wire.requests}
            if _ELSEWHERE in hosts:
                yield f"{name} {how}: it was asked"
            if not isinstance(error, ConfigError):
                yield f"{name} {how}: {told(error)} instead of ConfigError"


@check(
    "caller",
    "No error, probe, log line, address or settings text repeats a secret, or an echo of one.",
    "Take the secret from ctx.secrets when it is used, put it into a header, quote no answer.",
)
def no_secret_in_repr_logs_errors(subject: Subject) -> Iterator[str]:
    echo = f"the key {CANARY} is not known".encode()
    faults = (None, wire.status(400, echo), wire.status(503, echo), wire.status(200, echo))
    texts: dict[str, str] = {}
    with _recorded() as written:
        for fault in faults:
            call = subject.call(fault, secret=CANARY)
            report = _report(call, subject)
            texts["the report of a check"] = repr(report)
            texts["the settings"] = repr(call.ctx.config)
            for name, ask in subject.asks().items():
                call = subject.call(fault, secret=CANARY)
                error, _ = attempt(call, ask)
                if error is not None:
                    chain = traceback.format_exception(error)
                    texts[f"the error of {name}"] = repr(error) + "".join(chain)
                addresses = " ".join(str(request.url) for request in call.wire.requests)
                texts[f"an address of {name}"] = addresses
                yield from _leaks(texts)
                texts.clear()
    yield from _leaks({"the log or the terminal": written.getvalue()})


def _leaks(texts: dict[str, str]) -> Iterator[str]:
    yield from (f"{where} holds the secret" for where, text in texts.items() if CANARY in text)


@contextlib.contextmanager
def _recorded() -> Iterator[io.StringIO]:
    """Everything logged or printed meanwhile."""
    written = io.StringIO()
    handler, root = logging.StreamHandler(written), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        with contextlib.redirect_stdout(written), contextlib.redirect_stderr(written):
            yield written
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


CHECKS = (
    no_secret_in_repr_logs_errors,
    check_good,
    check_bad_auth,
    check_missing_scope,
    check_unreachable,
    check_is_read_only,
    egress_allow_list,
)
