"""Transport to the Wagewright API; what the rows mean is in parse.py."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast
from urllib.parse import quote

from connectors.payroll_rest.config import Config
from connectors.payroll_rest.parse import company_page
from connectors.sdk.ctx import Ctx
from connectors.sdk.http import read_json
from connectors.sdk.incremental import Ask, ResumeTokenExpired
from connectors.sdk.oauth2 import ClientCredentials
from hub.errors import AuthError, Permanent


class Client:
    """One connection for one call of the engine."""

    def __init__(self, ctx: Ctx) -> None:
        self._config = cast(Config, ctx.config)
        self._api = ClientCredentials(
            ctx,
            token_url=f"{self._config.base_url}/oauth/token",
            client_id=self._config.client_id,
            client_secret=self._config.client_secret,
        )

    def companies(self) -> tuple[str, ...]:
        """The companies to read: those of the settings, else all the credentials see.

        Raises AuthError (scope) where there are none.
        """
        if self._config.entities:
            return self._config.entities
        found: list[str] = []
        params: dict[str, str] = {}
        while True:
            url = f"{self._config.base_url}/v1/companies"
            names, token = company_page(read_json(self._api.request("GET", url, params=params)))
            found += names
            if token is None or token == params.get("cursor"):
                break
            params = {"cursor": token}
        if not found:
            raise AuthError("The credentials see no company.", kind="scope")
        return tuple(found)

    def page(self, resource: str, ask: Ask) -> Any:
        """One page of a company's resource as decoded JSON; a page token carries its own filter."""
        params = {"limit": str(self._config.page_size)}
        if ask.token is not None:
            params["cursor"] = ask.token
        else:
            params["updated_until"] = _stamp(ask.until)
            if ask.since is not None:
                params["updated_since"] = _stamp(ask.since)
        url = f"{self._config.base_url}/v1/companies/{quote(ask.partition, safe='')}/{resource}"
        response = self._api.request("GET", url, params=params, accept_statuses=(410,))
        if response.status_code == 410:
            if ask.token is not None:
                raise ResumeTokenExpired
            raise Permanent("The vendor no longer offers this resource.")
        return read_json(response)


def _stamp(time: datetime) -> str:
    """Whole seconds in UTC, as the vendor writes them."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")
