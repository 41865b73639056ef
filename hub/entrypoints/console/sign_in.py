"""Signing in with a credential and out again, and the cookie between the two.

The form for signing in has a token too, of a cookie of its own that stands for nobody: so no other
site signs anybody in. Whoever signs in gets a new secret, whatever their cookie was.

Browsers do not send these cookies with a link that is followed from elsewhere; a request without
one takes the cookie from nobody.
"""

from __future__ import annotations

import secrets
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from hub.auth import sessions
from hub.auth.credentials import authenticate, shown_part
from hub.auth.scopes import stated_purpose
from hub.auth.sessions import Session
from hub.domain.agreements import Principal, Purpose, operations_scope
from hub.entrypoints.console import forms
from hub.entrypoints.console.rendering import page, see_other
from hub.entrypoints.graphql_operations import HubParts
from hub.entrypoints.http_protocol import NOBODY_WAITS
from hub.entrypoints.key_limit import MINUTE, Attempts, network_of
from hub.entrypoints.refusals import REFUSALS
from hub.errors import Forbidden, HubError, Rejected, Throttled, Unauthenticated
from hub.settings import Settings
from hub.storage import audit
from hub.storage.session import ScopedSession

HOME, SIGN_IN = "/console", "/console/sign-in"
MOST_REFUSED = 10
_SCOPE = operations_scope("console sessions")
_TOO_MANY = "Too many attempts with this credential from this address; wait a minute."
_NOT_HERE = (
    "This credential may not sign in to the console; create one with `mso-hub client create "
    "--allow console`."
)


class Cookie:
    """A cookie: for this site's own pages alone, read by no script, and sent over TLS alone unless
    this is a demonstration."""

    def __init__(self, settings: Settings, name: str) -> None:
        is_https = urlsplit(settings.public_url).scheme == "https"
        self.secure = settings.profile == "production" or is_https
        self.name = f"__Host-{name}" if self.secure else name

    def read(self, request: Request) -> str:
        return request.cookies.get(self.name, "")

    def set(self, response: Response, secret: str) -> None:
        response.set_cookie(
            self.name, secret, path="/", secure=self.secure, httponly=True, samesite="strict"
        )

    def clear(self, response: Response) -> None:
        response.delete_cookie(
            self.name, path="/", secure=self.secure, httponly=True, samesite="strict"
        )


class Door:
    """Lets people in and out, and tells who is in."""

    def __init__(self, hub: HubParts) -> None:
        self._hub = hub
        # By address alone anybody could keep out all who share theirs, behind a proxy everybody.
        self._attempts = Attempts(MOST_REFUSED)
        self.cookie = Cookie(hub.settings, "hub-console")
        self._of_form = Cookie(hub.settings, "hub-console-form")

    async def show(self, request: Request) -> Response:
        """The form; whoever is signed in goes on to their pages."""
        try:
            await run_in_threadpool(self.find, self.cookie.read(request))
        except Unauthenticated:
            return self._form(request, "")
        return see_other(HOME)

    async def enter(self, request: Request) -> Response:
        """Somebody sent the form: in, or the form again with the reason."""
        try:
            fields = await forms.read_fields(request)
            token = forms.token_of(self._hub.crypto, self._of_form.read(request))
            forms.check(request, fields, token, self._hub.settings)
        except ClientDisconnect:
            return Response(status_code=NOBODY_WAITS)
        except (Forbidden, Rejected) as error:
            return self._form(request, str(error), error.http_status)
        key, now = fields.get("key", "").strip(), self._hub.now()
        who = network_of(_address(request)), shown_part(key)
        try:
            if self._attempts.are_too_many(who, now):
                raise Throttled(_TOO_MANY, retry_after=MINUTE.total_seconds())
            await request.scope[REFUSALS].check(request.scope, f"Bearer {key}")
            secret = await run_in_threadpool(
                self._begin, key, fields.get("purpose") or None, self.cookie.read(request)
            )
        except Throttled as error:
            response = self._form(request, str(error), error.http_status)
            response.headers["Retry-After"] = str(int(error.retry_after))
            return response
        except (Unauthenticated, Forbidden) as error:
            self._attempts.note(who, now)
            return self._form(request, str(error), error.http_status)
        response = see_other(HOME)
        self.cookie.set(response, secret)
        self._of_form.clear(response)
        return response

    async def leave(self, session: Session) -> Response:
        """Sign out: the session ends here, whatever becomes of the cookie."""
        await run_in_threadpool(self._end, session)
        response = see_other(SIGN_IN)
        self.cookie.clear(response)
        response.headers["Clear-Site-Data"] = '"cache"'
        return response

    def send_away(self, request: Request) -> Response:
        """To the form; the session is over, or its cookie was not sent."""
        response = see_other(SIGN_IN)
        if self.cookie.read(request):
            self.cookie.clear(response)
        return response

    def find(self, secret: str) -> Session:
        """Who is signed in with a cookie's secret. Blocking. Raises Unauthenticated."""
        now, database = self._hub.now(), self._hub.database
        with database.read(_SCOPE) as session:
            found = sessions.find(session, secret, now=now)
        if not self._may_sign_in(found.principal):  # it began while this was a demonstration
            raise Unauthenticated(_NOT_HERE)
        if now - found.seen_at >= sessions.NOTED:
            database.transaction(
                _SCOPE, lambda session: sessions.note_seen(session, found.digest, now=now)
            )
        return found

    def _form(self, request: Request, problem: str, status: int = 200) -> Response:
        known = self._of_form.read(request)
        secret = known or secrets.token_urlsafe(sessions.SECRET_BYTES)
        response = page(
            "sign_in",
            status,
            token=forms.token_of(self._hub.crypto, secret),
            problem=problem,
            purposes=[purpose.value for purpose in Purpose],
            followed=request.headers.get("sec-fetch-site") == "cross-site",
        )
        if not known:
            self._of_form.set(response, secret)
        return response

    def note_forged(self, found: Session, reason: str) -> None:
        """Keep in the audit trail that a form was not from the session it came with. Blocking."""
        event = self._event(found.principal, "denied", found.purpose, reason)
        self._hub.database.gather(event, audit.append_all).result()

    def _begin(self, key: str, stated: str | None, before: str) -> str:
        """The secret of a new session. Raises Unauthenticated, or Forbidden, which is audited."""
        database = self._hub.database
        with database.read(_SCOPE) as session:
            principal = authenticate(session, f"Bearer {key}")
        try:
            if not self._may_sign_in(principal):
                raise Forbidden(_NOT_HERE)
            purpose = stated_purpose(principal, stated)
        except Forbidden as refusal:
            event = self._event(principal, "denied", principal.default_purpose, str(refusal))
            database.transaction(_SCOPE, lambda session: audit.append_all(session, [event]))
            raise
        event = self._event(principal, "success", purpose, "signed in")

        def work(session: ScopedSession) -> str:
            secret = sessions.begin(
                session, principal.id, purpose, now=self._hub.now(), before=before
            )
            audit.append_all(session, [event])
            return secret

        return database.transaction(_SCOPE, work)

    def _end(self, found: Session) -> None:
        event = self._event(found.principal, "success", found.purpose, "signed out")

        def work(session: ScopedSession) -> None:
            sessions.end(session, found.digest)
            audit.append_all(session, [event])

        self._hub.database.transaction(_SCOPE, work)

    def _may_sign_in(self, principal: Principal) -> bool:
        demo = self._hub.settings.profile == "demo"
        return demo or principal.console or principal.developer

    def _event(
        self, principal: Principal, outcome: str, purpose: Purpose, reason: str
    ) -> audit.Event:
        return audit.Event(
            now=self._hub.now(),
            principal_id=principal.id,
            principal_name=principal.name,
            purpose=purpose.value,
            action="execute",
            outcome=outcome,
            operation="console session",
            reason=reason,
        )


def status_of(error: HubError) -> int:
    """The status of a page that tells an error."""
    return int(getattr(error, "status", error.http_status))


def _address(request: Request) -> str:
    return request.client.host if request.client else ""
