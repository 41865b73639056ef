"""Figures across practices."""

from __future__ import annotations

from hub.domain.agreements import unrestricted_scope
from hub.domain.metrics import Metric
from hub.services import metrics
from jobs.context import RunningJob

_SCOPE = unrestricted_scope("metrics")


def publish(job: RunningJob) -> None:
    """Publish the figures of months that are long enough over, each metric in a transaction of its
    own."""
    now = job.context.now()
    for metric in Metric:
        job.check()
        job.transaction(
            _SCOPE, lambda session, each=metric: metrics.publish(session, each, now=now)
        )
