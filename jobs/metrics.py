"""Figures across practices."""

from __future__ import annotations

from hub.domain.agreements import unrestricted_scope
from hub.domain.metrics import Metric
from hub.services import metrics
from hub.storage.session import ScopedSession
from jobs.context import RunningJob

_SCOPE = unrestricted_scope("metrics")


def publish(job: RunningJob) -> None:
    """Publish the figures of months that are long enough over, each metric in a transaction of its
    own."""
    now = job.context.now()
    for metric in Metric:

        def work(session: ScopedSession, metric: Metric = metric) -> int:
            return metrics.publish(session, metric, now=now)

        job.check()
        job.transaction(_SCOPE, work)
