"""What the operators' commands share: the open hub, who is asking, times and tables."""

from __future__ import annotations

import json
import os
import pwd
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from hub import settings
from hub.domain.agreements import unrestricted_scope
from hub.entrypoints.hub import Hub, open_hub
from hub.errors import Rejected
from hub.services.operators import Operator
from hub.storage.session import ScopedSession

SCOPE = unrestricted_scope("operator command")
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Limit = Annotated[int, typer.Option(min=1, max=10_000, help="At most this many.")]
Reason = Annotated[
    str, typer.Option(help="Why, for the audit trail; it names no patient.", show_default=False)
]
_AGE = re.compile(r"(\d{1,6})([smhd])")
_PIPED_WIDTH = 200
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


@contextmanager
def opened() -> Iterator[Hub]:
    """The hub of the current settings, beside a running service or without one."""
    hub = open_hub(settings.load())
    try:
        yield hub
    finally:
        hub.close()


def operator() -> Operator:
    """The user of this machine who runs the command, as the operating system knows them."""
    number = os.getuid()
    try:
        return Operator(pwd.getpwuid(number).pw_name)
    except KeyError:
        return Operator(f"uid {number}")


def carry_out(
    done: str,
    work: Callable[[ScopedSession, Operator, datetime], dict[str, Any]],
    as_json: bool,
) -> None:
    """Run `work` in a transaction for whoever asks, and print the one thing that it returns: as
    JSON, or its name and id behind what was `done`."""
    with opened() as hub:
        who, now = operator(), hub.now()
        shown = hub.database.transaction(SCOPE, lambda session: work(session, who, now))
    if as_json:
        print_json(shown)
    else:
        typer.echo(f"{done} {shown['name']}, {shown['id']}.")


def given(**values: str | None) -> dict[str, str]:
    """The options that were given."""
    return {key: value for key, value in values.items() if value is not None}


def require_some(*changes: object) -> None:
    """Wrong usage where nothing is to be changed."""
    if not any(changes):
        raise typer.BadParameter("name what is to be changed.")


def one_of(text: str | None, known: Sequence[str], option: str) -> str | None:
    """`text` if it is one of `known`; otherwise wrong usage."""
    if text is not None and text not in known:
        raise typer.BadParameter(f"must be one of {', '.join(known)}.", param_hint=option)
    return text


def moment(text: str | None, now: datetime, option: str) -> datetime | None:
    """A time in UTC from an age (30m, 24h, 7d) or an ISO 8601 time; without an offset it is UTC."""
    if text is None:
        return None
    try:
        if age := _AGE.fullmatch(text):
            return now - timedelta(**{_UNITS[age[2]]: int(age[1])})
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise typer.BadParameter(
            "must be an age like 24h or a time like 2026-03-01T08:00Z.", param_hint=option
        ) from None


def day(text: str, option: str) -> date:
    """A date; otherwise wrong usage."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("must be a date like 2026-12-01.", param_hint=option) from None


def read_text(file: Path) -> str:
    """The text of a file. Raises Rejected if it is no UTF-8."""
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise Rejected(f"{file} is no text in UTF-8.") from None


def plain(value: Any) -> Any:
    """A stored value as JSON has it; an amount is text."""
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) else value


def fields_of(row: object, *names: str) -> dict[str, Any]:
    return {name: plain(getattr(row, name)) for name in names}


def print_json(value: Mapping[str, Any]) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_rows(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str]) -> None:
    """A table; `columns` maps a heading to the key behind it. Ids stay whole, to be copied."""
    table = Table()
    for heading in columns:
        table.add_column(heading, no_wrap=heading == "id", overflow="fold")
    for row in rows:
        table.add_row(*(escape(_text(row[key])) for key in columns.values()))
    Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH).print(table)


def print_facts(facts: Mapping[str, Any]) -> None:
    """One thing, one line per fact; empty ones are left out."""
    table = Table.grid(padding=(0, 2))
    for name, value in facts.items():
        if value not in (None, "", {}, []):
            table.add_row(name.replace("_", " "), escape(_text(value)))
    Console().print(table)


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}={item}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return "\n".join(_text(item) for item in value)
    return "" if value is None else str(value)
