"""How pages are written: every value that a template shows is escaped, made visible and cut.

Messages, vendors and files say what they like; the filter `shown` stands before each of their
values, whether a template thinks of it or not.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from markupsafe import Markup, escape
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, RedirectResponse, Response

if TYPE_CHECKING:
    from mako.lookup import TemplateLookup

FOLDER = Path(__file__).parent
LONGEST = 300
"""Characters of a value before it is cut."""
POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_KEPT = frozenset("\n\t")
_UNSEEN = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})
_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60))


def page(template: str, status: int = 200, **values: Any) -> Response:
    """A page of the folder `templates`, kept by nobody."""
    text: str = _templates().get_template(f"/{template}.mako").render(**values)
    return HTMLResponse(text, status, HEADERS)


async def get_ready() -> None:
    """Load what pages are made with, in a thread: the event loop would stand still meanwhile."""
    if not _templates.cache_info().currsize:
        await run_in_threadpool(_templates)


def see_other(path: str, **parameters: object) -> Response:
    """To another page, after a form was sent."""
    return RedirectResponse(link(path, **parameters), 303, HEADERS)


def link(path: str, **parameters: object) -> str:
    """A path of the console with the parameters that have a value."""
    given = {name: value for name, value in parameters.items() if value not in (None, "")}
    return f"{path}?{urlencode(given)}" if given else path


def href(path: str, **parameters: object) -> Markup:
    """As `link`, for a template."""
    return whole(link(path, **parameters))


@cache
def _templates() -> TemplateLookup:
    from mako.lookup import TemplateLookup  # takes pygments along, 6 MB, and most look at no page

    return TemplateLookup(
        directories=[str(FOLDER / "templates")],
        default_filters=["shown"],
        imports=["from hub.entrypoints.console.rendering import ago, href, moment, shown, whole"],
        strict_undefined=True,
        filesystem_checks=False,
    )


def shown(value: object) -> Markup:
    """A value as it stands in a page; nothing for None, and of a long one its beginning."""
    if isinstance(value, Markup):
        return value
    text = "" if value is None else str(value)
    if len(text) > LONGEST:
        text = f"{text[:LONGEST]}… ({len(text) - LONGEST} more characters)"
    return whole(text)


def whole(value: object) -> Markup:
    """As `shown`, however long it is."""
    return escape("".join(map(_visible, str(value))))


def _visible(character: str) -> str:
    """Control and format characters (those that change the direction of text among them) by their
    numbers; the rest as it is."""
    if character in _KEPT or unicodedata.category(character) not in _UNSEEN:
        return character
    return f"⟨U+{ord(character):04X}⟩"


def moment(value: str | datetime | None) -> Markup:
    """A moment in UTC to the second, as GraphQL wrote it; a dash for none."""
    if value is None:
        return Markup("<span class=none>–</span>")
    at = read_moment(value)
    return Markup('<time datetime="{}">{} UTC</time>').format(
        at.isoformat(), at.strftime("%Y-%m-%d %H:%M:%S")
    )


def read_moment(value: str | datetime) -> datetime:
    """A moment as GraphQL writes it."""
    return value if isinstance(value, datetime) else datetime.fromisoformat(value)


def ago(value: str | datetime | None, now: datetime) -> str:
    """How long before `now` something was: `3 min`, a dash for none."""
    return "–" if value is None else span(now - read_moment(value))


def span(length: timedelta) -> str:
    """A length of time in its two largest units."""
    seconds = max(0, int(length.total_seconds()))
    parts = []
    for unit, size in _UNITS:
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or f"{seconds} s"


@cache
def styles() -> Mapping[str, bytes]:
    """The files pages are shown with, by name."""
    return {"console.css": (FOLDER / "console.css").read_bytes()}
