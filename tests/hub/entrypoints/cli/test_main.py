"""The console script as a whole: its commands, their help, and how a failure is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from sqlalchemy.exc import OperationalError

from hub.entrypoints.cli import main

REFERENCE = Path(__file__).parents[4] / "docs" / "reference" / "commands.md"
PROMISED = (
    "demo", "serve", "migrate", "doctor", "client create", "client list", "client revoke",
    "connector list", "connector docs", "connection add", "connection list", "connection check",
    "connection sync", "connection pause", "connection resume", "simulate", "message list",
    "message show", "message replay", "job list", "job show", "job retry", "job cancel", "send",
    "hl7 show", "x12 show", "purchasing solve", "export-schema", "audit verify",
)  # fmt: skip
WITHOUT_JSON = {
    "serve", "migrate", "simulate", "export-schema", "connector schema", "connector docs",
    "connector new", "connector read", "connector simulate", "connector test",
}  # fmt: skip


def commands() -> dict[str, Any]:
    """Every command that does something, by its name behind `mso-hub`."""

    def leaves(command: Any, name: str) -> Iterator[tuple[str, Any]]:
        below = getattr(command, "commands", None)
        if below is None:
            yield name, command
            return
        for word, each in below.items():
            yield from leaves(each, f"{name} {word}".strip())

    return dict(leaves(typer.main.get_command(main.commands()), ""))


@pytest.mark.parametrize("name", PROMISED)
def test_a_promised_command_exists(name: str) -> None:
    assert name in commands()


def test_every_command_is_in_the_reference() -> None:
    page = REFERENCE.read_text(encoding="utf-8")
    assert [name for name in commands() if f"## `mso-hub {name}`" not in page] == []


def test_every_command_has_a_help_text() -> None:
    assert [name for name, command in commands().items() if not command.help] == []


def test_every_command_whose_output_a_program_may_read_has_json() -> None:
    without = {
        name
        for name, command in commands().items()
        if not any("--json" in parameter.opts for parameter in command.params)
    }
    assert without <= WITHOUT_JSON


@pytest.mark.parametrize("name", ["message", "job show", "connection add", "doctor"])
def test_help_exits_with_zero_on_stdout(run: Callable[..., Any], name: str) -> None:
    ended = run(*name.split(), "--help")
    assert (ended.code, ended.err) == (0, "")
    assert "--help" in ended.out


def test_a_group_without_a_command_shows_its_help_and_is_wrong_usage(
    run: Callable[..., Any],
) -> None:
    ended = run("message")
    assert ended.code == 2
    assert "replay" in ended.out + ended.err


def test_a_missing_database_is_one_sentence(run: Callable[..., Any]) -> None:
    ended = run("message", "list")
    assert (ended.code, ended.out) == (1, "")
    assert "mso-hub migrate" in ended.err
    assert ended.err.count("\n") == 1


def test_a_database_that_fails_in_the_middle_is_one_sentence(
    desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(*_: object, **__: object) -> None:
        raise OperationalError("SELECT 1", {}, Exception("database is locked"))

    monkeypatch.setattr("hub.services.messages.find", locked)
    ended = desk.run("message", "list")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err == (
        "mso-hub: The database does not answer or is locked; run `mso-hub doctor`.\n"
    )


def test_an_interrupt_exits_with_130(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("hub.services.messages.find", interrupted)
    assert desk.run("message", "list").code == 130
