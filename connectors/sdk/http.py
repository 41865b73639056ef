"""The only way a connector reaches its vendor: httpx2 with an egress list and errors by
recovery."""

from __future__ import annotations

import email.utils
import json
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import httpx2

from connectors.sdk.config import is_loopback
from connectors.sdk.ctx import Clock
from connectors.sdk.egress import guarded_transport
from hub.errors import (
    AuthError,
    ConfigError,
    DataError,
    NotSupported,
    Permanent,
    RateLimited,
    Transient,
)

LARGEST_KEPT = 65_536
"""Bytes kept of an answer that is none; enough to see what it was."""

_TRANSIENT = {408, 425, 500, 502, 503, 504}


class Http:
    """Requests to the hosts of an egress list, with vendor failures translated once.

    Redirects are not followed and proxy variables are not read. `egress` holds host names, a
    leading ``*.`` stands for one or more labels; they are reached over https, at public addresses.
    Loopback hosts pass only where `allow_loopback` is set (demo and tests, for the simulators).
    """

    def __init__(
        self,
        *,
        egress: Collection[str],
        clock: Clock,
        allow_loopback: bool = False,
        timeout: float = 20.0,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        self._egress = tuple(egress)
        self._clock = clock
        self._allow_loopback = allow_loopback
        self._client = httpx2.Client(
            timeout=timeout,
            follow_redirects=False,
            trust_env=False,
            transport=transport or guarded_transport(allow_loopback=allow_loopback),
        )

    def close(self) -> None:
        self._client.close()

    def request(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        body: object | None = None,
        auth: tuple[str, str] | None = None,
        accept_statuses: Collection[int] = (),
        timeout: float | None = None,
    ) -> httpx2.Response:
        """Send one request and return a 2xx answer or one of `accept_statuses`.

        `body` is sent as JSON. Raises Transient, RateLimited, AuthError, NotSupported, Permanent,
        DataError or ConfigError; none of them quotes the address, the request or the answer.
        """
        self._check_egress(url)
        try:
            response = self._client.request(
                method,
                url,
                params=params,
                headers=dict(headers or {}),
                content=content,
                json=body,
                auth=auth if auth is not None else httpx2.USE_CLIENT_DEFAULT,
                timeout=timeout if timeout is not None else httpx2.USE_CLIENT_DEFAULT,
            )
        except httpx2.TimeoutException as error:
            raise Transient("The vendor did not answer in time.") from error
        except httpx2.TransportError as error:
            raise Transient("The connection to the vendor failed.") from error
        if response.is_success or response.status_code in accept_statuses:
            return response
        raise self._failure(response)

    def _check_egress(self, url: str) -> None:
        parts = urlsplit(url)
        host = parts.hostname or ""
        if is_loopback(host):
            if self._allow_loopback:
                return
        elif parts.scheme == "https" and any(_matches(host, pattern) for pattern in self._egress):
            return
        raise ConfigError(
            "The address is outside the connector's egress list.",
            field="base_url",
            hint="Use a host the connector's manifest lists under egress.",
        )

    def _failure(self, response: httpx2.Response) -> Exception:
        status = response.status_code
        retry_at = retry_after(response.headers.get("retry-after"), self._clock.now())
        if status == 429:
            fallback = self._clock.now() + timedelta(seconds=60)
            return RateLimited("The vendor limits our rate.", retry_at=retry_at or fallback)
        if status in {401, 403}:
            kind = "expired" if status == 401 else "scope"
            return AuthError("The vendor refused our credentials.", kind=kind)
        if status in _TRANSIENT:
            seconds = (retry_at - self._clock.now()).total_seconds() if retry_at else None
            return Transient(f"The vendor answered {status}.", retry_after=seconds)
        if status == 501:
            return NotSupported("The vendor does not offer this.", feature="request")
        if status in {404, 410}:
            return Permanent("The vendor does not know this resource.")
        if 300 <= status < 400:
            return ConfigError(
                "The vendor redirects to another address.",
                field="base_url",
                hint="Use the final one.",
            )
        return DataError(f"The vendor refused the request with {status}.", reason=f"http_{status}")


def _matches(host: str, pattern: str) -> bool:
    if pattern.startswith("*."):
        return host.endswith(pattern[1:]) and len(host) > len(pattern) - 1
    return host == pattern


def retry_after(value: str | None, now: datetime) -> datetime | None:
    """Read a Retry-After header (RFC 9110 §10.2.3): seconds or an HTTP date; None if absent or
    odd."""
    if not value:
        return None
    if value.strip().isdigit():
        return now + timedelta(seconds=int(value))
    try:
        parsed = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def read_json(response: httpx2.Response) -> Any:
    """The answer's JSON with exact numbers (Decimal); anything else is a Transient fault.

    Vendors in trouble answer 200 with an HTML page; that is no answer, and worth asking again.
    """
    try:
        return json.loads(response.content, parse_float=Decimal, parse_constant=_refuse_constant)
    except (ValueError, UnicodeDecodeError) as error:
        kind = "an HTML page" if response.content.lstrip()[:1] == b"<" else "something else"
        raise Transient(
            f"The vendor answered {kind} where JSON was due; it is asked again later.",
            raw=response.content[:LARGEST_KEPT],
        ) from error


def _refuse_constant(name: str) -> Decimal:
    raise ValueError(f"{name} is not a number in JSON")
