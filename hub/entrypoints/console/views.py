"""What every page of the console has around it: areas, who is signed in, and what was just done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from hub.entrypoints.console.asking import Desk
from hub.entrypoints.console.rendering import page
from hub.random_bytes import random_bytes

AREAS: Sequence[tuple[str, str]] = (
    ("/console", "Overview"),
    ("/console/connections", "Connections"),
    ("/console/messages", "Messages"),
    ("/console/issues", "Issues"),
    ("/console/jobs", "Jobs"),
    ("/console/trust", "Trust"),
)
OF_MSO = frozenset({"Issues"})
"""The areas whose figures are of all practices."""
DONE = {
    "paused": "The connection is paused: what arrives is stored and waits.",
    "resumed": "The connection goes on; what waited is read in the order it came.",
    "test": "A check was started; reload to see what it found.",
    "sync": "A sync was started; reload to see how far it is.",
    "replayed": "The message is read again; reload to see what became of it.",
    "retried": "The job runs again.",
    "cancelled": "The job is withdrawn, or stops at its next check.",
}
"""What a page says after a form, by the word in its address."""
PAGE = 25


def view(desk: Desk, template: str, *, status: int = 200, **values: Any) -> Response:
    """A page of an area for whoever is signed in."""
    return page(
        template,
        status,
        desk=desk,
        areas=[area for area in AREAS if desk.is_mso or area[1] not in OF_MSO],
        now=desk.now(),
        key=random_bytes(16).hex(),
        **{"done": "", **values},
    )


def done_of(request: Request) -> str:
    """The sentence about what was just done; empty for a word that stands for nothing."""
    return DONE.get(request.query_params.get("done", ""), "")


def cursor_of(request: Request) -> str | None:
    """After which row the page begins."""
    return request.query_params.get("after") or None
