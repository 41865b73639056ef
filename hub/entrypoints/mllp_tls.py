"""TLS of the MLLP listener: the server's files, and what a client certificate calls its owner."""

from __future__ import annotations

import hashlib
import ssl
from pathlib import Path
from typing import Any

from hub import log
from hub.errors import BadSetting
from hub.settings import Settings

NAME_KINDS = ("cn", "dns", "uri", "email", "ip", "sha256")
_ALTERNATIVE = {"DNS": "dns", "URI": "uri", "email": "email", "IP Address": "ip"}

_log = log.get("mllp")


class TlsFiles:
    """Certificate, key and authorities as they lie on disk: call it for the context of the next
    connection. Renewed files are taken up by new connections; unreadable ones leave the old."""

    def __init__(self, certificate: Path, key: Path, client_authorities: Path | None) -> None:
        self._files = [certificate, key, *([client_authorities] if client_authorities else [])]
        self._certificate, self._key = certificate, key
        self._client_authorities = client_authorities
        self._seen = self._stamps()
        self._context = self._load()

    def __call__(self) -> ssl.SSLContext:
        stamps = self._stamps()
        if stamps != self._seen:
            self._seen = stamps
            try:
                self._context = self._load()
                _log.info("mllp_tls_renewed")
            except BadSetting as error:
                _log.error("mllp_tls_unreadable", error_type=type(error).__name__)
        return self._context

    def _load(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(self._certificate, self._key)
            if self._client_authorities is not None:
                context.load_verify_locations(self._client_authorities)
                context.verify_mode = ssl.CERT_REQUIRED
        except (OSError, ssl.SSLError) as error:
            raise BadSetting(
                "HUB_MLLP_TLS_CERTIFICATE, HUB_MLLP_TLS_KEY and HUB_MLLP_TLS_CLIENT_CA must name "
                "readable PEM files, and the key must fit the certificate."
            ) from error
        return context

    def _stamps(self) -> list[tuple[int, int]]:
        found = []
        for path in self._files:
            try:
                status = path.stat()
                found.append((status.st_mtime_ns, status.st_ino))
            except OSError:
                found.append((0, 0))
        return found


def tls_files(settings: Settings) -> TlsFiles | None:
    """The listener's TLS as set, None for plain TCP; raises BadSetting for unusable files."""
    if settings.mllp_tls_certificate is None or settings.mllp_tls_key is None:
        return None
    return TlsFiles(
        settings.mllp_tls_certificate, settings.mllp_tls_key, settings.mllp_tls_client_ca
    )


def names_of(certificate: dict[str, Any] | None, encoded: bytes | None) -> frozenset[str]:
    """What a verified certificate calls its owner: ``cn:…`` of the subject, ``dns:``, ``uri:``,
    ``email:`` and ``ip:`` of the alternative names (RFC 5280 §4.2.1.6), and ``sha256:`` the
    fingerprint in hexadecimal digits."""
    if not certificate or not encoded:
        return frozenset()
    subject = [pair for name in certificate.get("subject", ()) for pair in name]
    found = {f"cn:{value}" for kind, value in subject if kind == "commonName"}
    for kind, value in certificate.get("subjectAltName", ()):
        if kind in _ALTERNATIVE:
            found.add(f"{_ALTERNATIVE[kind]}:{value}")
    found.add(f"sha256:{hashlib.sha256(encoded).hexdigest()}")
    return frozenset(canonical_name(name) for name in found)


def canonical_name(text: str) -> str:
    """A certificate name as it is compared: ``cn:Example EHR``, ``sha256:ab…``. Raises ValueError
    unless it begins with one of `NAME_KINDS`."""
    kind, colon, value = text.partition(":")
    if not colon or kind.lower() not in NAME_KINDS or not value.strip():
        raise ValueError(f"must begin with one of {', '.join(NAME_KINDS)} and a colon")
    kind, value = kind.lower(), value.strip()
    if kind == "sha256":
        value = value.replace(":", "")
        if len(value) != 64:
            raise ValueError("a sha256 fingerprint has 64 hexadecimal digits")
    return f"{kind}:{value.lower() if kind in {'dns', 'email', 'sha256', 'ip'} else value}"
