"""Webhook signatures as data: one verifier, one row per scheme, closed unless proven.

The raw bytes are signed, never a parsed body. Every active secret is tried against every signature
of the request in constant time; only then is the signed time looked at. `SignatureInvalid` is the
only exception that leaves `verify`, whatever the headers hold.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from hub.errors import ConfigError, Unauthenticated

_LATEST = 253_402_300_799  # 9999-12-31T23:59:59Z, the last second a datetime can hold
_MOST_SIGNATURES = 16  # more in one header is an attempt to make us compute


class SignatureInvalid(Unauthenticated):
    """The request is not proven to come from the vendor; the text says why, without values."""


@dataclass(frozen=True, slots=True)
class Scheme:
    """How a vendor signs. The keys of ``[webhook]`` in connector.toml are these fields.

    `shape` is where the signatures stand: ``list`` (``v1,<b64> v1,<b64>``), ``pairs``
    (``t=…,v1=…``), ``single`` (with `prefix`) or ``token`` (the secret itself). `signs` names the
    signed content. `id_path` is a dotted path into the JSON body, used where the id is not signed
    as a header. `tolerance` is in seconds, either way; None where the scheme signs no time.
    """

    scheme: str
    signature_header: str
    shape: Literal["list", "pairs", "single", "token"]
    signs: Literal["id.time.body", "time.body", "body", "nothing"]
    encoding: Literal["base64", "base64url", "hex", "plain"]
    prefix: str = ""
    id_header: str = ""
    id_path: str = ""
    timestamp_header: str = ""
    tolerance: int | None = None


@dataclass(frozen=True, slots=True)
class VerifiedRequest:
    """A request proven genuine.

    `id` is safe to deduplicate by: the signed id, the id inside the signed body, or the body's
    SHA-256; never an unsigned header. `timestamp` is the signed time (aware, UTC), None where the
    scheme signs none. `delivery` is the vendor's unsigned delivery id, for people to read only.
    `secret_index` tells which of the secrets matched.
    """

    id: str
    timestamp: datetime | None
    delivery: str = ""
    secret_index: int = 0


def _standard(name: str, stem: str) -> Scheme:
    return Scheme(
        name, f"{stem}-signature", "list", "id.time.body", "base64",
        id_header=f"{stem}-id", timestamp_header=f"{stem}-timestamp", tolerance=300,
    )  # fmt: skip


SCHEMES: Mapping[str, Scheme] = {
    scheme.scheme: scheme
    for scheme in (
        _standard("standard", "webhook"),
        _standard("svix", "svix"),
        _standard("finch", "finch"),
        Scheme("stripe", "stripe-signature", "pairs", "time.body", "hex", tolerance=300),
        Scheme("github", "x-hub-signature-256", "single", "body", "hex", prefix="sha256="),
        Scheme("shopify", "x-shopify-hmac-sha256", "single", "body", "base64"),
        Scheme("gusto", "x-gusto-signature", "single", "body", "hex", id_path="uuid"),
        Scheme("merge", "x-merge-webhook-signature", "single", "body", "base64url"),
        Scheme("token", "authorization", "token", "nothing", "plain", prefix="Bearer "),
        Scheme("basic", "authorization", "token", "nothing", "base64", prefix="Basic "),
    )
}
"""The schemes a manifest may name; stripe, github and shopify stand for all that sign alike."""


def scheme_from_manifest(table: Mapping[str, object]) -> Scheme:
    """The scheme of a manifest's ``[webhook]`` table: a row of `SCHEMES` with fields replaced.

    Raises ConfigError naming the key that is unknown or of the wrong type.
    """
    base = SCHEMES.get(str(table.get("scheme", "")))
    if base is None:
        raise ConfigError("The webhook scheme is unknown.", field="webhook.scheme",
                          hint=f"Use one of: {', '.join(SCHEMES)}.")  # fmt: skip
    changeable = {field.name for field in fields(Scheme)} - {"scheme", "shape", "signs"}
    changes: dict[str, Any] = {}
    for key, value in table.items():
        if key == "scheme":
            continue
        expected = int if key == "tolerance" else str
        if key not in changeable or not isinstance(value, expected):
            raise ConfigError(
                f"The webhook setting {key} is unknown or of the wrong type.",
                field=f"webhook.{key}",
                hint="See Scheme in signatures.py.",
            )
        changes[key] = value.lower() if key.endswith("_header") else value  # type: ignore[union-attr]
    if base.tolerance is None and "tolerance" in changes:
        raise ConfigError("This scheme signs no time, so no tolerance can hold.",
                          field="webhook.tolerance", hint="Remove the key.")  # fmt: skip
    return replace(base, **changes)


def verify(
    scheme: Scheme,
    secrets: Sequence[str],
    headers: Mapping[str, str],
    body: bytes,
    now: datetime,
) -> VerifiedRequest:
    """Prove that `body`, as received, was signed with one of `secrets`; `now` is aware.

    Secrets of the list shape begin with ``whsec_`` (base64 follows) or ``whpk_`` (an ed25519 public
    key, Standard Webhooks); anything else is taken as it stands. Raises SignatureInvalid.
    """
    if not any(secrets):
        raise SignatureInvalid("No webhook secret is configured, so nothing is accepted.")
    lower = {name.lower(): value for name, value in headers.items()}
    given = lower.get(scheme.signature_header)
    if not given:
        raise SignatureInvalid(f"The header {scheme.signature_header} is missing.")
    event_id = lower.get(scheme.id_header, "") if scheme.id_header else ""
    time_text, signatures = _signatures(scheme, given, lower)
    content = _signed_content(scheme, event_id, time_text, body)
    index = _matching_secret(scheme, secrets, signatures, content)
    timestamp = _checked_time(scheme, time_text, now)
    if scheme.signs == "id.time.body":
        return VerifiedRequest(event_id, timestamp, event_id, index)
    return VerifiedRequest(_id_of_body(scheme, body), timestamp, event_id, index)


def sign(
    scheme: Scheme, secret: str, *, event_id: str, timestamp: datetime, body: bytes
) -> dict[str, str]:
    """The headers a sender adds to `body`: the counterpart of `verify`, for simulators."""
    seconds = str(int(timestamp.timestamp()))
    headers = {scheme.id_header: event_id} if scheme.id_header else {}
    if scheme.timestamp_header:
        headers[scheme.timestamp_header] = seconds
    if scheme.shape == "token":
        value = secret
        if scheme.encoding == "base64":
            value = base64.b64encode(_bytes(secret)).decode()
        return {**headers, scheme.signature_header: scheme.prefix + value}
    key = _key(scheme, secret)
    if key is None:
        raise ConfigError("The secret is not valid base64.", field="secret", hint="Copy it again.")
    content = _signed_content(scheme, event_id, seconds, body)
    value = _encode(scheme, hmac.new(key, content, hashlib.sha256).digest()).decode()
    if scheme.shape == "list":
        value = f"v1,{value}"
    elif scheme.shape == "pairs":
        value = f"t={seconds},v1={value}"
    else:
        value = scheme.prefix + value
    return {**headers, scheme.signature_header: value}


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _signatures(
    scheme: Scheme, given: str, headers: Mapping[str, str]
) -> tuple[str, list[tuple[str, bytes]]]:
    """The stated time and the (version, signature) pairs of a request."""
    if scheme.shape == "list":
        pairs = [part.partition(",") for part in given.split(" ")]
        found = [
            (version, _bytes(value)) for version, _, value in pairs if version in {"v1", "v1a"}
        ]
        stated = headers.get(scheme.timestamp_header, "")
    elif scheme.shape == "pairs":
        named = [part.strip().partition("=") for part in given.split(",")]
        found = [("v1", _bytes(value)) for name, _, value in named if name == "v1"]
        stated = next((value for name, _, value in named if name == "t"), "")
    elif given[: len(scheme.prefix)].lower() == scheme.prefix.lower():
        found, stated = [("v1", _bytes(given[len(scheme.prefix) :]))], ""
    else:
        found, stated = [], ""
    if not found or len(found) > _MOST_SIGNATURES:
        raise SignatureInvalid(f"The header {scheme.signature_header} holds no usable signature.")
    return stated, found


def _signed_content(scheme: Scheme, event_id: str, time_text: str, body: bytes) -> bytes:
    if scheme.signs == "id.time.body":
        if not event_id or not time_text:
            raise SignatureInvalid("The headers of the event's id and time must both be present.")
        return _bytes(event_id) + b"." + _bytes(time_text) + b"." + body
    if scheme.signs == "time.body":
        return _bytes(time_text) + b"." + body
    return body


def _key(scheme: Scheme, secret: str) -> bytes | None:
    """The secret's key bytes; None where it cannot be used."""
    if scheme.shape != "list" or not secret.startswith(("whsec_", "whpk_")):
        return _bytes(secret)
    try:
        return base64.b64decode(secret.partition("_")[2], validate=True) or None
    except (binascii.Error, ValueError):
        return None


def _encode(scheme: Scheme, digest: bytes) -> bytes:
    if scheme.encoding == "hex":
        return digest.hex().encode()
    if scheme.encoding == "base64url":
        return base64.urlsafe_b64encode(digest)
    return base64.b64encode(digest)


def _matching_secret(
    scheme: Scheme, secrets: Sequence[str], signatures: list[tuple[str, bytes]], content: bytes
) -> int:
    """The index of the secret that matches; every pair is compared so that time tells nothing."""
    matched = -1
    for index, secret in enumerate(secrets):
        for version, signature in signatures:
            if secret and _matches(scheme, secret, version, signature, content) and matched < 0:
                matched = index
    if matched < 0:
        raise SignatureInvalid(
            "No signature of the request matches an active secret; compare it with the vendor's."
        )
    return matched


def _matches(scheme: Scheme, secret: str, version: str, signature: bytes, content: bytes) -> bool:
    if scheme.shape == "token":
        key = _bytes(secret)
        expected = base64.b64encode(key) if scheme.encoding == "base64" else key
        return hmac.compare_digest(expected, signature)
    key_bytes = _key(scheme, secret)
    if key_bytes is None:
        return False
    is_public_key = scheme.shape == "list" and secret.startswith("whpk_")
    if is_public_key != (version == "v1a"):
        return False
    if is_public_key:
        return _ed25519_matches(key_bytes, signature, content)
    expected = _encode(scheme, hmac.new(key_bytes, content, hashlib.sha256).digest())
    if scheme.encoding == "hex":
        signature = signature.lower()
    elif scheme.encoding == "base64url":  # some senders drop the padding
        expected, signature = expected.rstrip(b"="), signature.rstrip(b"=")
    return hmac.compare_digest(expected, signature)


def _ed25519_matches(public_key: bytes, signature: bytes, content: bytes) -> bool:
    try:
        raw = base64.b64decode(signature, validate=True)
        Ed25519PublicKey.from_public_bytes(public_key).verify(raw, content)
    except (InvalidSignature, ValueError):
        return False
    return True


def _checked_time(scheme: Scheme, time_text: str, now: datetime) -> datetime | None:
    if scheme.tolerance is None:
        return None
    if not (time_text.isascii() and time_text.isdigit() and len(time_text) <= 12):
        raise SignatureInvalid("The signed time is not a number of seconds.")
    seconds = int(time_text)
    if seconds > _LATEST:
        raise SignatureInvalid("The signed time is not a number of seconds.")
    stamp = datetime.fromtimestamp(seconds, UTC)
    if abs(now - stamp) > timedelta(seconds=scheme.tolerance):
        raise SignatureInvalid("The signed time is too far from ours; replayed or a wrong clock.")
    return stamp


def _id_of_body(scheme: Scheme, body: bytes) -> str:
    """The id at `id_path` of the signed body, else the body's SHA-256."""
    digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
    if not scheme.id_path:
        return digest
    try:
        value: Any = json.loads(body)
    except (ValueError, RecursionError):
        return digest
    for key in scheme.id_path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, str) and 0 < len(value) <= 255 else digest
