"""`mso-hub demo`: what it says to what cannot be run. The demonstration itself: tests/flows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hub.entrypoints.demo.world import open_world

Run = Callable[..., Any]


@pytest.mark.parametrize("number", ["0", "-1", "61", "many", "1.5"])
def test_a_number_of_practices_that_cannot_be_is_wrong_usage(run: Run, number: str) -> None:
    ended = run("demo", "--once", "--practices", number)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("mso-hub: Invalid value for '--practices': ")
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize("given", [("--practices", "3"), ("--seed", "2")])
def test_data_of_another_demonstration_is_wrong_usage_and_left_alone(
    run: Run, tmp_path: Path, given: tuple[str, str]
) -> None:
    folder = tmp_path / "shown"
    open_world(folder, seed=1, practices=2, now=datetime.now(UTC))
    ended = run("demo", "--once", "--data-dir", str(folder), *given)
    assert (ended.code, ended.out) == (2, "")
    assert "holds a demonstration of --practices 2 --seed 1" in ended.err
    assert "another --data-dir" in ended.err
    assert [file.name for file in folder.iterdir()] == ["demo.json"]


@pytest.mark.parametrize(
    "given",
    [
        ("demo", "--once", "--http-port", "70000"),
        ("demo", "--once", "--mllp-port", "-1"),
        ("simulate", "payroll_rest", "--port", "65536"),
    ],
)
def test_a_port_that_there_is_not_is_wrong_usage(
    run: Run, tmp_path: Path, given: tuple[str, ...]
) -> None:
    ended = run(*given)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(f"mso-hub: Invalid value for '{given[2]}': ")
    assert list(tmp_path.iterdir()) == []
