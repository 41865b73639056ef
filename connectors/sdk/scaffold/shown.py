"""A sample as the templates need it: their words, their values, and the files written of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from connectors.sdk.scaffold.sample import Sample, read_sample
from connectors.sdk.scaffold.sampled import Stub, stub_of
from connectors.sdk.scaffold.targets import TARGETS
from hub.errors import ConfigError

_AT = "2026-03-06T10:00:00Z"


class Shown:
    """What one sample gives a new connector of a kind. Raises ConfigError."""

    def __init__(self, content: bytes, kind: str, name: str) -> None:
        if kind not in TARGETS:
            raise ConfigError(
                f"--sample shows rows of a list, which a {kind}'s answer has not; leave it out.",
                field="sample",
            )
        self.sample: Sample = read_sample(content)
        self.stub: Stub = stub_of(self.sample, kind, name)
        self.kind = kind

    def words(self) -> set[str]:
        timed = "timed" if self.sample.time_key else "untimed"
        paged = "paged" if self.sample.next_at else "unpaged"
        personal = {"personal"} if self.stub.target.pii else set()
        return {"sampled", timed, paged, *personal}

    def values(self) -> dict[str, str]:
        target, sample = self.stub.target, self.sample
        is_number = isinstance(sample.rows[0][sample.id_key], int)
        return {
            "module": target.module,
            "record": target.record,
            "Row": self.stub.row,
            "streams": target.stream,
            "event": f"{target.stream.removesuffix('s')}.changed",
            "summary": f"{target.stream} over REST",
            "pii": ", ".join(map(json.dumps, target.pii)) + ("," if len(target.pii) == 1 else ""),
            "time_key": sample.time_key or "updated_at",
            "id_key": sample.id_key,
            "numbered": "number + 1" if is_number else f'f"{target.stream}_{{number:03d}}"',
            "row": _literal(sample.rows[0]),
            "page": self._wrapped("page", "following"),
            "fields": f"`{sample.id_key}` is the record's key. Rows become a `{target.record}`;"
            "\nkeys that are not read yet stand in `parse.py`.",
            "code": "`not_mapped` | nothing of the vendor's is mapped to the field yet: decide in"
            " `parse.py`",
        }

    def files(self, folder: Path, cases: Path, event: str) -> dict[Path, str]:
        """The parser, and the fixtures, whose expectations are written once they are read."""
        found = {folder / "parse.py": self.stub.parse}
        if self.kind != "ehr":
            found[cases / "page.json"] = _json(self._document(list(self.sample.rows), None))
            found[cases / "page.expected.json"] = "{}\n"
        if event:
            frame = {"id": "evt_000", "type": event, "created_at": _AT, "data": self.sample.rows[0]}
            found[cases / "event.json"] = _json(frame)
            found[cases / "event.expected.json"] = "{}\n"
        return found

    def cases(self, cases: Path) -> list[Path]:
        return [file for name in ("page.json", "event.json") if (file := cases / name).is_file()]

    def _document(self, rows: Any, token: Any) -> Any:
        """The page around rows."""
        if not self.sample.rows_at:
            return rows
        document: dict[str, Any] = {}
        for at, value in ((self.sample.rows_at, rows), (self.sample.next_at, token)):
            inner = document
            for key in at[:-1]:
                inner = inner.setdefault(key, {})
            if at:
                inner[at[-1]] = value
        return document

    def _wrapped(self, rows: str, token: str) -> str:
        """`_document` as code, with names for the rows and the token."""
        text = json.dumps(self._document("@rows", "@token"))
        return text.replace('"@rows"', rows).replace('"@token"', token)


def _json(document: Any) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _literal(value: Any, indent: str = "") -> str:
    """A value as code, in the project's style."""
    inner = indent + "    "
    if isinstance(value, dict) and value:
        lines = (f"{inner}{json.dumps(k)}: {_literal(v, inner)},\n" for k, v in value.items())
        return "{\n" + "".join(lines) + indent + "}"
    if isinstance(value, list) and value:
        lines = (f"{inner}{_literal(one, inner)},\n" for one in value)
        return "[\n" + "".join(lines) + indent + "]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
