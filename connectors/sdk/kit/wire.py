"""Between a connector and its simulated vendor: what was asked, and faults of the network."""

from __future__ import annotations

from collections.abc import Callable

import httpx2

MOST_REQUESTS = 200
"""No call of the kit needs as many: a connector that asks more often does not end."""

Fault = Callable[[httpx2.Request, Callable[[], httpx2.Response]], httpx2.Response]
"""Answers in the vendor's place; the second argument asks the vendor."""


class Endless(BaseException):
    """The connector goes on asking; not an Exception, so that none of its handlers stops it."""


class Wire(httpx2.BaseTransport):
    """Plays `fault` on the requests from number `since` on; `hit` counts those,
    `answers` are the bodies that came."""

    def __init__(
        self, vendor: httpx2.BaseTransport, fault: Fault | None = None, since: int = 1
    ) -> None:
        self._vendor = vendor
        self._fault = fault
        self._since = since
        self.requests: list[httpx2.Request] = []
        self.answers: list[bytes] = []
        self.hit = 0

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        if len(self.requests) > MOST_REQUESTS:
            raise Endless
        if self._fault is None or len(self.requests) < self._since:
            response = self._vendor.handle_request(request)
        else:
            self.hit += 1
            response = self._fault(request, lambda: self._vendor.handle_request(request))
        self.answers.append(response.read())
        return response


def status(code: int, content: bytes = b"", **headers: str) -> Fault:
    """Every request is answered by this status."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda *_: httpx2.Response(code, headers=named, content=content)


def failing(error: type[httpx2.TransportError]) -> Fault:
    """Every request ends in an error of the network."""

    def fail(request: httpx2.Request, _: Callable[[], httpx2.Response]) -> httpx2.Response:
        raise error("planned", request=request)

    return fail


def changed(change: Callable[[bytes], bytes]) -> Fault:
    """The vendor's answers with another body."""

    def answer(_: httpx2.Request, ask: Callable[[], httpx2.Response]) -> httpx2.Response:
        return _copy(ask(), change)

    return answer


def _copy(real: httpx2.Response, change: Callable[[bytes], bytes]) -> httpx2.Response:
    headers = {name: value for name, value in real.headers.items() if name != "content-length"}
    return httpx2.Response(real.status_code, headers=headers, content=change(real.read()))


def repeating() -> Fault:
    """The first answer again and again."""
    kept: list[httpx2.Response] = []

    def answer(_: httpx2.Request, ask: Callable[[], httpx2.Response]) -> httpx2.Response:
        if not kept:
            kept.append(ask())
        return _copy(kept[0], lambda body: body)

    return answer
