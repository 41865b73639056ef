"""The parts of a parser stub that depend on the page and on what the rest uses; pure."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from typing import Final

from connectors.sdk.scaffold.sample import Sample
from connectors.sdk.scaffold.targets import Target

FROM: Final = {
    "Amount": "connectors.sdk.rows", "Day": "connectors.sdk.rows", "Text": "connectors.sdk.rows",
    "Part": "connectors.sdk.rows", "Issues": "connectors.sdk.rows", "Row": "connectors.sdk.rows",
    "read_rows": "connectors.sdk.rows", "Answer": "connectors.sdk.incremental",
    "ContractDrift": "hub.errors", "Decimal": "decimal", "date": "datetime",
    "AwareDatetime": "pydantic", "Field": "pydantic", "Key": "connectors.sdk.rows",
    "Any": "typing", "Final": "typing", "Mapping": "collections.abc",
}  # fmt: skip


def page_function(sample: Sample, row: str) -> str:
    """`parse_page` of a sample's pages."""
    at = ", ".join(json.dumps(key) for key in sample.rows_at)
    next_at = ", ".join(json.dumps(key) for key in sample.next_at)
    named = ".".join(["$", *sample.rows_at])
    token = ".".join(["$", *sample.next_at])
    lines = [
        "def parse_page(document: Any) -> Answer:",
        '    """Raises ContractDrift for what is no page; a bad row is rejected alone."""',
        f"    rows = _inside(document, [{at}])",
        "    if not isinstance(rows, list):",
        '        told = "The answer holds no list of rows."',
        f'        raise ContractDrift(told, reason="page_shape", path="{named}")',
    ]
    if sample.next_at:
        lines += [
            f"    token = _inside(document, [{next_at}])",
            "    if not isinstance(token, str | int | None):",
            '        told = "The next page has no token."',
            f'        raise ContractDrift(told, reason="page_shape", path="{token}")',
            f"    return read_rows(rows, {row}, to_record, str(token) if token else None)",
        ]
    else:
        lines.append(f"    return read_rows(rows, {row}, to_record, None)")
    lines += [
        "", "",
        "def _inside(value: Any, keys: list[str]) -> Any:",
        "    for key in keys:",
        "        value = value.get(key) if isinstance(value, dict) else None",
        "    return value",
    ]  # fmt: skip
    return "\n".join(lines)


def imports_of(body: str, target: Target) -> str:
    """The imports that the body needs, in order."""
    wanted: defaultdict[str, set[str]] = defaultdict(set)
    known = {**FROM, **{name: module for module, name in target.imports}}
    known[target.record] = target.module
    for name, module in known.items():
        if re.search(rf"\b{name}\b", body):
            wanted[module].add(name)
    ours = {m for m in wanted if m.startswith(("connectors.", "hub."))}
    groups = [set(wanted) - ours - {"pydantic"}, {"pydantic"} & set(wanted), ours]
    return "\n\n".join(
        "\n".join(f"from {m} import {', '.join(sorted(wanted[m], key=_case))}" for m in sorted(g))
        for g in groups
        if g
    )


def _case(name: str) -> tuple[bool, str]:
    """Classes before functions, as the linter sorts them."""
    return name.islower(), name
