"""Long computations in a process of their own, which ends with the job that asked for it.

A solver holds up the other threads of the process it runs in. The child is killed when the job is
cancelled or over its time, when the worker stops, and when the worker itself dies.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from jobs.context import RunningJob

A = TypeVar("A")
R = TypeVar("R")

LOOK_SECONDS = 0.5
_PR_SET_PDEATHSIG = 1  # prctl(2)


class ChildDied(Exception):
    """The child process ended without an answer."""


Tell = Callable[[Any], None]


def run_apart(
    job: RunningJob, call: Callable[[A], R], argument: A, *, megabytes: int | None = None
) -> R:
    """`call(argument)` in a child process; both and the result must pickle.

    Raises what `call` raises, Cancelled if the job is asked to stop, ChildDied if the child was
    killed (out of memory). With `megabytes` the child gets MemoryError beyond them.
    """
    answer: R = _run(job, _Quiet(call), argument, lambda _: None, megabytes)
    return answer


def run_telling(
    job: RunningJob,
    call: Callable[[A, Tell], R],
    argument: A,
    told: Callable[[Any], None],
    *,
    megabytes: int | None = None,
) -> R:
    """Like `run_apart`, with reports on the way: what the child says by ``tell(value)`` is handed
    to `told` here, in this thread."""
    return _run(job, call, argument, told, megabytes)


@dataclass(frozen=True, slots=True)
class _Quiet:
    """A call that has nothing to tell."""

    call: Callable[[Any], Any]

    def __call__(self, argument: Any, _: Tell) -> Any:
        return self.call(argument)


def _run(
    job: RunningJob,
    call: Callable[[A, Tell], R],
    argument: A,
    told: Callable[[Any], None],
    megabytes: int | None,
) -> R:
    context = multiprocessing.get_context("spawn")
    receiving, sending = context.Pipe(duplex=False)
    child = context.Process(target=_answer, args=(sending, call, argument, megabytes), daemon=True)
    child.start()
    sending.close()
    try:
        while True:
            while not receiving.poll(LOOK_SECONDS):
                job.check()
            kind, value = receiving.recv()
            if kind != "told":
                break
            told(value)
            job.check()
    except EOFError as error:
        raise ChildDied from error
    finally:
        child.kill()
        child.join()
        receiving.close()
    if kind == "failed":
        raise value
    return value  # type: ignore[no-any-return]


def _answer(
    sending: Connection, call: Callable[[A, Tell], R], argument: A, megabytes: int | None
) -> None:
    _end_with_parent()
    if megabytes is not None:
        resource.setrlimit(resource.RLIMIT_DATA, (megabytes << 20, megabytes << 20))
    try:
        answer: tuple[str, object] = ("done", call(argument, lambda x: sending.send(("told", x))))
    except Exception as error:
        answer = ("failed", error)
    sending.send(answer)


def _end_with_parent() -> None:
    """The kernel ends this process with its parent; elsewhere a thread does, as soon as the
    computation lets other threads run."""
    parent = multiprocessing.parent_process()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if parent is not None and os.getppid() != parent.pid:  # it died before
            os._exit(1)
    elif parent is not None:
        threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()
