"""How an attempt ended, written to the job's row: done, failed and tried again, or dead."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from dramatiq.broker import Broker, MessageProxy
from dramatiq.middleware import Middleware
from dramatiq.middleware.time_limit import TimeLimitExceeded

from hub import log, metrics
from hub.domain.agreements import operations_scope
from hub.domain.jobs import JobState
from hub.errors import (
    BadEnvelope,
    Cancelled,
    DeadlineNear,
    Forbidden,
    Halted,
    Held,
    HubError,
    LeaseLost,
    RateLimited,
    Transient,
    Unreachable,
    VendorDown,
)
from hub.services import ended
from hub.storage import finishing
from hub.storage.queue import ClaimedJob
from hub.storage.session import ScopedSession
from jobs import halting
from jobs.context import JobContext, RunningJob
from jobs.entitlement import record_refusal

if TYPE_CHECKING:
    from jobs.holding import JobHolder

logger = log.get(__name__)
_SCOPE = operations_scope("job queue")


class RowOutcome(Middleware):
    """Writes done or failed to the row. Anything an actor did not finish is finished here."""

    def __init__(self, broker: JobHolder) -> None:
        self.broker = broker

    def after_process_message(
        self,
        broker: Broker,
        message: MessageProxy,
        *,
        result: Any = None,
        exception: BaseException | None = None,
    ) -> None:
        for token in message.args:
            running = self.broker.held.get(token)
            if running is not None:
                self.settle(running, exception)

    def settle(self, running: RunningJob, exception: BaseException | None) -> None:
        """Write how one job ended, unless it is over already. One without effects is marked done
        with others, where the transport does that."""
        if running.finished or running.ended:
            return
        if exception is None and self.broker.marks_done:
            running.ended = True
            return
        try:
            if exception is None:
                running.finish(_SCOPE, lambda session: None)
            else:
                self._fail(running, exception)
            running.finished = True
        except LeaseLost:
            metrics.finishes_fenced.inc()
            logger.warning("lease lost", job_id=running.claimed.id, kind=running.claimed.kind)

    def _fail(self, running: RunningJob, exception: BaseException) -> None:
        if isinstance(exception, LeaseLost):
            raise exception
        context, job = running.context, running.claimed
        now = context.now()
        if isinstance(exception, Cancelled):
            context.database.transaction(
                _SCOPE, lambda session: _end_cancelled(session, job, str(exception), now)
            )
            metrics.jobs_ended.labels(job.kind, JobState.CANCELLED).inc()
            return
        failure = classify(exception, job, context)
        state = context.database.transaction(
            _SCOPE, lambda session: _end_failed(session, job, failure, exception, now)
        )
        metrics.jobs_ended.labels(job.kind, state).inc()
        if isinstance(exception, Held):
            return
        level = logger.error if state is JobState.DEAD else logger.warning
        level(
            "job failed",
            job_id=job.id,
            kind=job.kind,
            attempt=job.attempt,
            code=failure.code,
            state=state,
            error_type=type(exception).__name__,
        )


def _end_cancelled(session: ScopedSession, job: ClaimedJob, why: str, now: datetime) -> None:
    finishing.end_cancelled(session, job, now=now)
    ended.note_end(session, job.kind, job.args, why=why, now=now)


def _end_failed(
    session: ScopedSession,
    job: ClaimedJob,
    failure: Failure,
    exception: BaseException,
    now: datetime,
) -> JobState:
    dies = failure.counts and (failure.retry_at is None or job.attempt >= job.max_attempts)
    denied = isinstance(exception, BadEnvelope | Forbidden)
    if dies and not denied and job.lanes and halting.holds(session, job.kind, job.args):
        ended.note_end(session, job.kind, job.args, why=failure.text, now=now)
        halting.alarm(str(job.args["inbox_id"]), None, failure.code)
        again = now + halting.LOOK_AGAIN
        failure = Failure(Halted.code, failure.text, again, counts=False)
    state = finishing.fail(
        session,
        job,
        code=failure.code,
        text=failure.text,
        now=now,
        retry_at=failure.retry_at,
        counts=failure.counts,
    )
    if isinstance(exception, BadEnvelope | Forbidden):
        record_refusal(session, job, exception, now)
    if isinstance(exception, BadEnvelope):
        return state  # what it names was named by nobody we know
    if state in {JobState.DEAD, JobState.CANCELLED}:
        ended.note_end(session, job.kind, job.args, why=failure.text, now=now)
    return state


class Failure:
    """How a failed attempt is recorded. `retry_at` None: dead at once."""

    def __init__(self, code: str, text: str, retry_at: Any, *, counts: bool = True) -> None:
        self.code = code
        self.text = text
        self.retry_at = retry_at
        self.counts = counts


def classify(exception: BaseException, job: ClaimedJob, context: JobContext) -> Failure:
    """The one table from exception to retry; texts of foreign exceptions may carry values and are
    replaced by their type."""
    now = context.now()
    if isinstance(exception, RateLimited):
        return Failure("RATE_LIMITED", str(exception), exception.retry_at, counts=False)
    if isinstance(exception, Held):
        return Failure(exception.code, str(exception), exception.retry_at, counts=False)
    if isinstance(exception, Unreachable):
        again = exception.retry_at or finishing.retry_at(1, now)
        return Failure("UNREACHABLE", str(exception), again, counts=False)
    if isinstance(exception, Transient):
        again = finishing.retry_at(job.attempt, now, exception.retry_after)
        return Failure(exception.code, str(exception), again)
    if isinstance(exception, VendorDown):
        return Failure(exception.code, str(exception), finishing.retry_at(job.attempt, now))
    if isinstance(exception, DeadlineNear):
        return Failure("DEADLINE", str(exception), now, counts=False)
    if isinstance(exception, HubError):
        return Failure(exception.code, str(exception), None)
    text = f"An unexpected {type(exception).__name__} stopped the job."
    if isinstance(exception, TimeLimitExceeded):
        return Failure(
            "TIME_LIMIT", "The job ran longer than it may.", finishing.retry_at(job.attempt, now)
        )
    return Failure("INTERNAL", text, finishing.retry_at(job.attempt, now))
