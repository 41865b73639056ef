"""Several processes of one command, forked from one that has loaded and built what all of them
need, so that they share that memory. It goes on as their supervisor."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from dataclasses import dataclass, field

from hub import log

logger = log.get(__name__)

LOOK_SECONDS = 0.2
PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 30.0
STEADY_SECONDS = 60.0
"""A process that ran for so long is started again after the first pause, not one that grew."""


@dataclass(slots=True)
class _Place:
    """One of the processes, whichever holds the place now; `process` is its id, 0 for none."""

    process: int = 0
    started: float = 0.0
    start_at: float = 0.0
    pause: float = field(default_factory=lambda: PAUSE_SECONDS)

    def keep(self, now: float) -> bool:
        """Fork where no process holds the place and the pause is over; True in the new one."""
        if self.process and (status := _ended(self.process)) is not None:
            self.process = 0
            if now - self.started > STEADY_SECONDS:
                self.pause = PAUSE_SECONDS
            seconds = self._wait(now)
            logger.error("process ended, another is started", status=status, seconds=seconds)
        if self.process or now < self.start_at:
            return False
        try:
            self.process, self.started = os.fork(), now
        except OSError:  # no memory, or too many processes: those that run go on
            logger.error("no process can be started", seconds=self._wait(now))
            return False
        return not self.process

    def _wait(self, now: float) -> float:
        """Put the next start off; returns for how many seconds."""
        pause, self.pause = self.pause, min(2 * self.pause, LONGEST_PAUSE_SECONDS)
        self.start_at = now + pause
        return pause


class Workers:
    """So many processes like this one, under its supervision."""

    def __init__(self, count: int) -> None:
        self.supervisor = os.getpid()
        self._places = [_Place() for _ in range(count)]

    def keep(self, stop: threading.Event) -> int | None:
        """Keep the processes running until `stop`; then returns None. In each of them it returns
        the number of its place, from 0.

        One that ends is started again, after a pause of a second that doubles up to half a minute
        while it ends soon each time. A fork copies the thread that calls it and no other, so there
        must be no other, and no connection that a process would share with the next.
        """
        if threading.active_count() > 1:
            raise RuntimeError("a process with several threads cannot be forked")
        sys.stdout.flush()
        while not stop.is_set():
            for number, place in enumerate(self._places):
                if place.keep(time.monotonic()):
                    return number
            stop.wait(LOOK_SECONDS)
        return None

    def end(self) -> None:
        """Have all finish what is in hand (SIGTERM) and wait for it."""
        running = [place.process for place in self._places if place.process]
        for process in running:
            os.kill(process, signal.SIGTERM)
        for process in running:
            os.waitpid(process, 0)

    def is_left_alone(self) -> bool:
        """In one of the processes: whether who would start it again is gone."""
        return os.getppid() != self.supervisor


def _ended(process: int) -> int | None:
    """The exit code of a child, a signal's number with a minus; None while it runs."""
    ended, status = os.waitpid(process, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if ended else None
