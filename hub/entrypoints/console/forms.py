"""What a form brings: fields of bounded size, a token that only this page could have written, and
an origin that is ours.

`Referrer-Policy: no-referrer` makes browsers say `Origin: null` even of our own forms, so that
`Sec-Fetch-Site` decides there. A browser that says neither (some do over plain HTTP) has to have
the token, which no other site can read.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request

from hub.entrypoints.http_protocol import BodyTooLarge, BodyTooSlow, read_body
from hub.errors import Forbidden, Rejected
from hub.settings import Settings
from hub.storage.crypto import Crypto

LARGEST_BODY = 16 * 1024
MOST_FIELDS = 50
TOKEN = "token"  # noqa: S105 - the name of a field
_MEDIA_TYPE = "application/x-www-form-urlencoded"
_LABEL = "forms of the console"
_STALE = "This form is not from this session; go back, reload the page and try again."


def token_of(crypto: Crypto, secret: str) -> str:
    """The token of every form that is shown to the holder of a cookie's secret."""
    return hmac.new(crypto.subkey(_LABEL), secret.encode(), hashlib.sha256).hexdigest()


async def read_fields(request: Request) -> dict[str, str]:
    """The fields of a form; of a name sent twice the last. Raises Rejected."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _MEDIA_TYPE:
        raise Rejected("Send the form as it is.")
    try:
        announced = request.headers.get("content-length")
        body = await read_body(request.receive, LARGEST_BODY, announced)
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS))
    except (BodyTooLarge, BodyTooSlow, ValueError):
        raise Rejected("The form is too large, came too slowly or is not readable.") from None


def check(request: Request, fields: Mapping[str, str], token: str, settings: Settings) -> None:
    """Raises Forbidden unless a form was sent by a page of ours to the one who holds its token."""
    if is_foreign(request.headers, settings):
        raise Forbidden("This form was sent from another site.")
    sent = fields.get(TOKEN, "").encode()
    if not hmac.compare_digest(sent, token.encode()):
        raise Forbidden(_STALE)


def is_foreign(headers: Mapping[str, str], settings: Settings) -> bool:
    """Whether the headers tell that another site sent a form."""
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None and site != "same-origin":
        return True
    if origin in (None, "null"):
        return False
    own = {headers.get("host", ""), urlsplit(settings.public_url).netloc}
    return origin.partition("://")[2] not in own - {""}
