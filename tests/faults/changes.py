"""Changes to a hub under test, made in the process before it starts.

`poison` and `slow_reading` put faults where no signal reaches; the two that weaken a guarantee are
the campaign's controls: with them the checker must find something.
"""

from __future__ import annotations

import os
import resource
import signal
import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy import Engine, event

from connectors.ehr_hl7v2.connector import EhrHl7v2
from hub.domain.jobs import Job
from hub.storage import claiming_round, finishing
from hub.storage.committer import Committer
from hub.storage.doorbell import Doorbell
from jobs import actors
from jobs.context import RunningJob
from jobs.pointers import _Begin

SLOW_SECONDS = 0.03
LOOP_MILLISECONDS = 4_000
OLDER_SECONDS = 0.5
"""For which older code has jobs wait that it does not know."""


def poison() -> None:
    """Reading a message that names a poison ends as the poison says."""
    read = EhrHl7v2.parse

    def parse(self: Any, config: Any, document: Any) -> Any:
        for mark, harm in POISONS.items():
            if mark in document.content:
                harm()
        return read(self, config, document)

    EhrHl7v2.parse = parse  # type: ignore[method-assign]
    finishing.RETRY_BASE = timedelta(seconds=1)
    spec = actors.ACTORS[Job.PROCESS_MESSAGE]
    actors.ACTORS[Job.PROCESS_MESSAGE] = replace(spec, time_limit=LOOP_MILLISECONDS)


def break_reading() -> None:
    """From now on reading any message raises."""

    def parse(*_: Any) -> Any:
        _raise()

    EhrHl7v2.parse = parse  # type: ignore[method-assign]


def _raise() -> None:
    raise RuntimeError("a fault of the campaign")


def _loop() -> None:
    while True:
        pass


def _out_of_memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (2**30, resource.RLIM_INFINITY))
    try:
        b" " * 2**32
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


POISONS = {
    b"POISONRAISE": _raise,
    b"POISONEXIT": lambda: os._exit(1),
    b"POISONSEGV": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    b"POISONMEMORY": _out_of_memory,
    b"POISONLOOP": _loop,
}


def slow_reading() -> None:
    """Reading takes long enough for a signal to arrive in the middle of it."""
    read = EhrHl7v2.parse

    def parse(self: Any, config: Any, document: Any) -> Any:
        time.sleep(SLOW_SECONDS)
        return read(self, config, document)

    EhrHl7v2.parse = parse  # type: ignore[method-assign]


def unfenced_finish() -> None:
    """A finish asks for the job's id only, not for the token and the state."""
    fenced = finishing._FINISHING["postgresql"]
    weaker = fenced.replace("AND token", "OR token").replace("AND state || '' = 'running'", "")
    if weaker == fenced:
        raise RuntimeError("the finish is written in other words now; change this control")
    finishing._FINISHING["postgresql"] = weaker


def synchronous_normal() -> None:
    """SQLite syncs at checkpoints only."""

    @event.listens_for(Engine, "checkout")
    def _weaken(connection: Any, *_: object) -> None:
        connection.execute("PRAGMA synchronous=NORMAL")

    Committer._sync = lambda *_: None  # type: ignore[method-assign]


def finish_apart() -> None:
    """What a job does and that it is done are written in two transactions."""
    finish = RunningJob.finish

    def apart(self: Any, scope: Any, effects: Any) -> Any:
        self.context.database.transaction(scope, effects)
        return finish(self, scope, lambda session: None)

    RunningJob.finish = apart  # type: ignore[method-assign]


def no_bell() -> None:
    """What PostgreSQL notifies of reaches nobody."""
    Doorbell._hear = lambda self: self._closed.wait()  # type: ignore[assignment,method-assign,return-value]


def older_code() -> None:
    """As a version that has never heard of the jobs that read messages."""
    kind = Job.PROCESS_MESSAGE
    del claiming_round.KINDS[kind]  # type: ignore[attr-defined]
    del actors.ACTORS[kind]
    claiming_round.UNKNOWN_KIND_DELAY = timedelta(seconds=OLDER_SECONDS)
    begin = _Begin.before_process_message

    def begin_known(self: Any, broker: Any, message: Any) -> None:
        if message.actor_name == kind:
            raise ValueError(f"{kind} is not a Job")
        begin(self, broker, message)

    _Begin.before_process_message = begin_known  # type: ignore[method-assign]


CHANGES = {
    "finish_apart": finish_apart,
    "no_bell": no_bell,
    "older_code": older_code,
    "poison": poison,
    "slow_reading": slow_reading,
    "unfenced_finish": unfenced_finish,
    "synchronous_normal": synchronous_normal,
}
