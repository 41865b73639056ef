"""The share of the processor that threads of jobs take, beside what somebody waits for."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from typing import Any

from dramatiq.broker import Broker
from dramatiq.middleware import Middleware

BEHIND = 10
"""Steps of niceness: a tenth of the processor beside a thread without, all of it beside none."""
MOST = 19


class GivesWay(Middleware):
    """Threads that run jobs let others of the machine go first. Those that keep the leases and
    claim do not, so that a busy machine makes jobs late and nothing else."""

    def after_worker_thread_boot(self, broker: Broker, thread: Any) -> None:
        own = os.getpriority(os.PRIO_PROCESS, 0)
        with suppress(OSError):  # a system whose threads have no niceness of their own
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), min(own + BEHIND, MOST))
