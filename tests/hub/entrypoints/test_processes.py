"""Processes forked by a supervisor: kept running, and ended together."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest

from hub.entrypoints import processes
from hub.entrypoints.cli import service
from hub.errors import BadSetting
from hub.settings import Settings
from tests.polling import wait_until

_SUPERVISE = """
import os, pathlib, signal, sys, threading
from hub.entrypoints import processes

folder = pathlib.Path(sys.argv[1])
processes.PAUSE_SECONDS, processes.LOOK_SECONDS = 0.05, 0.02
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
workers = processes.Workers(3)
number = workers.keep(stop)
if number is None:
    workers.end()
    (folder / "supervisor").touch()
    sys.exit()
with (folder / f"started-{number}").open("a") as started:
    print(os.getpid(), file=started)
if number == 0:
    sys.exit(3)
while not stop.wait(0.02) and not workers.is_left_alone():
    pass
(folder / f"ended-{number}").touch()
"""


@contextmanager
def _supervised(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", _SUPERVISE, str(folder)]) as supervisor:
        try:
            yield supervisor
        finally:
            supervisor.kill()


def _started(path: Path) -> list[int]:
    return [int(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_one_that_ends_is_started_again_and_all_end_together(tmp_path: Path) -> None:
    with _supervised(tmp_path) as supervisor:
        wait_until(lambda: len(_started(tmp_path / "started-0")) >= 3)
        (killed,) = wait_until(lambda: _started(tmp_path / "started-1"))
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: len(_started(tmp_path / "started-1")) == 2)
        wait_until(lambda: _started(tmp_path / "started-2"))
        supervisor.send_signal(signal.SIGTERM)
        assert supervisor.wait(timeout=60) == 0
    ended = {path.name for path in tmp_path.iterdir() if "ended" in path.name}
    assert ended == {"ended-1", "ended-2"}
    assert (tmp_path / "supervisor").exists()


def test_one_whose_supervisor_was_killed_ends_itself(tmp_path: Path) -> None:
    with _supervised(tmp_path) as supervisor:
        wait_until(lambda: _started(tmp_path / "started-2"))
        supervisor.kill()
    wait_until((tmp_path / "ended-2").exists)


def test_a_process_with_a_second_thread_is_not_forked(monkeypatch: pytest.MonkeyPatch) -> None:
    def forked() -> NoReturn:
        pytest.fail("it was forked")

    monkeypatch.setattr(os, "fork", forked)
    ended = threading.Event()
    second = threading.Thread(target=ended.wait)
    second.start()
    try:
        with pytest.raises(RuntimeError, match="threads"):
            processes.Workers(1).keep(threading.Event())
    finally:
        ended.set()
        second.join()


@pytest.fixture
def forked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Instead of forks of the test: processes that end at once, by their ids."""
    started: list[int] = []

    def spawn() -> int:
        started.append(os.posix_spawn("/bin/true", ["true"], {}))
        os.waitid(os.P_PID, started[-1], os.WEXITED | os.WNOWAIT)
        return started[-1]

    monkeypatch.setattr(os, "fork", spawn)
    return started


def test_the_pause_grows_while_a_process_ends_soon_each_time(forked: list[int]) -> None:
    place = processes._Place()
    pauses, now = [], 0.0
    for count in range(1, 4):
        assert not place.keep(now)
        assert len(forked) == count
        assert not place.keep(now)
        pauses.append(place.start_at - now)
        now = place.start_at
    assert pauses == [1.0, 2.0, 4.0]
    place.keep(now)
    later = now + 2 * processes.STEADY_SECONDS
    place.keep(later)
    assert place.start_at == later + processes.PAUSE_SECONDS
    assert len(forked) == 4


def test_a_machine_without_room_for_a_process_is_asked_again_later(
    forked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    spawn = os.fork

    def full() -> NoReturn:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    place = processes._Place()
    monkeypatch.setattr(os, "fork", full)
    assert not place.keep(0.0)
    monkeypatch.setattr(os, "fork", spawn)
    place.keep(processes.PAUSE_SECONDS / 2)
    assert forked == []
    place.keep(processes.PAUSE_SECONDS)
    assert forked == [place.process]
    assert not place.keep(processes.PAUSE_SECONDS)


@pytest.mark.parametrize("role", ["jobs", "web"])
def test_several_processes_need_postgresql(role: str, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, database_url="sqlite:///hub.db")
    with pytest.raises(BadSetting, match="PostgreSQL"):
        service._serve_apart(settings, [role], 2, threading.Event())
