"""`mso-hub doctor` as a command: exit code, JSON and the sentence on stderr."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def free_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_HTTP_PORT", "0")
    monkeypatch.setenv("HUB_MLLP_PORT", "0")


@pytest.mark.usefixtures("free_ports")
def test_a_sound_installation_exits_with_zero(desk: Any) -> None:
    ended = desk.run("doctor", "--json")
    assert (ended.code, ended.err) == (0, "")
    assert ended.json["ok"] is True
    assert {"settings", "schema", "key", "names"} <= {
        item["probe"] for item in ended.json["probes"]
    }


@pytest.mark.usefixtures("free_ports")
def test_a_failed_probe_exits_with_one_and_is_named(run: Callable[..., Any]) -> None:
    ended = run("doctor")
    assert ended.code == 1
    assert "mso-hub migrate" in ended.out
    assert ended.err == "mso-hub: 1 probe failed: database.\n"
