"""What a fixture is read as, in the words of its ``.expected.json``."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from connectors.sdk.kit.subject import Subject, beside
from hub.errors import ConfigError, NotFound, Rejected

_SHA = re.compile(r'^sha256 = ".*"$', re.MULTILINE)


def expectation(subject: Subject, case: Path) -> dict[str, Any]:
    """The records of a fixture as its ``.expected.json`` would say them.

    Raises NotFound where there is no such fixture, Rejected where nothing is read from it.
    """
    if not case.is_file():
        known = ", ".join(file.name for file in subject.cases()) or "none"
        raise NotFound(f"There is no fixture {case.name}; there are: {known}.")
    records = subject.read_case(case)
    if records is None:
        raise Rejected(
            f"Nothing is read from {case.name}: it is refused, or its .meta.toml does not say what"
            ' it is (stream = "…" for a page, answers = "inquiry" for a payer\'s answer).',
            reason="not_read",
        )
    return {
        "records": [
            {
                "external_id": record.external_id,
                "data": _plain(record.data),
                **({"cleared": list(record.cleared)} if record.cleared else {}),
            }
            for record in records
        ]
    }


def state_origin(subject: Subject, case: Path, *, document: str, stream: str) -> None:
    """Write the ``.meta.toml`` of a new fixture, which says what it follows and how it is read.

    Raises ConfigError where nobody says which document it follows.
    """
    meta = beside(case, ".meta.toml")
    if meta.is_file():
        return
    if not document:
        raise ConfigError(
            f"{case.name} is new: say with --document which of the vendor's documents it follows,"
            " and with --stream of which stream it is a page, if it is one.",
            field="document",
        )
    is_answer = "document_parser" not in subject.manifest.capabilities and not stream
    facts = {
        "origin": "synthetic",
        "author": subject.manifest.owners[0],
        "document": document,
        **({"stream": stream} if stream else {}),
        **(
            {"answers": "inquiry"}
            if is_answer and "eligibility" in subject.manifest.capabilities
            else {}
        ),
    }
    text = "".join(f"{key} = {json.dumps(value)}\n" for key, value in facts.items())
    meta.write_text(text, encoding="utf-8")


def write_expectation(case: Path, expected: Mapping[str, Any]) -> list[Path]:
    """Write what a fixture is read as beside it, and its digest into its ``.meta.toml``. What else
    stands in the ``.expected.json`` for tests of the connector's own stays."""
    file, meta = beside(case, ".expected.json"), beside(case, ".meta.toml")
    text = json.dumps(_merged(file, expected), indent=2, ensure_ascii=False)
    file.write_text(text + "\n", encoding="utf-8")
    digest = f'sha256 = "{hashlib.sha256(case.read_bytes()).hexdigest()}"'
    stated = meta.read_text(encoding="utf-8") if meta.is_file() else 'origin = "synthetic"\n'
    stated = _SHA.sub(digest, stated) if _SHA.search(stated) else f"{stated}{digest}\n"
    meta.write_text(stated, encoding="utf-8")
    return [file, meta]


def _merged(file: Path, expected: Mapping[str, Any]) -> dict[str, Any]:
    stored = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    if not isinstance(stored, dict):
        return dict(expected)
    known = {record.get("external_id"): record for record in stored.get("records", ())}
    records = [{**known.get(record["external_id"], {}), **record} for record in expected["records"]]
    return {**stored, "records": records}


def _plain(value: Any) -> Any:
    """As JSON: times, days and amounts are texts."""
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: _plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, tuple | list):
        return [_plain(inner) for inner in value]
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) else value
