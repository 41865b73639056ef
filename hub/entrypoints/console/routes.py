"""The addresses of the console. A page is shown to who is signed in, a form taken from its own
pages, and what goes wrong told in a sentence."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hub import log
from hub.entrypoints.console import forms
from hub.entrypoints.console.areas import FORMS, PAGES
from hub.entrypoints.console.asking import Desk
from hub.entrypoints.console.rendering import HEADERS, get_ready, see_other, styles
from hub.entrypoints.console.sign_in import HOME, SIGN_IN, Door, status_of
from hub.entrypoints.console.views import view
from hub.entrypoints.graphql_answer import OURS
from hub.entrypoints.graphql_operations import HubParts, Operations
from hub.entrypoints.http_protocol import NOBODY_WAITS
from hub.errors import Forbidden, HubError, NotFound, Unauthenticated

logger = log.get(__name__)
Handler = Callable[[Request], Awaitable[Response]]


def console_routes(hub: HubParts, operations: Operations) -> list[BaseRoute]:
    """Every address of the console; its pages ask `operations`."""
    console = _Console(hub, operations)
    return [
        Route(SIGN_IN, console.door.show, methods=["GET"]),
        Route(SIGN_IN, console.door.enter, methods=["POST"]),
        Route("/console/sign-out", console.leave, methods=["POST"]),
        Route("/console/assets/{name}", _asset, methods=["GET"]),
        *(Route(path, console.shows(show), methods=["GET"]) for path, show in PAGES.items()),
        *(Route(path, console.takes(act), methods=["POST"]) for path, act in FORMS.items()),
        Route("/console/", _home, methods=["GET"]),
        Route("/console/{rest:path}", console.shows(_nothing), methods=["GET"]),
    ]


class ConsoleHeaders:
    """Gives every answer of the console its headers: those of no page too (405, a refused host).
    The first request loads what pages are made with."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        is_ours = scope["type"] == "http" and f"{scope['path']}/".startswith("/console/")
        if is_ours:
            await get_ready()
        await self._app(scope, receive, with_headers if is_ours else send)


class _Console:
    """The way of a request: who is it, is the form ours, the page, or the reason why not."""

    def __init__(self, hub: HubParts, operations: Operations) -> None:
        self._hub = hub
        self._operations = operations
        self.door = Door(hub)

    def shows(self, show: Callable[[Desk, Request], Awaitable[Response]]) -> Handler:
        async def handle(request: Request) -> Response:
            return await self._answered(request, lambda desk: show(desk, request))

        return handle

    def takes(
        self, act: Callable[[Desk, Request, Mapping[str, str]], Awaitable[Response]]
    ) -> Handler:
        async def handle(request: Request) -> Response:
            async def checked(desk: Desk) -> Response:
                return await act(desk, request, await self._fields(desk, request))

            return await self._answered(request, checked)

        return handle

    async def leave(self, request: Request) -> Response:
        async def signed_out(desk: Desk) -> Response:
            await self._fields(desk, request)
            return await self.door.leave(desk.session)

        return await self._answered(request, signed_out)

    async def _fields(self, desk: Desk, request: Request) -> Mapping[str, str]:
        """What a form of this session brings. Raises Forbidden, which is audited."""
        fields = await forms.read_fields(request)
        try:
            forms.check(request, fields, desk.token, self._hub.settings)
        except Forbidden as error:
            await run_in_threadpool(self.door.note_forged, desk.session, str(error))
            raise
        return fields

    async def _answered(
        self, request: Request, work: Callable[[Desk], Awaitable[Response]]
    ) -> Response:
        try:
            desk = await self._desk(request)
        except Unauthenticated:
            return self.door.send_away(request)
        try:
            return await work(desk)
        except Unauthenticated:
            return self.door.send_away(request)
        except ClientDisconnect:
            return Response(status_code=NOBODY_WAITS)
        except HubError as error:
            return _told(desk, str(error), status_of(error), getattr(error, "error_id", ""))
        except Exception as error:
            return _told(desk, OURS, 500, log.unexpected(logger, error))

    async def _desk(self, request: Request) -> Desk:
        secret = self.door.cookie.read(request)
        session = await run_in_threadpool(self.door.find, secret)
        return Desk(session, forms.token_of(self._hub.crypto, secret), self._operations)


async def _home(_: Request) -> Response:
    return see_other(HOME)


async def _nothing(_: Desk, __: Request) -> Response:
    raise NotFound("There is no such page.")


def _told(desk: Desk, sentence: str, status: int, error_id: str) -> Response:
    return view(desk, "error", status=status, sentence=sentence, error_id=error_id)


async def _asset(request: Request) -> Response:
    """The style sheet; it holds nothing about anybody and may be kept for a while."""
    found = styles().get(request.path_params["name"])
    if found is None:
        return Response(status_code=404, headers=HEADERS)
    headers = {**HEADERS, "Cache-Control": "max-age=300"}
    return Response(found, 200, headers, "text/css")
