"""The names of all jobs; each is the name of one Dramatiq actor in `jobs/`."""

from __future__ import annotations

from enum import StrEnum


class Job(StrEnum):
    """A job's arguments are ids only; its row in the job table is the truth."""

    PROCESS_MESSAGE = "ingest.process_message"
    JUDGE_AGAIN = "judging.judge_again"
    TAKE_FILES = "files.take"
    OWE_ACKNOWLEDGEMENT = "acknowledging.owe_after_end"
    SEND_ACKNOWLEDGEMENT = "acknowledging.send"
    SYNC_ALL = "pull.sync_all"
    SYNC_STREAMS = "pull.sync_streams"
    CHECK_CONNECTION = "connections.check"
    PLAN_ELIGIBILITY = "eligibility.nightly"
    CHECK_ELIGIBILITY = "eligibility.check"
    NORMALISE_REQUISITION = "requisitions.normalise_entries"
    OPEN_BIDS = "bids.open_bids"
    ISSUE_STATEMENTS = "savings.issue_statements"
    PUBLISH_BENCHMARKS = "savings.publish_benchmarks"
    PUBLISH_METRICS = "metrics.publish"
    SOLVE_ROUND = "purchasing.solve_round"
    SOLVE_SCENARIO = "purchasing.solve_scenario"
    RELEASE_ORDERS = "purchasing.release_orders"
    PLACE_ORDER = "orders.place"
    SEND_REPLY = "orders.send_reply"
    WRITE_APPOINTMENT = "authoring.write_appointment"
    WRITE_ORDER = "authoring.write_order"
    SEND_MESSAGE = "sending.send_message"
    RUN_EXPORT = "exports.run"
    ANCHOR_AUDIT = "maintenance.anchor_audit"
    INDEX_AUDIT = "maintenance.index_audit"
    END_EMERGENCIES = "maintenance.end_emergencies"
    EXPIRE_MESSAGES = "maintenance.expire_messages"
    PRUNE = "maintenance.prune"


class JobState(StrEnum):
    READY = "ready"
    RUNNING = "running"
    DONE = "done"
    DEAD = "dead"
    CANCELLED = "cancelled"
