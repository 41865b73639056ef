"""Requests to Brightwell's API; no meaning is read here."""

from __future__ import annotations

from datetime import UTC
from typing import Any
from urllib.parse import quote

import httpx2

from connectors.sdk.ctx import Ctx
from connectors.sdk.http import read_json
from connectors.sdk.incremental import Ask, ResumeTokenExpired
from connectors.supply_rest.config import Config
from hub.errors import ConfigError, ContractDrift

TIME = "%Y-%m-%dT%H:%M:%SZ"


class Client:
    """One connection; `ctx.config` must be this connector's Config."""

    def __init__(self, ctx: Ctx) -> None:
        if not isinstance(ctx.config, Config):
            raise ConfigError("The settings are those of another connector.", field="connector")
        self._ctx = ctx
        self._config = ctx.config

    def terms(self) -> dict[str, Any]:
        return _object(self._request("GET", "/v1/terms"))

    def offers(self, ask: Ask) -> dict[str, Any]:
        """One page of offers changed in the asked span; both ends belong to it."""
        params = {
            "limit": str(self._config.page_size),
            "updated_until": f"{ask.until.astimezone(UTC):{TIME}}",
        }
        if ask.since is not None:
            params["updated_since"] = f"{ask.since.astimezone(UTC):{TIME}}"
        if ask.token is not None:
            params["page_token"] = ask.token
        response = self._request("GET", "/v1/offers", params=params, accept_statuses=(410,))
        if response.status_code == 410:
            raise ResumeTokenExpired
        return _object(response)

    def place_order(self, content: bytes, idempotency_key: str) -> dict[str, Any]:
        headers = {"idempotency-key": idempotency_key, "content-type": "application/json"}
        return _object(self._request("POST", "/v1/orders", headers=headers, content=content))

    def order(self, number: str) -> dict[str, Any] | None:
        """The order of this purchase order number; None if the vendor does not hold it."""
        path = f"/v1/orders/{quote(number, safe='')}"
        response = self._request("GET", path, accept_statuses=(404,))
        return None if response.status_code == 404 else _object(response)

    def _request(
        self, method: str, path: str, *, headers: dict[str, str] | None = None, **options: Any
    ) -> httpx2.Response:
        key = self._ctx.secrets.get(self._config.api_key)
        return self._ctx.http.request(
            method,
            self._config.base_url + path,
            headers={"authorization": f"Bearer {key}", "accept": "application/json"}
            | (headers or {}),
            **options,
        )


def _object(response: httpx2.Response) -> dict[str, Any]:
    value = read_json(response)
    if not isinstance(value, dict):
        raise ContractDrift("The vendor's answer is no JSON object.", reason="shape", path="$")
    return value
