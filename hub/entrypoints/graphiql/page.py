"""The GraphiQL page, its assets and the policy they run under."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

_FOLDER = files("hub.entrypoints.graphiql")
_SCRIPT, _STYLE = "text/javascript", "text/css"
OURS: Final = {"page.js": _SCRIPT, "page.css": _STYLE}
THIRD_PARTY: Final = {
    "react.production.min.js": _SCRIPT,
    "react-dom.production.min.js": _SCRIPT,
    "graphiql.min.js": _SCRIPT,
    "graphiql.min.css": _STYLE,
}

# Fonts and icons are data within GraphiQL's style sheet.
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data:; font-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_ALWAYS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of the page, as it is sent."""

    media_type: str
    gzipped: bytes
    etag: str

    def response(self, request: Request) -> Response:
        """The file, or 304 if the browser holds it; unpacked for a client that takes no gzip."""
        headers = {
            **_ALWAYS,
            "Cache-Control": "no-cache",  # kept, but asked about: a new version shows at once
            "ETag": self.etag,
            "Vary": "Accept-Encoding",
        }
        if self.etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        if not _takes_gzip(request.headers.get("accept-encoding", "")):
            return Response(gzip.decompress(self.gzipped), 200, headers, self.media_type)
        headers["Content-Encoding"] = "gzip"
        return Response(self.gzipped, 200, headers, self.media_type)


def page() -> Response:
    """The page itself; it holds nothing about the hub, its data or the one who asks."""
    headers = {
        **_ALWAYS,
        "Cache-Control": "no-store",
        "Content-Security-Policy": CONTENT_SECURITY_POLICY,
        "Cross-Origin-Opener-Policy": "same-origin",
        "Vary": "Accept",
    }
    return HTMLResponse(_FOLDER.joinpath("page.html").read_bytes(), headers=headers)


def routes() -> list[BaseRoute]:
    """The routes of the page's assets, read once; for the demo profile only."""
    assets = load_assets()

    async def asset(request: Request) -> Response:
        found = assets.get(request.path_params["name"])
        return Response(status_code=404) if found is None else found.response(request)

    return [Route("/graphql/assets/{name}", asset, methods=["GET"])]


def load_assets() -> Mapping[str, Asset]:
    """Every asset under its name in the URL."""
    third_party = _FOLDER.joinpath("third_party")
    return {
        name: _asset(media_type, gzip.compress(_FOLDER.joinpath(name).read_bytes(), mtime=0))
        for name, media_type in OURS.items()
    } | {
        name: _asset(media_type, third_party.joinpath(f"{name}.gz").read_bytes())
        for name, media_type in THIRD_PARTY.items()
    }


def _asset(media_type: str, gzipped: bytes) -> Asset:
    # Weak, as the packed and the unpacked file share it.
    return Asset(media_type, gzipped, f'W/"{hashlib.sha256(gzipped).hexdigest()[:32]}"')


def _takes_gzip(accept_encoding: str) -> bool:
    for part in accept_encoding.lower().split(","):
        coding, _, quality = part.replace(" ", "").partition(";q=")
        if coding in ("gzip", "*"):
            return quality.rstrip("0.") != "" if quality else True
    return False
