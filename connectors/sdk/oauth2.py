"""OAuth 2.0 client credentials (RFC 6749 §4.4) in front of a connector's requests."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial
from urllib.parse import quote, urlencode

import httpx2

from connectors.sdk.ctx import Ctx
from connectors.sdk.http import read_json
from hub.errors import AuthError, DataError


class ClientCredentials:
    """Requests with a bearer token, fetched when first needed and kept for one call of the engine.

    A request answered 401 is repeated once with a fresh token; a second 401 is an AuthError. The
    client authenticates at the token endpoint by HTTP Basic (§2.3.1); `client_secret` is a
    reference.
    """

    def __init__(
        self, ctx: Ctx, *, token_url: str, client_id: str, client_secret: str, scope: str = ""
    ) -> None:
        self._ctx = ctx
        self._token_url = token_url
        self._client_id = client_id
        self._client_secret = client_secret
        self._scope = scope
        self._token = ""

    def request(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        body: object | None = None,
        accept_statuses: Collection[int] = (),
    ) -> httpx2.Response:
        """As `Http.request`, with the token; raises AuthError where a fresh token is refused."""
        send = partial(self._send, method, url, params, body, accept_statuses)
        try:
            return send()
        except AuthError as error:
            if error.kind != "expired":
                raise
        self._token = ""
        try:
            return send()
        except AuthError as error:
            if error.kind != "expired":
                raise
            raise AuthError(
                "The vendor refuses a token it has just issued.", kind="revoked"
            ) from error

    def _send(
        self,
        method: str,
        url: str,
        params: Mapping[str, str] | None,
        body: object | None,
        accept_statuses: Collection[int],
    ) -> httpx2.Response:
        self._token = self._token or self._fetch_token()
        return self._ctx.http.request(
            method,
            url,
            params=params,
            headers={"authorization": f"Bearer {self._token}"},
            body=body,
            accept_statuses=accept_statuses,
        )

    def _fetch_token(self) -> str:
        """RFC 6749 §4.4.2; a refused client answers 400 or 401 (§5.2)."""
        form = {
            "grant_type": "client_credentials",
            **({"scope": self._scope} if self._scope else {}),
        }
        response = self._ctx.http.request(
            "POST",
            self._token_url,
            headers={"content-type": "application/x-www-form-urlencoded"},
            content=urlencode(form).encode(),
            auth=(quote(self._client_id), quote(self._ctx.secrets.get(self._client_secret))),
            accept_statuses=(400, 401),
        )
        if not response.is_success:
            raise AuthError("The vendor refused the client id or its secret.", kind="revoked")
        answer = read_json(response)
        token = answer.get("access_token") if isinstance(answer, dict) else None
        if not isinstance(token, str) or not token:
            raise DataError(
                "The token answer has no access_token.", reason="token", path="$.access_token"
            )
        return token
