"""A short fault campaign: a few faults of each sort, and the controls that must fail."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.end_to_end
CAMPAIGN = Path(__file__).with_name("campaign.py")


PAGE = CAMPAIGN.parents[2] / "docs" / "explanation" / "faults.md"
TRANSPORTS = ("sqlite", "postgresql", "postgresql-silent", "redis", "rabbitmq")


def test_the_page_says_which_fault_is_injected_where() -> None:
    command = [sys.executable, str(CAMPAIGN), "--list"]
    listed = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    faults = {name: on for name, on in listed.items() if not name.endswith("-control")}
    table = PAGE.read_text().split("| no bell |")[1].split("\n\n")[0]
    told = {}
    for line in table.splitlines()[2:]:
        name, _, *places = (cell.strip() for cell in line.strip("|").split("|"))
        told[name] = [on for on, mark in zip(TRANSPORTS, places, strict=True) if mark]
    of_the_model = told.pop("J18")  # tests/hub/storage/test_queue_model.py
    assert told == faults
    assert of_the_model == ["sqlite", "postgresql"]


def test_nothing_acknowledged_is_lost_doubled_or_out_of_order() -> None:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("HUB_")}
    command = [sys.executable, str(CAMPAIGN), "--short"]
    ended = subprocess.run(command, env=clean, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    summary = json.loads(ended.stdout.splitlines()[-1])
    assert summary["acknowledged"] > 0
    assert (summary["lost"], summary["doubled"], summary["inversions"]) == (0, 0, 0)
    assert set(summary["controls"].values()) <= {True}
    if os.environ.get("CI"):
        assert summary["not_covered"] == []
        assert len(summary["controls"]) == 3
