"""One MLLP connection to a destination, with TLS and a client certificate where asked for."""

from __future__ import annotations

import ssl
from tempfile import NamedTemporaryFile

from connectors.hl7v2_destination.config import Config
from connectors.sdk.base import Acknowledgement
from connectors.sdk.ctx import Secrets
from connectors.sdk.hl7v2.acks import read_error
from connectors.sdk.hl7v2.client import MllpClient
from hub.errors import ConfigError, Transient, Unreachable

_ACCEPTED = frozenset({"AA", "CA"})
_REFUSED = frozenset({"AR", "CR"})


class MllpLink:
    """Implements `Link`: one message in flight, its answer recognised by MSA-2."""

    def __init__(self, client: MllpClient) -> None:
        self._client = client

    def exchange(self, content: bytes) -> Acknowledgement:
        try:
            code, raw = self._client.exchange(content)
        except TimeoutError as error:
            raise Transient("The receiver gave no answer to this message in time.") from error
        except OSError as error:
            raise Transient("The receiver ended the connection before it answered.") from error
        verdict = "again"  # AE, CE, and any word that is none of table 0008
        if code in _ACCEPTED:
            verdict = "accepted"
        elif code in _REFUSED:
            verdict = "refused"
        reason, path = read_error(raw)
        return Acknowledgement(verdict, code, reason, path, raw)  # type: ignore[arg-type]

    def is_open(self) -> bool:
        return self._client.is_open()

    def close(self) -> None:
        self._client.close()


def connect(config: Config, secrets: Secrets) -> MllpLink:
    """An open link; raises Unreachable, or ConfigError for certificates that cannot be used."""
    context = tls_context(config, secrets) if config.tls else None
    client = MllpClient(config.host, config.port, timeout=config.answer_seconds, tls=context)
    try:
        client.connect()
    except ssl.SSLCertVerificationError as error:
        raise Unreachable("The receiver's certificate is not trusted.") from error
    except ssl.SSLError as error:
        raise Unreachable("The receiver does not agree to TLS with us.") from error
    except OSError as error:
        raise Unreachable("The receiver takes no connection.") from error
    return MllpLink(client)


def tls_context(config: Config, secrets: Secrets) -> ssl.SSLContext:
    """TLS 1.2 or later, the receiver's name checked; our certificate where there is one."""
    trusted = secrets.get(config.tls_authorities) if config.tls_authorities else None
    try:
        context = ssl.create_default_context(cadata=trusted)
    except (ssl.SSLError, ValueError) as error:
        raise ConfigError(
            "The authorities are no PEM certificates.", field="tls_authorities"
        ) from error
    if config.tls_certificate and config.tls_key:
        _show_certificate(context, secrets.get(config.tls_certificate), secrets.get(config.tls_key))
    return context


def _show_certificate(context: ssl.SSLContext, certificate: str, key: str) -> None:
    """The ssl module reads them from a file only: it is readable by us alone and gone at once."""
    with NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(f"{certificate}\n{key}\n")
        file.flush()
        try:
            context.load_cert_chain(file.name)
        except (ssl.SSLError, ValueError) as error:
            raise ConfigError(
                "The client certificate and its key are no PEM pair.", field="tls_certificate"
            ) from error
