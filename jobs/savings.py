"""Statements to members and benchmarks of prices."""

from __future__ import annotations

from hub.domain.agreements import unrestricted_scope
from hub.services import benchmarks, fees
from jobs.context import RunningJob

_SCOPE = unrestricted_scope("purchasing statements")


def issue_statements(job: RunningJob) -> None:
    """Write each member's statements of a year: purchases, fees, discounts, rebates."""
    now, year = job.context.now(), int(job.args["year"])
    job.finish(_SCOPE, lambda session: fees.issue_statements(session, year=year, now=now))


def publish_benchmarks(job: RunningJob) -> None:
    """Publish the prices of quarters that are old enough, where enough practices bought."""
    now = job.context.now()
    job.finish(_SCOPE, lambda session: benchmarks.publish(session, now=now))
