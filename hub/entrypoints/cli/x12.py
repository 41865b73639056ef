"""`mso-hub x12`: what the hub reads in an X12 file."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from connectors.payer_x12.parse import read_271
from connectors.sdk import x12
from connectors.supply_x12.show import DESCRIBERS
from hub.domain.records import Issue

app = typer.Typer(no_args_is_help=True, help="X12 files.")


@dataclass(frozen=True, slots=True)
class Reading:
    """What one transaction means: an outcome in a word, canonical fields, and what looks wrong."""

    outcome: str
    canonical: dict[str, Any] = field(default_factory=dict)
    issues: tuple[Issue, ...] = ()


Reader = Callable[[x12.Interchange, x12.Transaction], Sequence[Reading]]


def _eligibility(interchange: x12.Interchange, transaction: x12.Transaction) -> list[Reading]:
    readings = []
    for answer in read_271(interchange, transaction):
        result = answer.result
        canonical = {
            item.name: getattr(result, item.name)
            for item in fields(result)
            if item.name not in {"outcome", "warnings"}
        }
        readings.append(Reading(result.outcome, canonical, result.warnings))
    return readings


def _acknowledgment(_: x12.Interchange, transaction: x12.Transaction) -> list[Reading]:
    found = x12.read_acknowledgment(transaction)
    outcome = "accepted" if found.accepted else "rejected"
    return [Reading(outcome, {"acknowledgment": asdict(found)}, transaction.issues)]


def _supply(_: x12.Interchange, transaction: x12.Transaction) -> list[Reading]:
    return [
        Reading(found.outcome, dict(found.canonical), found.issues)
        for found in DESCRIBERS[transaction.set_id](transaction)
    ]


READERS: dict[str, Reader] = {
    "271": _eligibility,
    "997": _acknowledgment,
    "999": _acknowledgment,
    **dict.fromkeys(DESCRIBERS, _supply),
}
"""Canonical readings by transaction set; any other set shows its envelope and segment count."""


@app.callback()
def _group() -> None:
    """Keep `show` a command of its own."""


@app.command()
def show(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="An X12 file.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show every transaction of a file and what the hub reads in it; bad input is an issue."""
    transactions = describe(file.read_bytes())
    if as_json:
        text = json.dumps({"transactions": transactions}, default=_plain, ensure_ascii=False)
        typer.echo(text)
        return
    table = Table("set", "control", "outcome", "segments", "issues")
    for item in transactions:
        issues = "\n".join(f"{issue['path']} {issue['text']}".strip() for issue in item["issues"])
        table.add_row(
            item["set"], item["control"], item["outcome"], str(item["segments"]), escape(issues)
        )
    Console().print(table)


def describe(raw: bytes) -> list[dict[str, Any]]:
    """One entry per transaction, TA1 and person of a 271, or one that says why there is none."""
    entries: list[dict[str, Any]] = []
    for result in x12.read(raw):
        match result:
            case x12.Interchange():
                for ta1 in result.ta1s:
                    outcome = "rejected" if ta1.status == "R" else "accepted"
                    reading = Reading(outcome, {"note": ta1.note}, result.issues)
                    entries.append(_entry("TA1", ta1.control, reading))
                for transaction in result.transactions:
                    entries += _readings(result, transaction)
            case x12.TruncatedResponse():
                entries.append(_failure("truncated", result.text, result.segments))
            case x12.NotX12():
                entries.append(_failure("not_x12", result.text))
            case x12.TooLarge():
                entries.append(_failure("too_large", result.text))
    return entries


def _readings(interchange: x12.Interchange, transaction: x12.Transaction) -> list[dict[str, Any]]:
    reader = READERS.get(transaction.set_id)
    readings: Sequence[Reading]
    if reader is None:
        readings = [Reading("read", issues=(*interchange.issues, *transaction.issues))]
    else:
        readings = reader(interchange, transaction)
    count = len(transaction.segments)
    return [_entry(transaction.set_id, transaction.control, reading, count) for reading in readings]


def _failure(outcome: str, text: str, segments: int = 0) -> dict[str, Any]:
    return _entry("", "", Reading(outcome, issues=(Issue(outcome, "ISA", text),)), segments)


def _entry(set_id: str, control: str, reading: Reading, segments: int = 1) -> dict[str, Any]:
    return {
        **reading.canonical,
        "set": set_id,
        "control": control,
        "outcome": reading.outcome,
        "segments": segments,
        "issues": [asdict(issue) for issue in reading.issues],
    }


def _plain(value: object) -> object:
    """Records as objects, decimals and dates as exact text."""
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, Decimal | date):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
