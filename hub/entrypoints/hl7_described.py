"""An HL7 v2 message as plain values: what the hub reads in it, and what it does not understand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from connectors import registry
from connectors.ehr_hl7v2.config import Config
from connectors.ehr_hl7v2.connector import connector
from connectors.ehr_hl7v2.parse import message_type, restricts
from connectors.sdk.base import RawDocument
from connectors.sdk.hl7v2.caps import Caps
from connectors.sdk.hl7v2.lexer import lex
from hub.domain.records import Issue
from hub.errors import Rejected
from hub.storage.tables import Connection

_FILE_CAPS = Caps(size=16 * 1024 * 1024)


def dialect_of(connection: Connection) -> Config:
    """How a connection's messages are read; Rejected for a connection that receives no HL7."""
    config = registry.validate_config(connection.connector_id, connection.config)
    if not isinstance(config, Config):
        raise Rejected(
            f'"{connection.name}" receives no HL7 v2; name a connection of ehr_hl7v2.',
            path="connection",
        )
    return config


def describe(
    content: bytes, config: Config, headers: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """One message as plain values: what was read, and what was wrong as issues; never raises.

    `headers` are those it was stored with, if it was.
    """
    shown: dict[str, Any] = {
        "type": "",
        "control_id": "",
        "version": "",
        "charset": "",
        "segments": [],
        "records": [],
        "issues": [],
        "restricted": restricts(config, None),
    }
    try:
        message = lex(content, charset_fallback=config.charset_fallback, caps=_FILE_CAPS)
        shown["type"] = message_type(message).strip("^")
        shown["control_id"] = message.raw("MSH-10") or ""
        shown["version"] = message.value("MSH-12") or ""
        shown["charset"] = message.codec
        shown["restricted"] = restricts(config, message)
        shown["segments"] = [segment.id for segment in message]
        parsed = connector.parse(config, RawDocument(content, headers=headers or {}))
    except Rejected as error:
        shown["issues"] = [asdict(Issue(error.reason, error.path, str(error)))]
        return shown
    if parsed.ignored:
        shown["issues"] = [asdict(Issue("ignored", "MSH-9", parsed.ignored))]
    issues = [*parsed.issues, *(issue for record in parsed.records for issue in record.issues)]
    shown["issues"] += [asdict(issue) for issue in issues]
    shown["records"] = [
        {"record": type(record.data).__name__, **asdict(record)} for record in parsed.records
    ]
    return shown


def decoded(content: bytes, config: Config) -> str:
    """The bytes as text, by MSH-18 or the dialect; what is no message at all as far as it goes."""
    try:
        codec = lex(content, charset_fallback=config.charset_fallback, caps=_FILE_CAPS).codec
    except Rejected:
        codec = "utf-8"
    return content.decode(codec, "replace")
