"""Files inside a message: ED (embedded) and RP (pointed at, never fetched), HL7 v2.5.1 §2.A.24,
§2.A.65.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator

from connectors.ehr_hl7v2.reading import Reading
from connectors.sdk.hl7v2.lexer import Segment
from hub.domain.clinical_documents import DocumentPart

# Table 0191, and names many senders write in its place.
_KINDS = {
    "AP": "application",
    "AU": "audio",
    "FT": "text",
    "IM": "image",
    "NS": "image",
    "SD": "image",
    "SI": "image",
    "TEXT": "text",
}
_WHOLE = {"pdf": "application/pdf", "jpeg": "image/jpeg", "jpg": "image/jpeg", "png": "image/png"}


def embedded(reading: Reading, obx: Segment) -> Iterator[DocumentPart]:
    """The files of one OBX; one that cannot be decoded stays in the raw message, with an issue."""
    for number in range(1, obx.repetitions(5) + 1):
        at = f"5[{number}]"
        if obx.value("2") == "RP":
            media_type = _media_type(obx.value(f"{at}.3"), obx.value(f"{at}.4"))
            yield DocumentPart(media_type, reference=obx.value(f"{at}.1") or "")
            continue
        content = _decoded(obx.value(f"{at}.5") or "", (obx.value(f"{at}.4") or "").upper())
        if not content:
            reading.issue(
                "bad_embedded",
                "OBX-5.5",
                "The embedded file is empty or not in the encoding that OBX-5.4 names; it stays in"
                " the raw message.",
            )
            continue
        media_type = _media_type(obx.value(f"{at}.2"), obx.value(f"{at}.3"))
        yield DocumentPart(media_type, base64=base64.b64encode(content).decode("ascii"))


def _decoded(data: str, encoding: str) -> bytes | None:
    try:
        if encoding == "BASE64":
            return base64.b64decode("".join(data.split()), validate=True)
        if encoding == "HEX":
            return bytes.fromhex(data)
    except (binascii.Error, ValueError):
        return None
    return data.encode() if encoding in {"A", ""} else None


def _media_type(kind: str | None, subtype: str | None) -> str:
    kind, subtype = (kind or "").strip(), (subtype or "").strip().lower()
    for name in (subtype, kind.lower()):
        if name in _WHOLE:
            return _WHOLE[name]
    main = _KINDS.get(kind.upper(), kind.lower() or "application")
    return f"{main}/{subtype or ('plain' if main == 'text' else 'octet-stream')}"
