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
        assert len(summary["controls"]) == 2
