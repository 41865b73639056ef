"""`mso-hub purchasing solve`: a purchasing round from a file, without a database."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from hub.domain.purchasing import fields
from hub.domain.purchasing.instance import Instance
from hub.domain.purchasing.instance_file import load
from hub.domain.purchasing.plan import Plan, money, to_result
from hub.domain.purchasing.shares import nobody_worse
from hub.domain.purchasing.solve import Progress, solve
from hub.entrypoints.cli import purchasing_round
from hub.errors import Rejected

app = typer.Typer(no_args_is_help=True, help="Group purchasing rounds.")
purchasing_round.register(app)

FAILED, USAGE = 1, 2
DEARER = (
    "Under these rules the round costs more than buying alone. No shares can keep every practice "
    "at what it would pay alone; the excess is shared in proportion to that."
)


@app.callback()
def purchasing() -> None:
    """Group purchasing rounds."""


@app.command("solve")
def solve_file(
    instance: Annotated[Path, typer.Argument(help="The instance, a JSON file.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    seconds: Annotated[
        float | None, typer.Option(help="Time limit, instead of the one in the instance.")
    ] = None,
    gap: Annotated[
        str | None, typer.Option(help="Gap to prove, such as 0.001, instead of the instance's.")
    ] = None,
) -> None:
    """Find the cheapest allowed awards and prove how good they are.

    Ctrl-C keeps the best plan found so far. Exit code 0: there is a plan; 1: there is none, or
    the instance is faulty; 2: wrong usage.
    """
    round_ = _limited(_read(instance), seconds, gap)
    with _until_interrupted() as interrupted, _shown() as show:
        plan = solve(round_, show, interrupted)
    if as_json:
        typer.echo(json.dumps(to_result(plan), indent=2, ensure_ascii=False))
    elif plan.cost is not None:
        _print(plan, round_.currency)
    if plan.cost is None:
        _fail(_why_none(plan), FAILED)


def _read(path: Path) -> Instance:
    try:
        document = json.loads(
            path.read_text(encoding="utf-8-sig"), object_pairs_hook=_each_key_once
        )
    except OSError as error:
        _fail(f"{path} cannot be read: {error.strerror}.", USAGE)
    except json.JSONDecodeError as error:
        _fail(f"{path} is not JSON: see line {error.lineno}, column {error.colno}.", FAILED)
    except UnicodeDecodeError:
        _fail(f"{path} is not a text in UTF-8.", FAILED)
    except RecursionError:
        _fail(f"{path} is nested too deeply.", FAILED)
    except Rejected as error:
        _fail(f"{path}: {error}", FAILED)
    try:
        return load(document)
    except Rejected as error:
        _fail(str(error), FAILED)


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Without this the last of two prices would silently win."""
    read: dict[str, Any] = {}
    for key, value in pairs:
        if key in read:
            raise Rejected(f"Key {key} stands twice in one object.", reason="repeated_key")
        read[key] = value
    return read


def _limited(instance: Instance, seconds: float | None, gap: str | None) -> Instance:
    limits = instance.limits
    try:
        if seconds is not None:
            limits = replace(limits, seconds=fields.seconds(seconds, "--seconds"))
        if gap is not None:
            limits = replace(limits, gap=fields.rate(gap, "--gap"))
    except Rejected as error:
        _fail(str(error), USAGE)
    return replace(instance, limits=limits)


@contextmanager
def _until_interrupted() -> Iterator[Callable[[], bool]]:
    """A flag that Ctrl-C raises; a second Ctrl-C ends the program as usual."""
    pressed: list[int] = []

    def press(number: int, _: FrameType | None) -> None:
        pressed.append(number)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, press)
    try:
        yield lambda: bool(pressed)
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _shown() -> Iterator[Callable[[Progress], None] | None]:
    """On a terminal, a line with the phase, the best cost and the bound."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    with console.status("greedy") as status:
        yield lambda told: status.update(describe(told))


def describe(told: Progress) -> str:
    """One line for a person who waits."""
    words = [told.phase.replace("_", " "), f"{told.seconds:.1f} s"]
    if told.cost is not None:
        words.append(f"cost {money(told.cost)}")
    if told.lower_bound is not None:
        words.append(f"bound {money(told.lower_bound)}")
    if told.cost and told.lower_bound is not None:
        words.append(f"gap {(told.cost - told.lower_bound) / told.cost:.2%}")
    return ", ".join(words)


def _print(plan: Plan, currency: str) -> None:
    result: dict[str, Any] = to_result(plan)
    console = Console()
    console.print(
        f"{plan.status.replace('_', ' ')}: {result['cost']} {currency}, at least "
        f"{result['lower_bound']} {currency} proven (gap {plan.gap or 0:.3%}), "
        f"{plan.seconds:.1f} s"
    )
    baselines = {name: cost for name, cost in result["baselines"].items() if cost is not None}
    for name, cost in baselines.items():
        console.print(f"{name.replace('_', ' ')}: {cost} {currency}")
    for name in ("awards", "orders", "credits", "rebates", "shares"):
        _table(console, name, result.get(name, []))
    if not nobody_worse(plan.shares):
        console.print(DEARER)


def _table(console: Console, title: str, rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    columns = list(dict.fromkeys(key for row in rows for key in row))
    table = Table(title=title)
    for key in columns:
        table.add_column(key.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*("" if row.get(key) is None else escape(str(row[key])) for key in columns))
    console.print(table)


def _why_none(plan: Plan) -> str:
    if plan.status != "infeasible":
        return "No allowed plan was found in the time given; allow more with --seconds."
    return f"No plan is allowed: {' '.join(plan.infeasible_because)}"


def _fail(sentence: str, code: int) -> NoReturn:
    typer.echo(f"mso-hub: {sentence}", err=True)
    raise typer.Exit(code)
