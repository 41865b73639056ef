"""`mso-hub serve`: what it says to what cannot be run, before anything is opened."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--roles", "web,mail"), "Invalid value for --roles: must be some of web, mllp, jobs."),
        (("--roles", ""), "Invalid value for --roles: must be some of web, mllp, jobs."),
        (
            ("--processes", "2"),
            "Invalid value for --processes: is for --roles web, jobs or both.",
        ),
    ],
)
def test_roles_that_there_are_not_are_wrong_usage(
    run: Callable[..., Any], tmp_path: Path, given: tuple[str, ...], said: str
) -> None:
    ended = run("serve", *given)
    assert (ended.code, ended.out, ended.err) == (2, "", f"mso-hub: {said}\n")
    assert list(tmp_path.iterdir()) == []
