"""Processes under a supervisor: kept running, and ended together."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest

from hub.entrypoints import processes
from hub.entrypoints.cli import service
from hub.errors import BadSetting
from hub.settings import Settings
from tests.polling import wait_until

ENDS = "import sys; open(sys.argv[1], 'a').write('started\\n'); sys.exit(3)"
STAYS = """
import pathlib, signal, sys, time

def end(*_):
    pathlib.Path(sys.argv[1] + ".ended").touch()
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
pathlib.Path(sys.argv[1]).touch()
while True:
    time.sleep(0.1)
"""


def test_one_that_ends_is_started_again_and_all_end_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(processes, "LOOK_SECONDS", 0.02)
    ends, stays, stop = tmp_path / "ends", tmp_path / "stays", threading.Event()
    commands = [
        [sys.executable, "-S", "-c", script, str(path)]
        for script, path in ((ENDS, ends), (STAYS, stays))
    ]
    supervisor = threading.Thread(target=processes.supervise, args=(commands, stop))
    supervisor.start()
    wait_until(lambda: ends.exists() and len(ends.read_text().splitlines()) >= 2)
    wait_until(stays.exists)
    stop.set()
    supervisor.join(timeout=20)
    assert not supervisor.is_alive()
    assert (tmp_path / "stays.ended").exists()


def test_the_pause_grows_while_a_process_ends_soon_each_time() -> None:
    place = processes._Place([sys.executable, "-S", "-c", ""])
    pauses, now = [], 0.0
    for _ in range(3):
        place.keep(now)
        assert place.process is not None
        place.process.wait()
        place.keep(now)
        pauses.append(place.start_at - now)
        now = place.start_at
    assert pauses == [1.0, 2.0, 4.0]
    place.keep(now)
    assert place.process is not None
    place.process.wait()
    place.keep(now + 2 * processes.STEADY_SECONDS)
    assert place.start_at == now + 2 * processes.STEADY_SECONDS + processes.PAUSE_SECONDS


@pytest.mark.parametrize(
    ("roles", "url", "said"),
    [
        (["jobs", "web"], "postgresql://127.0.0.1/none", "--roles jobs"),
        (["jobs"], "sqlite:///hub.db", "PostgreSQL"),
    ],
)
def test_several_processes_are_for_jobs_on_postgresql(
    roles: list[str], url: str, said: str, tmp_path: Path
) -> None:
    settings = Settings(data_dir=tmp_path, database_url=url)
    with pytest.raises(BadSetting, match=said):
        service._serve_apart(settings, roles, 2, threading.Event())
