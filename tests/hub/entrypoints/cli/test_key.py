"""`mso-hub key`: keys listed, rotated, dropped and destroyed at the command line."""

from __future__ import annotations

from typing import Any

from hub.storage.key_encryption import KeyFile
from hub.storage.tables import Practice


def current(desk: Any) -> str:
    return KeyFile(desk.hub.settings.resolved_key_file()).current().key_id


def test_a_rotated_key_wraps_everything_and_the_old_one_can_be_dropped(desk: Any) -> None:
    old = current(desk)

    rotated = desk.run("key", "rotate", "--json")
    listed = desk.run("key", "list", "--json").json["keys"]
    dropped = desk.run("key", "drop", old)

    assert rotated.json["kek_id"] == current(desk) != old
    assert {row["kek_id"] for row in listed} == {current(desk)}
    assert dropped.code == 0
    assert "key rotate" in {operation for operation, _, _ in desk.audited()}


def test_a_key_that_still_wraps_is_not_dropped(desk: Any) -> None:
    ended = desk.run("key", "drop", current(desk))

    assert ended.code == 1
    assert "still wrapped" in ended.err


def test_keys_of_a_practice_are_destroyed_only_when_its_name_is_repeated(desk: Any) -> None:
    practice = desk.rows(Practice)[0]
    command = ("key", "destroy", "--practice", practice.id, "--reason", "agreement ended")

    wrong = desk.run(*command, "--confirm", "another")
    right = desk.run(*command, "--confirm", practice.name)

    assert wrong.code == 1
    assert right.code == 0
    assert desk.audited()[-1][0] == "key destroy"
