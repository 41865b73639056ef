"""Long computations in a process of their own, which ends with the job that asked for it.

A solver holds up the other threads of the process it runs in. The child is killed when the job is
cancelled or over its time, when the worker stops, and when the worker itself dies.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import TypeVar

from jobs.context import RunningJob

A = TypeVar("A")
R = TypeVar("R")

LOOK_SECONDS = 0.5
_PR_SET_PDEATHSIG = 1  # prctl(2)


class ChildDied(Exception):
    """The child process ended without an answer."""


def run_apart(job: RunningJob, call: Callable[[A], R], argument: A) -> R:
    """`call(argument)` in a child process; both and the result must pickle.

    Raises what `call` raises, Cancelled if the job is asked to stop, ChildDied if the child was
    killed (out of memory).
    """
    context = multiprocessing.get_context("spawn")
    receiving, sending = context.Pipe(duplex=False)
    child = context.Process(target=_answer, args=(sending, call, argument), daemon=True)
    child.start()
    sending.close()
    try:
        while not receiving.poll(LOOK_SECONDS):
            job.check()
        failed, result = receiving.recv()
    except EOFError as error:
        raise ChildDied from error
    finally:
        child.kill()
        child.join()
        receiving.close()
    if failed:
        raise result
    return result  # type: ignore[no-any-return]


def _answer(sending: Connection, call: Callable[[A], R], argument: A) -> None:
    _end_with_parent()
    try:
        answer: tuple[bool, object] = (False, call(argument))
    except Exception as error:
        answer = (True, error)
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
