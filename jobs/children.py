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
from typing import Any, Protocol, TypeVar

A = TypeVar("A")
R = TypeVar("R")

LOOK_SECONDS = 0.5
CALLS_OF_ONE_CHILD = 1000
_PR_SET_PDEATHSIG = 1  # prctl(2)


class Stoppable(Protocol):
    """A job that a child works for (`jobs.context.RunningJob`)."""

    def check(self) -> None:
        """Raise Cancelled or DeadlineNear where the work is to stop."""
        ...


class WarmChild:
    """A child process that stays for the next call: starting one takes longer than most calls.

    One call at a time; others wait. A call that fails to end (cancelled, over its time, the child
    died) costs the child, and the next call starts another; so does every `CALLS_OF_ONE_CHILD`.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: tuple[Any, Connection] | None = None
        self._calls = 0

    def run(self, job: Stoppable, call: Callable[[A], R], argument: A) -> R:
        """`call(argument)` there; both and the result must pickle. Raises as `run_apart` does."""
        with self._lock:
            try:
                connection = self._started()
                connection.send((call, argument))
                while not connection.poll(LOOK_SECONDS):
                    job.check()
                kind, value = connection.recv()
            except (EOFError, BrokenPipeError, ConnectionResetError) as error:
                self._end()
                raise ChildDied from error
            except BaseException:
                self._end()
                raise
        if kind == "failed":
            raise value
        return value  # type: ignore[no-any-return]

    def close(self) -> None:
        """End the child, if there is one."""
        with self._lock:
            self._end()

    def _started(self) -> Connection:
        self._calls += 1
        worn = self._calls > CALLS_OF_ONE_CHILD
        if self._child is not None and (worn or not self._child[0].is_alive()):
            self._end()
        if self._child is None:
            context = multiprocessing.get_context("spawn")
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs,), daemon=True)
            process.start()
            theirs.close()
            self._child, self._calls = (process, ours), 1
        return self._child[1]

    def _end(self) -> None:
        if self._child is not None:
            process, connection = self._child
            process.kill()
            process.join()
            connection.close()
        self._child = None


def _serve(connection: Connection) -> None:
    _end_with_parent()
    while True:
        try:
            call, argument = connection.recv()
        except EOFError:
            return
        try:
            answer: tuple[str, object] = ("done", call(argument))
        except Exception as error:
            answer = ("failed", error)
        connection.send(answer)


class ChildDied(Exception):
    """The child process ended without an answer."""


Tell = Callable[[Any], None]


def run_apart(
    job: Stoppable, call: Callable[[A], R], argument: A, *, megabytes: int | None = None
) -> R:
    """`call(argument)` in a child process; both and the result must pickle.

    Raises what `call` raises, Cancelled if the job is asked to stop, ChildDied if the child was
    killed (out of memory). With `megabytes` the child gets MemoryError beyond them.
    """
    answer: R = _run(job, _Quiet(call), argument, lambda _: None, megabytes)
    return answer


def run_telling(
    job: Stoppable,
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
    job: Stoppable,
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
