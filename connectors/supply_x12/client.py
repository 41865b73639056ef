"""Requests to Stonebridge's EDI gateway; no meaning is read here."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import httpx2

from connectors.sdk.ctx import Ctx
from connectors.sdk.http import read_json
from connectors.supply_x12.config import Config
from hub.errors import ConfigError, ContractDrift

CONTENT_TYPE = "application/edi-x12"


class Client:
    """One connection; `ctx.config` must be this connector's Config."""

    def __init__(self, ctx: Ctx) -> None:
        if not isinstance(ctx.config, Config):
            raise ConfigError("The settings are those of another connector.", field="connector")
        self._ctx = ctx
        self.config = ctx.config

    def terms(self) -> dict[str, Any]:
        return _object(self._request("GET", "/terms"))

    def catalogue(self, page: int) -> tuple[bytes, int]:
        """Page `page` (from 1) of the price catalogue as an 832, and the number of pages."""
        response = self._request("GET", "/edi/832", params={"page": str(page)})
        count = response.headers.get("x-page-count", "")
        if not (count.isascii() and count.isdigit() and len(count) < 6):
            raise ContractDrift(
                "The gateway does not say how many pages there are.",
                reason="shape",
                path="x-page-count",
            )
        return response.content, int(count)

    def send_order(self, content: bytes, idempotency_key: str) -> bytes:
        """Hand over an 850; the answer is the vendor's 997, or empty where that comes later."""
        return self._post("/edi/850", content, {"idempotency-key": idempotency_key}).content

    def send_acknowledgment(self, content: bytes) -> None:
        self._post("/edi/997", content, {})

    def order(self, number: str) -> dict[str, Any] | None:
        """The state of the order of this purchase order number; None if it is not known."""
        path = f"/orders/{quote(number, safe='')}"
        response = self._request("GET", path, accept_statuses=(404,))
        return None if response.status_code == 404 else _object(response)

    def _post(self, path: str, content: bytes, headers: dict[str, str]) -> httpx2.Response:
        headers = {"content-type": CONTENT_TYPE, **headers}
        return self._request("POST", path, content=content, headers=headers)

    def _request(
        self, method: str, path: str, *, headers: dict[str, str] | None = None, **options: Any
    ) -> httpx2.Response:
        key = self._ctx.secrets.get(self.config.api_key)
        return self._ctx.http.request(
            method,
            self.config.base_url + path,
            headers={"x-api-key": key, **(headers or {})},
            **options,
        )


def _object(response: httpx2.Response) -> dict[str, Any]:
    value = read_json(response)
    if not isinstance(value, dict):
        raise ContractDrift("The vendor's answer is no JSON object.", reason="shape", path="$")
    return value
