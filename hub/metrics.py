"""What a process counts of its own work, in the format of Prometheus.

Labels take few, fixed values: states, codes, routes and connectors as installed. Never an id, a
name or anything a sender wrote.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

commit_seconds = Histogram(
    "hub_commit_seconds", "How long a commit took.", registry=REGISTRY, buckets=_SECONDS
)
commit_works = Histogram(
    "hub_commit_works",
    "Pieces of work that shared a commit.",
    registry=REGISTRY,
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
)
jobs_ended = Counter(
    "hub_job_attempts",
    "Attempts of jobs by how they ended: done, ready (tried again), dead or cancelled.",
    ["kind", "outcome"],
    registry=REGISTRY,
)
leases_rescued = Counter(
    "hub_job_leases_rescued", "Jobs taken from workers that died or hung.", registry=REGISTRY
)
worker_threads = Gauge(
    "hub_worker_threads", "Threads that run jobs and are alive.", ["queue"], registry=REGISTRY
)
finishes_fenced = Counter(
    "hub_job_finishes_fenced",
    "Finishes refused because another worker held the job.",
    registry=REGISTRY,
)
mllp_connections = Gauge(
    "hub_mllp_connections", "Open connections of the MLLP listener.", registry=REGISTRY
)
mllp_frames = Counter(
    "hub_mllp_frames", "HL7 frames by the code they were answered with.", ["code"],
    registry=REGISTRY,
)  # fmt: skip
destinations_full = Gauge(
    "hub_destinations_full",
    "Destinations for which more messages wait than they may.",
    registry=REGISTRY,
)
mllp_closed = Counter(
    "hub_mllp_connections_closed", "MLLP connections closed unheard.", ["reason"],
    registry=REGISTRY,
)  # fmt: skip
http_requests = Histogram(
    "hub_http_request_seconds",
    "HTTP requests by route and status.",
    ["route", "method", "status"],
    registry=REGISTRY,
    buckets=_SECONDS,
)
graphql_operations = Histogram(
    "hub_graphql_operation_seconds",
    "GraphQL operations by mode (stored or sent document) and outcome (ok or the first code).",
    ["mode", "outcome"],
    registry=REGISTRY,
    buckets=_SECONDS,
)
vendor_calls = Histogram(
    "hub_vendor_call_seconds",
    "Calls of vendors by connector and outcome (ok or the code of the failure).",
    ["connector", "outcome"],
    registry=REGISTRY,
    buckets=_SECONDS,
)
