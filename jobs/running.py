"""From a Dramatiq message to the actors of the jobs it stands for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Any

from hub import log, tracing
from hub.storage.envelopes import trace_of
from jobs.actors import ActorSpec
from jobs.context import RunningJob
from jobs.entitlement import refuse_unentitled
from jobs.holding import JobHolder

logger = log.get(__name__)


def bound(broker: JobHolder, spec: ActorSpec) -> Callable[..., None]:
    """The function Dramatiq calls with the tokens of one or more jobs."""

    def actor(*tokens: str) -> None:
        jobs = [running for token in tokens if (running := broker.held.get(token)) is not None]
        if refuse_unentitled(jobs):
            _one_by_one(broker, spec, jobs)
        elif spec.together is None or len(jobs) == 1:
            for running in jobs:
                with _seen(running):
                    spec.run(running)
        else:
            _one_by_one(broker, spec, _together(spec, jobs))

    return actor


def _together(spec: ActorSpec, jobs: Sequence[RunningJob]) -> Sequence[RunningJob]:
    """Run jobs in one transaction; returns those still to be run, all of them if it failed."""
    assert spec.together is not None  # noqa: S101 - the caller looked
    try:
        with ExitStack() as seen:
            for running in jobs if tracing.is_on() else ():
                seen.enter_context(_seen(running))
            return spec.together(jobs)
    except Exception as error:
        kind = jobs[0].claimed.kind
        logger.info("run one by one", kind=kind, count=len(jobs), error_type=type(error).__name__)
        return jobs


def _one_by_one(broker: JobHolder, spec: ActorSpec, jobs: Sequence[RunningJob]) -> None:
    """Run the heads of lanes by themselves; those that follow go back and wait for their turn. What
    failed already is only written down."""
    for running in jobs:
        if running.failure is not None:
            broker.outcome.settle(running, running.failure)
            running.finished = True
    for running in jobs:
        if running.claimed.follows and not running.finished:
            broker.give_back(running.claimed)
            running.finished = True
    for running in jobs:
        if not running.claimed.follows and not running.finished:
            failure: Exception | None = None
            try:
                with _seen(running):
                    spec.run(running)
            except Exception as error:
                failure = error
            broker.outcome.settle(running, failure)


def _seen(running: RunningJob) -> AbstractContextManager[Any]:
    """The attempt as a span of the trace that the job's envelope carries."""
    if not tracing.is_on():
        return tracing.NOTHING
    job = running.claimed
    said = {"job.kind": str(job.kind), "job.attempt": job.attempt}
    return tracing.span("job", said, parent=trace_of(job.envelope), kind="CONSUMER")
