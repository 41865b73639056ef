"""The registry of actors: one function per member of `hub.domain.jobs.Job`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hub.domain.jobs import Job
from hub.storage.queue import DEFAULT_QUEUE, SENDING_QUEUE
from jobs import (
    acknowledging,
    authoring,
    bids,
    connections,
    eligibility,
    exports,
    files,
    ingest,
    ingest_together,
    judging,
    maintenance,
    metrics,
    orders,
    pull,
    purchasing,
    requisitions,
    savings,
    sending,
)
from jobs.context import RunningJob

ActorFunction = Callable[[RunningJob], None]

MINUTE = 60_000
LONG = 5 * MINUTE


@dataclass(frozen=True, slots=True)
class ActorSpec:
    """`time_limit` in milliseconds: the actor is interrupted after it and the attempt fails.
    `queue` is whose threads run it.

    `together` runs several jobs of one practice in one transaction, for kinds that call nobody and
    take milliseconds; it returns those that are to be run one by one. With `in_lane` they are those
    of one lane only, in their order, and may call somebody."""

    run: ActorFunction
    time_limit: int
    queue: str = DEFAULT_QUEUE
    together: Callable[[Sequence[RunningJob]], Sequence[RunningJob]] | None = None
    in_lane: bool = False

    @property
    def is_long(self) -> bool:
        """May hold a thread so long that others must not be left waiting behind it."""
        return self.time_limit > LONG


ACTORS: dict[Job, ActorSpec] = {
    Job.SEND_ACKNOWLEDGEMENT: ActorSpec(acknowledging.send, 1 * MINUTE),
    Job.OWE_ACKNOWLEDGEMENT: ActorSpec(acknowledging.owe_after_end, 1 * MINUTE),
    Job.PROCESS_MESSAGE: ActorSpec(
        ingest.process_message, 1 * MINUTE, together=ingest_together.process_messages
    ),
    Job.JUDGE_AGAIN: ActorSpec(judging.judge_again, 1 * MINUTE),
    Job.TAKE_FILES: ActorSpec(files.take, 10 * MINUTE),
    Job.SYNC_ALL: ActorSpec(pull.sync_all, 1 * MINUTE),
    Job.SYNC_STREAMS: ActorSpec(pull.sync_streams, 60 * MINUTE),
    Job.CHECK_CONNECTION: ActorSpec(connections.check, 2 * MINUTE),
    Job.PLAN_ELIGIBILITY: ActorSpec(eligibility.nightly, 10 * MINUTE),
    Job.CHECK_ELIGIBILITY: ActorSpec(eligibility.check, 2 * MINUTE),
    Job.NORMALISE_REQUISITION: ActorSpec(requisitions.normalise_entries, 10 * MINUTE),
    Job.OPEN_BIDS: ActorSpec(bids.open_bids, 10 * MINUTE),
    Job.ISSUE_STATEMENTS: ActorSpec(savings.issue_statements, 10 * MINUTE),
    Job.PUBLISH_BENCHMARKS: ActorSpec(savings.publish_benchmarks, 10 * MINUTE),
    Job.PUBLISH_METRICS: ActorSpec(metrics.publish, 10 * MINUTE),
    Job.SOLVE_ROUND: ActorSpec(purchasing.solve_round, 45 * MINUTE),
    Job.SOLVE_SCENARIO: ActorSpec(purchasing.solve_scenario, 45 * MINUTE),
    Job.RELEASE_ORDERS: ActorSpec(purchasing.release_orders, 1 * MINUTE),
    Job.PLACE_ORDER: ActorSpec(orders.place, 2 * MINUTE),
    Job.SEND_REPLY: ActorSpec(orders.send_reply, 2 * MINUTE),
    Job.WRITE_APPOINTMENT: ActorSpec(authoring.write_appointment, 2 * MINUTE, SENDING_QUEUE),
    Job.WRITE_ORDER: ActorSpec(authoring.write_order, 2 * MINUTE, SENDING_QUEUE),
    Job.SEND_MESSAGE: ActorSpec(
        sending.send_message,
        3 * MINUTE,
        SENDING_QUEUE,
        together=sending.send_messages,
        in_lane=True,
    ),
    Job.RUN_EXPORT: ActorSpec(exports.run, 60 * MINUTE),
    Job.ANCHOR_AUDIT: ActorSpec(maintenance.anchor_audit, 1 * MINUTE),
    Job.INDEX_AUDIT: ActorSpec(maintenance.index_audit, 10 * MINUTE),
    Job.END_EMERGENCIES: ActorSpec(maintenance.end_emergencies, 1 * MINUTE),
    Job.EXPIRE_MESSAGES: ActorSpec(maintenance.expire_messages, 60 * MINUTE),
    Job.PRUNE: ActorSpec(maintenance.prune, 10 * MINUTE),
}
