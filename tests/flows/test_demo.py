"""The demonstration as its user runs it: once, again, another day, and after being killed."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.polling import wait_until

pytestmark = pytest.mark.end_to_end
LONGEST = 240


IN_A_DAY = """
from datetime import UTC, datetime, timedelta
import time_machine
from hub.entrypoints.cli.main import main
with time_machine.travel(datetime.now(UTC) + timedelta(days=1), tick=True):
    main()
"""


def command(data_dir: Path, practices: int, program: tuple[str, str] = ("-m", "hub")) -> list[str]:
    return [
        sys.executable, *program, "demo", "--once", "--json",
        "--practices", str(practices), "--data-dir", str(data_dir),
    ]  # fmt: skip


def environment() -> dict[str, str]:
    own = {key: value for key, value in os.environ.items() if not key.startswith("HUB_")}
    return {**own, "HUB_JOB_LEASE_SECONDS": "10"}  # what a killed process held is taken up sooner


def run(data_dir: Path, practices: int, program: tuple[str, str] = ("-m", "hub")) -> dict[str, Any]:
    done = subprocess.run(
        command(data_dir, practices, program),
        capture_output=True,
        text=True,
        timeout=LONGEST,
        env=environment(),
        check=False,
    )
    assert done.stdout, done.stderr
    summary: dict[str, Any] = json.loads(done.stdout)
    assert (done.returncode, summary["problems"]) == (0, []), done.stderr
    return summary


def kill_when(data_dir: Path, practices: int, reached: Callable[[], bool]) -> None:
    """Start the demonstration and kill it without warning as soon as `reached`."""
    process = subprocess.Popen(
        command(data_dir, practices),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment(),
    )
    wait_until(lambda: reached() or process.poll() is not None)
    assert process.poll() is None, "the demonstration ended before the moment to kill it"
    process.send_signal(signal.SIGKILL)
    process.wait()


def rows(data_dir: Path, statement: str) -> list[tuple[Any, ...]]:
    database = data_dir / "hub.db"
    if not database.exists():
        return []
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)
    try:
        return connection.execute(statement).fetchall()
    except sqlite3.OperationalError:
        return []
    finally:
        connection.close()


def count(data_dir: Path, statement: str) -> int:
    found = rows(data_dir, statement)
    return int(found[0][0]) if found else 0


def vendor_orders(data_dir: Path) -> Counter[str]:
    """Purchase order number -> orders the simulated vendors hold, from their own journals."""
    held: Counter[str] = Counter()
    for journal in (data_dir / "vendors").glob("*-orders.jsonl"):
        for line in journal.read_text().splitlines():
            entry = json.loads(line)
            if entry["event"] == "order":
                held[entry["number"]] += 1
    return held


def test_the_demonstration_does_all_of_it_and_a_second_run_adds_nothing(tmp_path: Path) -> None:
    first = run(tmp_path, practices=12)
    assert first["practices"] == 12
    messages = first["messages"]
    assert messages["sent"] > messages["processed"] > 400
    assert messages["sent"] == sum(
        messages[key] for key in ("processed", "duplicates", "quarantined", "refused")
    )
    assert {"active", "inactive", "rejected", "payer_down"} <= set(first["eligibility"])
    assert first["payroll"]["pay_statements"] > 0
    bought = first["purchasing"]
    alone, pooled, bound = (
        float(bought[key]) for key in ("standalone_cost", "pooled_cost", "lower_bound")
    )
    assert bound <= pooled < alone
    assert 0 <= bought["gap"] <= 0.01
    assert bought["bids"] == {"opened": 1, "no_bid": 1}
    assert bought["invoiced"] == bought["orders"] > 0
    assert float(bought["credited"]) > 0
    assert first["graphql"]["queries"] > 0
    assert first["graphql"]["errors"] == 0
    assert set(vendor_orders(tmp_path).values()) == {1}

    second = run(tmp_path, practices=12)
    for key in ("practices", "records", "eligibility", "payroll", "purchasing"):
        assert second[key] == first[key]
    for key in ("sent", "acknowledged", "processed", "refused"):
        assert second["messages"][key] == messages[key]
    assert vendor_orders(tmp_path).keys() == vendor_orders(tmp_path).keys()
    assert set(vendor_orders(tmp_path).values()) == {1}


def test_one_practice_shows_all_of_it_too_and_again_on_another_day(tmp_path: Path) -> None:
    first = run(tmp_path, practices=1)
    assert first["practices"] == 1
    assert first["access"]["foreign_ids_asked"] == 1
    assert {"active", "inactive", "rejected", "payer_down"} <= set(first["eligibility"])
    second = run(tmp_path, practices=1, program=("-c", IN_A_DAY))
    assert second["messages"]["sent"] == second["messages"]["processed"] + sum(
        second["messages"][key] for key in ("duplicates", "quarantined", "refused")
    )
    assert second["records"]["patients"] > first["records"]["patients"]
    placed = first["purchasing"]["orders"] + second["purchasing"]["orders"]
    assert len(vendor_orders(tmp_path)) == placed


def test_a_killed_demonstration_loses_nothing_acknowledged_and_places_no_order_twice(
    tmp_path: Path,
) -> None:
    log = tmp_path / "vendors" / "ehr-acknowledged.log"
    kill_when(tmp_path, 3, lambda: log.exists() and len(log.read_text().splitlines()) > 60)
    kill_when(
        tmp_path,
        3,
        lambda: (
            count(tmp_path, "SELECT count(*) FROM purchase_orders WHERE send_state = 'sent'") > 0
        ),
    )
    kill_when(
        tmp_path,
        3,
        lambda: count(tmp_path, "SELECT count(*) FROM order_documents") > 2,
    )
    summary = run(tmp_path, practices=3)
    acknowledged = set(log.read_text().split())
    stored = {
        row[0] for row in rows(tmp_path, "SELECT control_id FROM inbox WHERE state = 'processed'")
    }
    assert acknowledged
    assert acknowledged <= stored
    placed = vendor_orders(tmp_path)
    assert set(placed.values()) == {1}
    assert len(placed) == summary["purchasing"]["orders"]
    assert rows(
        tmp_path, "SELECT count(*), count(DISTINCT idempotency_key) FROM purchase_orders"
    ) == [(len(placed), len(placed))]
