"""Several processes of one command under a supervisor: one for each core, as a machine that only
runs jobs wants them."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from hub import log

logger = log.get(__name__)

LOOK_SECONDS = 0.2
PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 30.0
STEADY_SECONDS = 60.0
"""A process that ran for so long is started again after the first pause, not one that grew."""


@dataclass(slots=True)
class _Place:
    """One of the processes, whichever holds the place now."""

    command: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    start_at: float = 0.0
    pause: float = field(default_factory=lambda: PAUSE_SECONDS)

    def keep(self, now: float) -> None:
        """Start the process where none runs and the pause is over."""
        if self.process is not None and (status := self.process.poll()) is not None:
            self.process = None
            if now - self.started > STEADY_SECONDS:
                self.pause = PAUSE_SECONDS
            pause, self.pause = self.pause, min(2 * self.pause, LONGEST_PAUSE_SECONDS)
            self.start_at = now + pause
            logger.error("process ended, another is started", status=status, seconds=pause)
        if self.process is None and now >= self.start_at:
            self.process = subprocess.Popen(self.command)  # noqa: S603 - the program's own
            self.started = now


def supervise(commands: Sequence[Sequence[str]], stop: threading.Event) -> None:
    """Keep one process of each command running until `stop`; then have all of them finish what is
    in hand (SIGTERM) and wait for it. One that ends is started again, after a pause of a second
    that doubles up to half a minute while it ends soon each time."""
    places = [_Place(command) for command in commands]
    try:
        while not stop.is_set():
            for place in places:
                place.keep(time.monotonic())
            stop.wait(LOOK_SECONDS)
    finally:
        running = [place.process for place in places if place.process is not None]
        for process in running:
            process.send_signal(signal.SIGTERM)
        for process in running:
            process.wait()
