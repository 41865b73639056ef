"""Child processes: their answers, their failures, and their end with the job."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hub.domain.jobs import Job
from hub.errors import Cancelled
from hub.settings import Settings
from hub.storage.crypto import Crypto
from hub.storage.queue import ClaimedJob
from hub.storage.session import Database
from jobs.children import ChildDied, run_apart, run_telling
from jobs.context import JobContext, RunningJob
from tests.polling import wait_until


@pytest.fixture
def job(tmp_path: Path, crypto: Crypto) -> Iterator[RunningJob]:
    moment = datetime(2026, 3, 2, tzinfo=UTC)
    database = Database(f"sqlite:///{tmp_path / 'hub.db'}")
    context = JobContext(database, crypto, Settings(data_dir=tmp_path), lambda: moment)
    yield RunningJob(context, ClaimedJob(1, Job.SOLVE_ROUND, "t", None, {}, 1, 3, moment))
    database.close()


def test_a_child_answers(job: RunningJob) -> None:
    assert run_apart(job, math.factorial, 20) == math.factorial(20)


def test_what_the_child_raises_is_raised(job: RunningJob) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        run_apart(job, int, "nine")


def test_a_child_that_is_killed_is_told_apart_from_an_answer(job: RunningJob) -> None:
    with pytest.raises(ChildDied):
        run_apart(job, os._exit, 9)


def test_a_cancelled_job_does_not_wait_for_its_child(job: RunningJob) -> None:
    threading.Timer(0.2, lambda: setattr(job, "cancel_asked", True)).start()
    started = time.monotonic()
    with pytest.raises(Cancelled):
        run_apart(job, time.sleep, 60)
    assert time.monotonic() - started < 30


SCRIPT = """
import multiprocessing, threading, time, types
from jobs.children import run_apart

job = types.SimpleNamespace(check=lambda: None)
threading.Thread(target=run_apart, args=(job, time.sleep, 600)).start()
while not multiprocessing.active_children():
    time.sleep(0.01)
print(multiprocessing.active_children()[0].pid, flush=True)
"""


def test_a_child_ends_with_a_worker_that_is_killed() -> None:
    worker = subprocess.Popen([sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, text=True)
    assert worker.stdout is not None
    with worker.stdout:
        child = int(worker.stdout.readline())
    worker.kill()
    worker.wait()
    wait_until(lambda: not is_running(child))


def is_running(pid: int) -> bool:
    """False also for a process that ended and that nobody has waited for."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def _counting(up_to: int, tell: Callable[[int], None]) -> str:
    for number in range(up_to):
        tell(number)
    return "done"


def test_a_child_reports_on_its_way(job: RunningJob) -> None:
    heard: list[int] = []
    assert run_telling(job, _counting, 3, heard.append) == "done"
    assert heard == [0, 1, 2]


def test_a_child_over_its_memory_fails_with_it(job: RunningJob) -> None:
    with pytest.raises(MemoryError):
        run_apart(job, bytearray, 2 << 30, megabytes=1024)
