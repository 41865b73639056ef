"""`mso-hub`: every command, its exit code and how a failure is told.

Exit codes: 0 done, 1 failed, 2 wrong usage. A failure is one plain sentence on stderr.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from traceback import extract_tb
from typing import NamedTuple

import typer
from sqlalchemy.exc import OperationalError

from hub.errors import HubError

_SOURCES = Path(__file__).parents[3]


class _Command(NamedTuple):
    """A command, or with `app` a group of them, and where it is; a process that runs one loads the
    module of that one only."""

    name: str
    module: str
    function: str = "app"


_COMMANDS = (
    _Command("demo", "demo", "demo"),
    _Command("serve", "service", "serve"),
    _Command("migrate", "service", "migrate"),
    _Command("backup", "backup", "backup_command"),
    _Command("restore", "backup", "restore_command"),
    _Command("doctor", "doctor", "doctor"),
    _Command("send", "send", "send"),
    _Command("simulate", "connector", "simulate"),
    _Command("export-schema", "schema", "export_schema"),
    _Command("audit", "audit"),
    _Command("client", "client"),
    _Command("practice", "practice"),
    _Command("agreement", "agreement"),
    _Command("consent", "consent"),
    _Command("payer", "trading_partners", "payer"),
    _Command("supplier", "trading_partners", "supplier"),
    _Command("connection", "connection"),
    _Command("message", "message"),
    _Command("outbound", "outbound"),
    _Command("job", "job"),
    _Command("key", "key"),
    _Command("hold", "hold"),
    _Command("connector", "connector"),
    _Command("hl7", "hl7"),
    _Command("x12", "x12"),
    _Command("purchasing", "purchasing"),
)


def commands(wanted: str | None = None) -> typer.Typer:
    """All commands, or `wanted` alone if there is one of that name."""
    app = typer.Typer(
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        help="The integration hub of a healthcare management services organization.",
    )
    app.callback()(_together)
    for each in [each for each in _COMMANDS if each.name == wanted] or _COMMANDS:
        module = import_module(f"hub.entrypoints.cli.{each.module}")
        found: typer.Typer | Callable[..., object] = getattr(module, each.function)
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=each.name)
        else:
            app.command(each.name)(found)
    return app


def _together() -> None:
    """Makes a single command a group all the same, so that its name has to be given."""


def main() -> None:
    """The console script."""
    try:
        _require_text(sys.argv[1:])
        code = commands(next(iter(sys.argv[1:]), None))(standalone_mode=False)
    except typer.TyperException as error:
        _tell(getattr(error, "format_message", error.__str__)())
        sys.exit(getattr(error, "exit_code", 2))
    except HubError as error:
        _tell(f"{error} {getattr(error, 'hint', '')}".rstrip())
        sys.exit(1)
    except OperationalError:
        _tell("The database does not answer or is locked; run `mso-hub doctor`.")
        sys.exit(1)
    except BrokenPipeError:  # the reader of our output went away, as `head` does
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - nothing is left to be written
        sys.exit(1)
    except (KeyboardInterrupt, typer.Abort):
        _tell("interrupted.")
        sys.exit(130)
    except OSError as error:
        _tell(f"{_place(error)}{error.strerror or type(error).__name__}.")
        sys.exit(1)
    except Exception as error:
        _tell(_unexpected(error))
        sys.exit(1)
    sys.exit(code if isinstance(code, int) else 0)


def _require_text(arguments: Sequence[str]) -> None:
    """Raises BadParameter for an argument that is no UTF-8, which no database takes."""
    for position, argument in enumerate(arguments, start=1):
        try:
            argument.encode()
        except UnicodeEncodeError:
            raise typer.BadParameter(f"argument {position} is no text in UTF-8.") from None


def _place(error: OSError) -> str:
    return f"{error.filename}: " if error.filename else ""


def _unexpected(error: Exception) -> str:
    """A defect of the hub: its kind and where it happened, never its text, which may quote what was
    read."""
    frames = extract_tb(error.__traceback__)
    ours = [frame for frame in frames if Path(frame.filename).is_relative_to(_SOURCES)]
    last = (ours or frames)[-1]
    place = f"{Path(last.filename).name}, line {last.lineno}"
    return f"Something went wrong in the hub ({type(error).__name__} in {place}); report it."


def _tell(sentence: str) -> None:
    """A failure on stderr; the help that a command without arguments shows is no failure."""
    if sentence and "\n" not in sentence.strip():
        sentence = f"mso-hub: {sentence}"
    if sentence:
        typer.echo(sentence, err=True)
