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
    "connection show", "connector new", "connector read", "connector simulate", "connector test",
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


@pytest.mark.parametrize(
    "arguments",
    [
        ("message", "show", "\udcff"),
        ("message", "list", "--type", "\udcff"),
        ("message", "list", "--since", "999999d"),
        ("message", "list", "--until", "9999-12-31T23:59-23:59"),
        ("message", "issues", "--since", "0001-01-01T00:00+23:59"),
        ("send", __file__, "--to", "127.0.0.1:²"),
        ("send", __file__, "--to", "127.0.0.1:2575", "--timeout", "inf"),
        ("client", "documents", "add", "board", "/"),
        ("job", "show", str(2**70)),
    ],
)
def test_wrong_usage_is_one_sentence(desk: Any, arguments: tuple[str, ...]) -> None:
    ended = desk.run(*arguments)
    assert (ended.code, ended.out, ended.err.count("\n")) == (2, "", 1)


def test_files_that_cannot_be_used_are_one_sentence(desk: Any, tmp_path: Path) -> None:
    taken, bytes_ = tmp_path / "taken", tmp_path / "bytes"
    taken.touch()
    bytes_.write_bytes(b"\xff\xfe")
    (tmp_path / "words").write_text("no schema")
    for arguments in (
        ("export-schema", "--output", str(taken / "x")),
        ("export-schema", "--output", str(tmp_path)),
        ("export-schema", "--check", str(bytes_)),
        ("export-schema", "--check", str(tmp_path / "words")),
        ("backup", str(tmp_path / "nowhere" / "x")),
        ("client", "documents", "add", "board", str(bytes_)),
    ):
        ended = desk.run(*arguments)
        assert (ended.code, ended.out, ended.err.count("\n")) == (1, "", 1), arguments
        assert ended.err.startswith("mso-hub: ")


def test_a_defect_is_one_sentence_that_tells_where_and_repeats_no_value(
    desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ValueError("Quillfeather")

    monkeypatch.setattr("hub.services.messages.find", broken)
    ended = desk.run("message", "list")
    assert (ended.code, ended.out, ended.err.count("\n")) == (1, "", 1)
    assert "ValueError in test_main.py" in ended.err
    assert "Quillfeather" not in ended.err


def test_the_demonstration_does_not_write_into_production(
    run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUB_PROFILE", "production")
    monkeypatch.setenv("HUB_DATABASE_URL", f"sqlite:///{tmp_path / 'hospital.db'}")
    ended = run("demo", "--once", "--data-dir", str(tmp_path / "demo"))
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith("mso-hub: HUB_PROFILE is production: ")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_database_is_one_sentence(
    run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "notes").write_text("not a database, and long enough to be read as one " * 20)
    monkeypatch.setenv("HUB_DATABASE_URL", f"sqlite:///{tmp_path / 'notes'}")
    ended = run("message", "list")
    assert (ended.code, ended.out, ended.err.count("\n")) == (1, "", 1)
    assert "HUB_DATABASE_URL" in ended.err
